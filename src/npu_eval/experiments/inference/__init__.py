"""What the model says of photos, drawn onto them for a person to look at."""
