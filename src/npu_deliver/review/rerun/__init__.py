"""Run a finished deliverable again, and hold what comes out against what it says."""
