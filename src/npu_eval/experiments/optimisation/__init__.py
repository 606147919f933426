"""Which switches make the model quicker here, by how much, and without changing its answers."""
