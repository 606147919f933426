"""What closes a folder: its manifest, its statement, its signature."""
