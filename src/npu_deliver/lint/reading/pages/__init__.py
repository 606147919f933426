"""What kind of page a document is, and which of its parts stand apart from the rest."""
