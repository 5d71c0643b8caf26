"""Nowhere: rows and records are counted and forgotten."""
