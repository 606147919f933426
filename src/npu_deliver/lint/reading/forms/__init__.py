"""What a page is filled in with: cards, fields, and the placeholders that were forgotten."""
