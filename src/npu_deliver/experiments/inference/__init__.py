"""What the model says of photos, on the host: summary and rows."""
