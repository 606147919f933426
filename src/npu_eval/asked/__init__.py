"""What is asked, fixed before the run: the content of spec.json. Standard library only."""
