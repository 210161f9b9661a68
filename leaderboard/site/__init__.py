"""Records, runs and published rows to a static site: pages of tasks, systems and runs that open without a server."""
