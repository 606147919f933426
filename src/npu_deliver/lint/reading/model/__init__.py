"""Which network a page ported, and where its weights come from."""
