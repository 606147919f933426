"""Measured speeds with what each was measured under, and what a page says of several of them together."""
