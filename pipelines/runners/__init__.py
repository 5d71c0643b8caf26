"""How a pipeline gets to a runner."""
