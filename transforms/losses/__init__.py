"""What a run has lost, and what its owner should know of it."""
