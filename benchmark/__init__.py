"""The engine of the benchmark suite: recipes, data, training, records. It knows no task by name."""
