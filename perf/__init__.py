"""Measurements of speed: `make perf`."""
