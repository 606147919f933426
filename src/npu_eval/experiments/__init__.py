"""One folder an experiment: `run` needs torch, what it stores and says the standard library alone."""
