"""What stays: plans, drives, judges, renders and verifies a deliverable. Never imports a framework."""
