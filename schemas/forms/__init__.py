"""Persisted forms and their versions."""
