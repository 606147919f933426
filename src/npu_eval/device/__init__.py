"""The device that numbers come from: opened, proven, its settings read back."""
