"""Fusion: one prediction of those of several networks."""
