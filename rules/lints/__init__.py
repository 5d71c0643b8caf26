"""What Prometheus accepts and an author hardly means: one module for each question asked of a rule."""
