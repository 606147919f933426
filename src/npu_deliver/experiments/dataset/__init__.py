"""A data set's metric on the host: summary, chart and words."""
