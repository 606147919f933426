"""Lays out a deliverable's folder."""
