"""What this release is: its version, and the code of it that travels."""
