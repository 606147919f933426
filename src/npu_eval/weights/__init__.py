"""A weights file by its name: found, fetched, verified. Standard library only."""
