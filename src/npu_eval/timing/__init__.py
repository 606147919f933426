"""Statistics of samples of time. Standard library only."""
