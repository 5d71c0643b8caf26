"""Two engines at the same work, in turns: the figures and their table."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

Spread = tuple[float, float, float]


@dataclass(frozen=True)
class Figure:
    """Seconds of one piece of work in one engine: the least, the middle and the most of all repeats."""

    query: str
    engine: str
    wall_s: Spread
    processor_s: Spread


def spread(seconds: Sequence[float]) -> Spread:
    """The least, the middle and the most."""
    return min(seconds), statistics.median(seconds), max(seconds)


def print_table(title: str, what: str, figures: Sequence[Figure]) -> None:
    """The figures, a line each."""
    table = Table(what, "engine", "wall, s (min / median / max)", "processor, s", title=title)
    for figure in figures:
        columns = (" / ".join(f"{second:.3f}" for second in found) for found in (figure.wall_s, figure.processor_s))
        table.add_row(figure.query, figure.engine, *columns)
    Console().print(table)
