"""A page about one result: its scores beside the published ones, its errors, and how to repeat it."""
