"""What the entry scripts share: the model opened on a device, the record written, the exit code."""
