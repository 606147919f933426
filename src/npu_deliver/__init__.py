"""What stays: plans, drives, judges, renders and verifies a deliverable. Never imports a framework."""

__version__ = "0.2.0.dev0"
