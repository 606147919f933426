"""Cross checks between what a folder says in different places."""
