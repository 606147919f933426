"""A fresh process under test, and what drives it."""
