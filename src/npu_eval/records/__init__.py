"""What was found, as it is stored, judged and told. Standard library only."""
