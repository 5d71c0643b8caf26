"""A simulated fleet with failures: what 200 targets of several kinds expose, scraped every 15 s, seeded.

Each target is scraped at an offset of its own within the 15 s, to the millisecond. Its themes (:mod:`tests.parity.fleet_metrics`) are in trouble for
long, for a while, or on and off; some targets restart, fail to be scraped, fall silent, or are taken away. A failed scrape leaves staleness
markers and ``up`` 0, as Prometheus writes them; a target that falls silent leaves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rules.promql.values import STALE
from tests.oracle.prometheus import Floats, Series, Times
from tests.parity.fleet_metrics import DIMENSIONS, KINDS

BASE_MS = 1_700_000_100_000
"""When the scrapes begin: a multiple of 5 min."""

SPAN_MS = 30 * 60_000
SCRAPE_MS = 15_000

Mask = NDArray[np.bool_]

_LINE = re.compile(
    r"(?P<theme>\w+)\s+(?P<name>[\w:]+)(?:\{(?P<labels>.*?)\})?\s+"
    r"(?P<dimension>\S+)\s+(?P<calm>\S+)\s+(?P<trouble>\S+)"
)
_NUMBER = r"\d+(?:\.\d+)?(?:e\d+)?"
_SHAPE = re.compile(rf"(?P<now>now)?(?P<level>-?{_NUMBER})(?:(?P<slope>[+-]{_NUMBER})/s)?(?:~(?P<noise>{_NUMBER}))?")
_LABEL = re.compile(r'(\w+)="(.*?)"')


@dataclass(frozen=True)
class Shape:
    """How a value goes: from a level on, by a slope a second, with noise to both sides; ``now``: the level is added to the time."""

    level: float
    slope: float
    noise: float
    now: bool

    @classmethod
    def parse(cls, text: str) -> Shape:
        found = _SHAPE.fullmatch(text)
        assert found is not None, text
        return cls(
            float(found["level"]), float(found["slope"] or 0), float(found["noise"] or 0), found["now"] is not None
        )


@dataclass(frozen=True)
class Metric:
    """One line of a kind."""

    theme: str
    name: str
    dimension: str
    labels: dict[str, str]
    calm: Shape
    trouble: Shape

    @property
    def counts(self) -> bool:
        """Whether it is a counter, which begins at 0 when its target restarts."""
        return self.calm.level == 0 and (self.calm.slope > 0 or self.trouble.slope > 0)

    @classmethod
    def parse(cls, line: str) -> Metric:
        found = _LINE.fullmatch(line.strip())
        assert found is not None, line
        labels = dict(_LABEL.findall(found["labels"] or ""))
        return cls(
            found["theme"],
            found["name"],
            found["dimension"],
            labels,
            Shape.parse(found["calm"]),
            Shape.parse(found["trouble"]),
        )


def metrics(kind: str) -> list[Metric]:
    """What targets of a kind expose."""
    return [Metric.parse(line) for line in KINDS[kind][2].strip().splitlines()]


@dataclass(frozen=True)
class Fate:
    """What becomes of a target's scrapes: of each one whether it is made, and whether it succeeds, and how often the target has restarted."""

    made: Mask
    succeeds: Mask
    starts: NDArray[np.int64]


def fleet(seed: int, share: float = 1.0, sees: Callable[[str], bool] = lambda _: True) -> list[Series]:
    """All series of the fleet; the same for the same seed.

    Args:
        seed: of everything.
        share: how many of the targets of each kind there are.
        sees: which metrics are wanted, by their names.
    """
    found: list[Series] = []
    for kind, (job, count, _) in KINDS.items():
        wanted = [metric for metric in metrics(kind) if sees(metric.name)]
        for number in range(max(1, round(count * share))):
            rng = np.random.default_rng([seed, *kind.encode(), number])
            labels = {"job": job, **_own_labels(kind, number)}
            found += _target(rng, labels, wanted, count, gone_at=20 if kind == "cadvisor" else None)
    return found


def _own_labels(kind: str, number: int) -> dict[str, str]:
    if kind in ("agent", "generated"):
        return {"host": f"{kind}-{number}"}
    labels = {"instance": f"{kind}-{number}:9100"}
    if kind == "burrow":
        labels["cluster"] = f"c{number}"
    if kind == "flink":
        labels["job_name"] = f"metrics-{number}"
    if kind == "service":
        labels["job"] = f"shop-{number % 4}"
    return labels


def _target(
    rng: np.random.Generator, labels: dict[str, str], wanted: Sequence[Metric], peers: int, gone_at: int | None
) -> Iterator[Series]:
    scrapes = SPAN_MS // SCRAPE_MS
    times = BASE_MS + int(rng.integers(1, SCRAPE_MS)) + SCRAPE_MS * np.arange(scrapes, dtype=np.int64)
    fate = _fate(rng, scrapes, gone_at)
    pace = rng.uniform(0.5, 1.5, scrapes)
    # Of kinds with few targets more are in trouble, so that something befalls each kind.
    risk = max(0.12, min(0.6, 3 / peers))
    themes = {theme: _trouble(rng, scrapes, risk) for theme in dict.fromkeys(metric.theme for metric in wanted)}
    spared = {(theme, place): rng.random() < 0.2 for theme in themes for place in range(1, 8)}
    calm = np.zeros(scrapes, np.bool_)
    fails = fate.made & ~fate.succeeds
    # The last good scrape before it was the series' end: markers are written once.
    marks = fails & np.concatenate(([False], fate.succeeds[:-1]))
    for metric in wanted:
        for place, more in enumerate(DIMENSIONS[metric.dimension]):
            trouble = calm if spared.get((metric.theme, place)) else themes[metric.theme]
            values = _values(rng, metric, times, trouble, pace * rng.uniform(0.99, 1.01), fate.starts)
            values[marks] = STALE
            kept = fate.succeeds | marks
            yield {"__name__": metric.name, **labels, **metric.labels, **more}, times[kept], values[kept]
    yield {"__name__": "up", **labels}, times[fate.made], fate.succeeds[fate.made].astype(np.float64)


def _fate(rng: np.random.Generator, scrapes: int, gone_at: int | None) -> Fate:
    made, succeeds = np.ones(scrapes, np.bool_), np.ones(scrapes, np.bool_)
    starts = np.zeros(scrapes, np.int64)
    at, chance = int(rng.integers(8, 80)), rng.random()
    if gone_at is not None:
        succeeds[gone_at * 60_000 // SCRAPE_MS :] = False
    elif chance < 0.06:  # it restarts
        succeeds[at : at + int(rng.integers(1, 4))] = False
        starts[at:] += 1
    elif chance < 0.12:  # it cannot be scraped for a while
        succeeds[at : at + int(rng.integers(4, 50))] = False
    elif chance < 0.17:  # nobody scrapes it any more, or for a while
        made[at : at + int(rng.choice((24, 30, 200)))] = False
    elif chance < 0.21:  # a scrape is missed now and then
        made[rng.random(scrapes) < 0.2] = False
    return Fate(made, succeeds & made, starts)


def _trouble(rng: np.random.Generator, scrapes: int, risk: float) -> Mask:
    found = np.zeros(scrapes, np.bool_)
    if rng.random() >= risk:
        return found
    kind = rng.random()
    if kind < 0.5:
        begin = int(rng.integers(2, 40))
        found[begin : int(rng.choice((scrapes, begin + 60, begin + 76)))] = True
    elif kind < 0.75:
        begin = int(rng.integers(4, 96))
        found[begin : begin + int(rng.integers(4, 28))] = True
    else:
        begin = int(rng.integers(4, 70))
        runs = rng.integers(1, 6, 40)
        flaps = np.repeat(np.arange(40) % 2 == 0, runs)[:40]
        found[begin : begin + 40] = flaps[: scrapes - begin]
    return found


def _values(
    rng: np.random.Generator, metric: Metric, times: Times, trouble: Mask, pace: Floats, starts: NDArray[np.int64]
) -> Floats:
    def chosen(name: str) -> Floats:
        return np.where(trouble, float(getattr(metric.trouble, name)), float(getattr(metric.calm, name)))

    steps = chosen("slope") * pace * (SCRAPE_MS / 1000)
    # A counter goes on through trouble and begins anew with its target; of anything else a slope begins with each trouble.
    runs = starts if metric.counts else np.cumsum(np.diff(trouble, prepend=False) != 0)
    risen = np.cumsum(steps)
    firsts = np.flatnonzero(np.diff(runs, prepend=-1))
    risen -= np.repeat(risen[firsts] - steps[firsts], np.diff(firsts, append=len(runs)))
    values: Floats = chosen("level") + risen + chosen("noise") * rng.uniform(-1, 1, len(times))
    if metric.calm.now:
        values += times // 1000
    return values
