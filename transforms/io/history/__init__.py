"""Samples of the past, from wherever they are stored."""
