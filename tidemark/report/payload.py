"""What the report's page is given: a JSON description, and all columns of numbers as one compressed block of float32."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from schemas.batch import Float64
from tidemark.report.alert_payload import describe
from tidemark.report.alerts import Alerts
from tidemark.report.series import Line, Lines, RawLine, labels_of, metric_name


class Block:
    """Columns of numbers, one after another."""

    def __init__(self) -> None:
        self._columns: list[np.ndarray] = []
        self._length = 0

    def add(self, column: Float64) -> list[int]:
        """Append a column; its place as [first number, length]."""
        place = [self._length, len(column)]
        self._columns.append(column.astype("<f4"))
        self._length += len(column)
        return place

    def text(self) -> str:
        """All of it: little-endian float32, gzip, base64. Equal columns give equal text."""
        data = np.concatenate(self._columns).tobytes() if self._columns else b""
        return base64.b64encode(gzip.compress(data, 6, mtime=0)).decode()


@dataclass(frozen=True)
class Source:
    """One stream of metrics of the report.

    Attributes:
        id: ``computer`` is drawn with its raw samples, a card a series; others as lines over time, a host each.
        title, note: texts above the charts.
        tiers: lines by the tier's name, finest first.
        counters: names of its counters.
        raw: samples, where they are drawn.
        balance: counts by fate (see :mod:`transforms.accounting`).
        alerts: of rules that were evaluated over it, if any were.
    """

    id: str
    title: str
    note: str
    tiers: Mapping[str, Lines]
    counters: Collection[str]
    balance: Mapping[str, int]
    raw: Sequence[RawLine] = ()
    alerts: Alerts | None = None


@dataclass(frozen=True)
class Refusal:
    """A dead letter as it is listed."""

    source: str
    where: str
    reason: str
    text: str


@dataclass(frozen=True)
class Report:
    """All that the page shows.

    Attributes:
        sources: in the order of their sections.
        meanings: of the fates of samples, in the order of the table.
        refusals: dead letters.
        made: when, as text.
        files: names and places of what the run wrote.
        next_steps: commands and what they do.
    """

    sources: Sequence[Source]
    meanings: Mapping[str, str]
    refusals: Sequence[Refusal]
    made: str
    files: Sequence[tuple[str, str]] = field(default_factory=tuple)
    next_steps: Sequence[tuple[str, str]] = field(default_factory=tuple)


def payload(report: Report) -> tuple[dict[str, Any], str]:
    """The page's description and its block of numbers."""
    block = Block()
    described = {
        "made": report.made,
        "sources": [_source(source, block) for source in report.sources],
        "meanings": dict(report.meanings),
        "refusals": [vars(refusal) for refusal in report.refusals],
        "files": list(report.files),
        "next": list(report.next_steps),
    }
    return described, block.text()


def _source(source: Source, block: Block) -> dict[str, Any]:
    series: dict[tuple[str, str], dict[str, Any]] = {}

    def entry(metric: str, target: str) -> dict[str, Any]:
        name = metric_name(metric)
        fresh = {
            "metric": metric,
            "name": name,
            "labels": labels_of(metric, target),
            "unit": unit(name, name in source.counters),
            "counter": name in source.counters,
            "tiers": {},
        }
        return series.setdefault((metric, target), fresh)

    for tier, lines in source.tiers.items():
        for line in lines.lines:
            entry(line.metric, line.target)["tiers"][tier] = _line(line, block)
    for raw in source.raw:
        # Event times as seconds since the first, so that float32 holds them to the millisecond.
        first = int(raw.ts[0])
        entry(raw.metric, raw.target)["raw"] = {
            "start": first,
            "ts": block.add((raw.ts - first) / 1000),
            "value": block.add(raw.value),
        }
    return {
        "id": source.id,
        "title": source.title,
        "note": source.note,
        "balance": dict(source.balance),
        "tiers": [
            {"name": name, "start": lines.start, "step": lines.step, "windows": lines.windows}
            for name, lines in source.tiers.items()
        ],
        "series": list(series.values()),
        "alerts": None
        if source.alerts is None
        else describe(source.alerts, {each["name"] for each in series.values()}),
    }


def _line(line: Line, block: Block) -> dict[str, Any]:
    places: dict[str, Any] = {"value": block.add(line.value), "late": line.late}
    if line.low is not None and line.high is not None and not np.array_equal(line.low, line.high, equal_nan=True):
        places |= {"low": block.add(line.low), "high": block.add(line.high)}
    return places


def unit(name: str, counter: bool) -> str:
    """The unit of a metric's line, by the endings of its name: ``%``, ``ms``, ``B`` or none; ``/s`` after it for a counter's rate."""
    if name.endswith("_percent"):
        base = "%"
    elif name.endswith("_ms"):
        base = "ms"
    elif any(word in name for word in ("bytes", "_available", "_cached")):
        base = "B"
    else:
        base = ""
    return f"{base}/s" if counter else base
