"""``tidemark demo``: the metrics job on real input with no servers, and a report of what came out."""

from pipelines.demo.cli import main

__all__ = ["main"]
