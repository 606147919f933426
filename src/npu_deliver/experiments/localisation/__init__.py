"""Where a difference starts, on the host: summary and chart."""
