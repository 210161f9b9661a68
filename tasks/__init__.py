"""The challenge tasks, one folder each, all laid out alike."""
