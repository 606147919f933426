"""The same few training steps on the reference and on the candidate."""
