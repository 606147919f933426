"""What a process minds before all else: its streams, its variables, shadowed names, characters."""
