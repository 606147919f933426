"""Which operator differs from the reference, and why."""
