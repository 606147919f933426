"""The quantities of a text: what each printed number is, on which side, and under which settings."""
