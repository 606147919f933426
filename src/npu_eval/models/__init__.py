"""The seam to a model, and what adapters may use."""
