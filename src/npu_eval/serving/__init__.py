"""A small HTTP server for the model."""
