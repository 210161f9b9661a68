"""Training: the base task module, its callbacks, and what is counted about a model."""
