"""Transcripts: what arrives, how far the watermark goes, which panes go out; one text for every harness (as Beam's trigger transcripts).

::

    what: a sentence
    tiers: as in the job's configuration file; the default where there is none
    steps:
    - input: [web/load 12:00:10 1, web/load 12:00:20 3]
    - watermark: 12:01:00
    - expect: ["1m 12:00:00 web/load pane 0: count=2 sum=4 min=1 max=3 first=1 last=3 increase=2 12:00:10..12:00:20"]
    fates: {written: 2}

An input is ``HOST/METRIC TIME VALUE``, a record of its own. Only ``watermark`` moves the watermark: it is a record too, of a series called the
clock, so far ahead of all others that they do not matter. ``expect`` holds all rows that go out when the watermark gets there; a
watermark without one lets nothing out, and so does the end of time. ``fates`` counts what became of the inputs.

So that every runner can follow, rows that go out together are of one tier (the bundle-based runner lets a watermark past two tiers before the
first has handed over its panes), and a watermark lies a second or more past the instants that it is to reach (the Flink runner knows
whole seconds only, and fires what lies before its watermark).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from schemas.rollup import RollupBatch
from schemas.series import labels_text, parse_labels, shard_of
from schemas.tiers import Tiers
from tests.transforms.naive import HOUR, Row, Sample, Series, rows_of

DAY = 24 * HOUR
BASE = 1_700_006_400_000
"""2023-11-15T00:00:00Z, the day on which a transcript plays unless it is reported another."""
DELAY = 10 * HOUR
"""How far the watermark stays behind the newest event time: the clock alone gets that far ahead."""
SHARDS = 32

FATES = ("written", "merged_late", "duplicate", "unwritable", "too_late")


@dataclass(frozen=True)
class Stage:
    """What arrives, then a watermark (ms after midnight), then the rows that go out."""

    inputs: tuple[tuple[Series, int, float], ...]
    watermark: int
    expect: tuple[str, ...]


@dataclass(frozen=True)
class Transcript:
    """A transcript as it was read."""

    name: str
    tiers: Tiers
    stages: tuple[Stage, ...]
    fates: Mapping[str, int]
    config: Mapping[str, Any] = field(repr=False)

    @property
    def clock(self) -> Series:
        """A series in a shard that no other is in, so that it takes no part in their panes."""
        taken = {shard_of(series[0], SHARDS) for stage in self.stages for series, _, _ in stage.inputs}
        names = (labels_text([("host", f"clock-{number}")]) for number in count())
        return next(name for name in names if shard_of(name, SHARDS) not in taken), "clock"

    def expected(self) -> list[list[str]]:
        """The rows of each stage, sorted; the last is the end of time."""
        return [*(sorted(stage.expect) for stage in self.stages), []]

    def tick(self, stage: Stage, base: int) -> Sample:
        """The clock's sample that brings the watermark to a stage's."""
        return Sample(self.clock, base + stage.watermark + DELAY, 0.0, 0)


def load(path: Path) -> Transcript:
    """The transcript of a file.

    Raises:
        ValueError: it is not written as this module says.
    """
    text = yaml.load(path.read_text(), yaml.BaseLoader)
    if unknown := set(text) - {"what", "tiers", "steps", "fates"}:
        raise ValueError(f"{path.name}: no such key: {unknown}")
    stages: list[Stage] = []
    inputs: list[tuple[Series, int, float]] = []
    for number, step in enumerate(text["steps"]):
        match step:
            case {"input": list(lines), **rest} if not rest:
                inputs += map(_sample, lines)
            case {"watermark": str(time), **rest} if not rest:
                stages.append(Stage(tuple(inputs), _ms(time), ()))
                inputs = []
            case {"expect": list(lines), **rest} if not rest and stages and not inputs and not stages[-1].expect:
                stages[-1] = Stage(stages[-1].inputs, stages[-1].watermark, tuple(map(str, lines)))
            case _:
                raise ValueError(f"{path.name}: step {number + 1} is none, or not where it can be: {step}")
        if stages and len({line.partition(" ")[0] for line in stages[-1].expect}) > 1:
            raise ValueError(
                f"{path.name}: step {number + 1}: rows of more than one tier; put a watermark between them"
            )
    if inputs:
        raise ValueError(f"{path.name}: no watermark follows the last input")
    times = [stage.watermark for stage in stages]
    if times != sorted(set(times)):
        raise ValueError(f"{path.name}: watermarks only go forward")
    config = text.get("tiers", {})
    fates = {name: int(number) for name, number in text.get("fates", {}).items()}
    if unknown := set(fates) - set(FATES):
        raise ValueError(f"{path.name}: no such fate: {unknown}")
    return Transcript(path.stem, Tiers.from_config(config), tuple(stages), fates, config)


def _sample(line: str) -> tuple[Series, int, float]:
    place, time, value = line.split()
    host, _, metric = place.partition("/")
    return (labels_text([("host", host)]), metric), _ms(time), float(value)


def _ms(time: str) -> int:
    hours, minutes, seconds = time.split(":")
    return int(hours) * HOUR + int(minutes) * 60_000 + round(float(seconds) * 1000)


@dataclass(frozen=True)
class Shown:
    """A row as a store shows it: the watermark (ms) at which it went out, its series, and its line."""

    watermark: int
    series: Series
    line: str


def shown(tier: str, window: int, series: Series, pane: int, watermark: int, row: Row, base: int = BASE) -> Shown:
    """A row in the notation of ``expect``."""
    values = " ".join(f"{name}={_number(getattr(row, name))}" for name in Row._fields[:7])
    host = parse_labels(series[0])["host"]
    place = f"{tier} {_time(window - base)} {host}/{series[1]} pane {pane}"
    return Shown(watermark, series, f"{place}: {values} {_time(row.first_ts - base)}..{_time(row.last_ts - base)}")


def shown_rows(pane: RollupBatch, base: int = BASE) -> list[Shown]:
    """All rows of a pane."""
    return [
        shown(pane.tier, pane.window, series, pane.pane, pane.watermark, row, base)
        for series, row in rows_of(pane).items()
    ]


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(value)


def _time(ms: int) -> str:
    seconds, rest = divmod(ms, 1000)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return text + (f".{rest:03}" if rest else "")


def staged(transcript: Transcript, rows: Iterable[Shown], base: int = BASE) -> list[list[str]]:
    """The rows of each stage, as :meth:`Transcript.expected`: a row belongs to the first watermark that its own lies not behind."""
    ends = [base + stage.watermark for stage in transcript.stages]
    found: list[list[str]] = [[] for _ in range(len(ends) + 1)]
    for row in rows:
        if row.series != transcript.clock:
            found[sum(end < row.watermark for end in ends)].append(row.line)
    return [sorted(lines) for lines in found]
