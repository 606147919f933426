"""The host's half of each experiment: its summary, its rows, its pictures, its words."""
