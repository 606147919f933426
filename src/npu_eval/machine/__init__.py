"""The machine around the device: its memory, limits, load, disk and locks. Standard library only."""
