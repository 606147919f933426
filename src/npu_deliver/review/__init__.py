"""Reads a finished folder as a stranger would."""
