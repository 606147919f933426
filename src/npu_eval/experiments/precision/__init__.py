"""The candidate against the reference, output by output, and against itself."""
