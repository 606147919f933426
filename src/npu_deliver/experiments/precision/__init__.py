"""Numerical agreement on the host: summary and chart."""
