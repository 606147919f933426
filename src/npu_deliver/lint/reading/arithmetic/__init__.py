"""Numbers of a page that follow from others of it, or say the same again."""
