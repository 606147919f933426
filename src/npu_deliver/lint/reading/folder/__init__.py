"""A stranger's folder: which files are of one submission, read within limits, each parsed once."""
