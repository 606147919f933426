"""Adapters for the model libraries that are addressed by name: ``timm:<name>`` and the like."""
