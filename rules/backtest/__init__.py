"""Rules evaluated over a history."""
