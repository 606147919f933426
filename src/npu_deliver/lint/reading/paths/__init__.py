"""The files and the places that a page names."""
