"""The reference's outputs: computed here, or read from a bundle."""
