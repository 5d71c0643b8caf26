"""``tidemark demo``: the metrics job on real input with no servers, and a report of what came out."""

from tidemark.demo.cli import main

__all__ = ["main"]
