"""A second process makes a folder's pages and pictures again, and they are held against its own."""
