"""What the demo prints: progress while it samples, then a summary of what came out."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from services.agent.readings import COUNTERS, Samples
from tidemark.report.payload import Refusal, Source, unit
from tidemark.report.series import Line, metric_name

_BLOCKS = "▁▂▃▄▅▆▇█"
_LIVE_ROWS = 10
_WIDTH = 48


def sparkline(values: Iterable[float], width: int = _WIDTH) -> str:
    """Values as blocks of eight heights, from the least to the greatest; the greatest of each group where there are more than ``width``.

    A value that is not a number is a gap.
    """
    numbers = np.array(list(values), np.float64)
    if len(numbers) > width:
        groups = np.array_split(numbers, width)
        numbers = np.array([np.nanmax(group) if np.isfinite(group).any() else np.nan for group in groups])
    finite = numbers[np.isfinite(numbers)]
    if not len(finite):
        return " " * len(numbers)
    low, span = finite.min(), np.ptp(finite) or 1
    return "".join(_BLOCKS[int((each - low) / span * 7.999)] if math.isfinite(each) else " " for each in numbers)


_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def quantity(value: float, of: str) -> str:
    """A number with its unit, three or four digits long: ``1.25 MB/s``."""
    if not math.isfinite(value):
        return "-"
    if of == "%":
        return f"{value:.1f} %"
    base, slash, second = of.partition("/")
    for size, prefix in _PREFIXES:
        if abs(value) >= size:
            return f"{value / size:.2f} {prefix}{base}{slash}{second}"
    digits = 0 if float(value).is_integer() else 2
    return f"{value:.{digits}f}{' ' if base else ''}{base}{slash}{second}"


def rates(name: str, readings: Sequence[tuple[int, Samples]], metric: str) -> list[float]:
    """A metric's readings; of a counter the rates a second between them."""
    points = [(ts, samples[metric]) for ts, samples in readings if metric in samples]
    if name not in COUNTERS:
        return [value for _, value in points]
    return [(after - before) / ((later - sooner) / 1000) for (sooner, before), (later, after) in pairwise(points)]


def live(readings: Sequence[tuple[int, Samples]], seconds: int, fleet: RenderableType) -> RenderableType:
    """The display while this computer is sampled: how far it is, its metrics so far, and what the fleet's job is doing."""
    head = Table.grid(padding=(0, 1))
    bar = ProgressBar(total=seconds, completed=len(readings), width=30)
    head.add_row("this computer", bar, f"{len(readings)} of {seconds} s")
    head.add_row("the fleet's day", fleet)
    body = Table(box=None, show_header=False, padding=(0, 1))
    metrics = list(readings[-1][1]) if readings else []
    for metric in metrics[:_LIVE_ROWS]:
        name = metric_name(metric)
        values = rates(name, readings, metric)
        now = quantity(values[-1], unit(name, name in COUNTERS)) if values else ""
        body.add_row(Text(metric), Text(sparkline(values, seconds), style="cyan"), Text(now, style="bold"))
    return Group(head, Text(""), body)


def source_table(source: Source, tier: str) -> Table:
    """A sparkline a metric, with its least, average and greatest value over all series.

    Of a source that comes with its samples the line is of them, else of the tier's greatest values.
    """
    samples = {raw.metric: raw.value for raw in source.raw}
    table = Table(
        title=f"{source.title}, {tier} windows", title_justify="left", title_style="bold", box=None, padding=(0, 1)
    )
    table.add_column("metric", style="dim")
    table.add_column("samples over time" if source.raw else "greatest of all series over time")
    for name in ("least", "average", "greatest"):
        table.add_column(name, justify="right")
    for metric, lines in _by_metric(source, tier).items():
        name = metric_name(metric)
        of = unit(name, name in source.counters)
        values = np.array([line.value for line in lines])
        lows = np.array([line.value if line.low is None else line.low for line in lines])
        highs = np.array([line.value if line.high is None else line.high for line in lines])
        if not np.isfinite(values).any():
            continue
        over_time = samples.get(metric, np.max(highs, axis=0, where=np.isfinite(highs), initial=-np.inf))
        numbers = [quantity(float(each), of) for each in (np.nanmin(lows), np.nanmean(values), np.nanmax(highs))]
        table.add_row(Text(metric), Text(sparkline(over_time), style="cyan"), *numbers)
    return table


def _by_metric(source: Source, tier: str) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = {}
    for line in source.tiers[tier].lines:
        found.setdefault(line.metric, []).append(line)
    return found


def balance_table(
    sources: Sequence[Source], meanings: Mapping[str, str], differences: Mapping[str, Sequence[int]]
) -> Table:
    """Every fate with its count in each source, then the numbers that must be 0."""
    table = Table(
        title="Every record accounted for", title_justify="left", title_style="bold", box=None, padding=(0, 1)
    )
    table.add_column("", style="dim")
    for source in sources:
        table.add_column(source.title, justify="right")
    table.add_column("", style="dim")
    for name, meaning in meanings.items():
        counts = [source.balance.get(name, 0) for source in sources]
        if any(counts):
            table.add_row(name, *(f"{count:,}" for count in counts), meaning)
    for name, numbers in differences.items():
        styled = [Text(f"{number:,}", style="bold red" if number else "bold green") for number in numbers]
        table.add_row(name, *styled, "")
    return table


def steps_table(title: str, steps: Iterable[tuple[str, str]]) -> Table:
    """Places or commands, and what each is for."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, show_header=False, padding=(0, 1))
    for place, meaning in steps:
        table.add_row(Text(place, style="cyan", no_wrap=False))
        table.add_row(Text(f"  {meaning}", style="dim"))
    return table


def refusal_table(refusals: Collection[Refusal], most: int = 8) -> Table:
    """Refused records: where they stand, and why."""
    title = f"Refused records: {len(refusals)}"
    table = Table(title=title, title_justify="left", title_style="bold", box=None, show_header=False, padding=(0, 1))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for refusal in list(refusals)[:most]:
        table.add_row(Text(refusal.where), Text(refusal.reason))
    if len(refusals) > most:
        table.add_row("", f"and {len(refusals) - most} more in the report")
    return table
