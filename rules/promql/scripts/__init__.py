"""Prometheus' test scripts."""
