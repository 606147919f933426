"""What a page says of its precision: what was compared, on which inputs, by which limits, and what came out."""
