"""Measurements behind the claims of docs/benchmarks.md."""
