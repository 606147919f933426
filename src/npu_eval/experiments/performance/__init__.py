"""How quick the model is, in each of the ways in which that can be asked."""
