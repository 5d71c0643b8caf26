"""Rules that look back for hours, and samples for them, at random: what :mod:`tests.transforms.alerts.compare_engines` evaluates in two ways."""

from __future__ import annotations

import random
from dataclasses import dataclass

import yaml

from rules.promql.values import STALE
from tests.transforms.alerts.logs import DELAY, Log, Record, partition_of
from tests.transforms.alerts.streams import Row, Sent
from transforms.alerts.fragments.long_ranges import Packing

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
INTERVALS = ("30s", "1m", "90s", "2m", "2m", "3m", "3m", "3m", "5m", "7m")
SIZES = {"30s": 30, "1m": 60, "90s": 90, "2m": 120, "3m": 180, "5m": 300, "7m": 420}
MOST_EVALUATION_TIMES = 100

SHORT = Packing(20 * MINUTE, HOUR, 20 * MINUTE)

RANGES = ("3h", "3h", "181m", "4h", "5h", "7h", "1h", "61m", "59m", "20m", "4m")
OFFSETS = ("", "", "", " offset 1m", " offset 13m", " offset 1h", " offset 100m")
# What picks or counts samples is the same to the last bit however it is put together.
EXACT = ["last", "first", "min", "max", "count", "sum", "changes", "resets", "present", "idelta"]
ROUNDED = ["avg", "rate", "increase", "delta", "irate", "stddev", "stdvar", "deriv"]
BEGAN = "began"
"""A metric that each group writes at each of its evaluation times, so that it is seen when they begin."""


@dataclass(frozen=True, slots=True)
class Case:
    """Rules, what their samples are, and how these arrive.

    Attributes:
        rules: the text of a rule file.
        log: the samples, as partitions have them.
        end_ms: up to where evaluation times are evaluated.
        late_ms: how late samples may be.
        bundles: whether time goes on bundle by bundle; else most of it is caught up with at once.
        packing: of the samples in the stream; in short blocks more of them are packed.
    """

    seed: int
    rules: str
    log: Log
    end_ms: int
    late_ms: int
    bundles: bool
    packing: Packing


def case_of(seed: int, *, one_interval: bool = False) -> Case:
    """The case of a seed; ``one_interval``: of all groups, as in a unit test, and without late samples."""
    rng = random.Random(seed)
    intervals = [rng.choice(INTERVALS)] * 2 if one_interval else [rng.choice(INTERVALS) for _ in range(2)]
    shortest = min(SIZES[each] for each in intervals) * SECOND
    begin = 1_700_000_000_000 // HOUR * HOUR + rng.choice((0, 0, rng.randrange(HOUR), 59 * MINUTE))
    begin -= begin % (SIZES[intervals[0]] * SECOND)
    span = min(rng.choice((40 * MINUTE, 90 * MINUTE, 3 * HOUR, 5 * HOUR, 9 * HOUR)), MOST_EVALUATION_TIMES * shortest)
    late_ms = 0 if one_interval else rng.choice((150 * SECOND, 150 * SECOND, 20 * MINUTE))
    return Case(
        seed,
        yaml.safe_dump(
            {"groups": [_group(rng, number, each, span) for number, each in enumerate(intervals)]}, width=200
        ),
        Log(_partitions(rng, begin, span, late_ms)),
        # Late samples count from an evaluation time after those that overtook them: there is one.
        begin + span + rng.choice((10 * MINUTE, 20 * MINUTE)),
        late_ms,
        rng.random() < 0.2,
        rng.choice((Packing(), SHORT)),
    )


# Rules.


def _group(rng: random.Random, number: int, interval: str, span: int) -> dict[str, object]:
    found = [{"record": f"{BEGAN}{number}", "expr": "vector(1)"}]
    for place in range(rng.choice((1, 2, 2, 3))):
        name = f"r{number}{place}"
        expr = _expression(rng, name)
        if rng.random() < 0.6:
            found.append({"record": name, "expr": expr})
            continue
        found.append(
            {
                "alert": name.upper(),
                "expr": f"({expr}) {rng.choice(('> 2.718', '< 3.142', '!= 0.577', '> 0.0137'))}",
                "for": rng.choice(("0s", "0s", "5m", "23m")),
                "keep_firing_for": rng.choice(("0s", "0s", "0s", "9m")),
            }
        )
    # A stream begins so much later.
    offset = rng.choice((None, None, None, "45s", "2m", "1h" if span > HOUR else "1m"))
    return {"name": f"g{number}", "interval": interval, "rules": found, **({"query_offset": offset} if offset else {})}


def _expression(rng: random.Random, name: str) -> str:
    kind = rng.randrange(12)
    metric = rng.choice("mmn")
    if kind < 4:
        return _windowed(rng, metric)
    if kind == 4:
        return f"{metric} - {_windowed(rng, metric, EXACT)}"
    if kind == 5:
        return f"{rng.choice(('sum', 'max', 'min', 'count', 'avg'))}{rng.choice((' by (instance) ', ' '))}({_windowed(rng, metric)})"
    if kind == 6:
        return f"max by (instance) ({_windowed(rng, 'm')}) - on (instance) max by (instance) ({_windowed(rng, 'n')})"
    if kind == 7:
        return (
            f'absent_over_time({metric}{{instance="h{rng.randrange(3)}"}}[{rng.choice(RANGES)}]{rng.choice(OFFSETS)})'
        )
    if kind == 8:
        step = rng.choice(("5m", "7m", "10m"))
        return f"{rng.choice(('max', 'last', 'count'))}_over_time(({_windowed(rng, metric)})[{rng.choice(('20m', '1h'))}:{step}])"
    if kind == 9:
        # What itself, or a rule before or after it, writes.
        return f"{_windowed(rng, rng.choice(('r00', 'r01', 'r10', name)), EXACT)} or {metric}"
    if kind == 10:
        return f"count_over_time(ALERTS[{rng.choice(RANGES)}]) or last_over_time({metric}[{rng.choice(RANGES)}])"
    return rng.choice((metric, f"sum({metric})", f"absent({metric})"))


def _windowed(rng: random.Random, metric: str, functions: list[str] | None = None) -> str:
    function = rng.choice(functions or EXACT + EXACT + ROUNDED)
    name = function if function in ("changes", "resets", "idelta", *ROUNDED[1:5], "deriv") else f"{function}_over_time"
    selector = rng.choice((metric, metric, f'{metric}{{instance="h0"}}'))
    if rng.random() < 0.05:
        return f"quantile_over_time(0.5, {selector}[{rng.choice(RANGES)}])"
    return f"{name}({selector}[{rng.choice(RANGES)}]{rng.choice(OFFSETS)})"


# Samples.


def _partitions(rng: random.Random, begin: int, span: int, late_ms: int) -> list[list[Record]]:
    partitions: list[list[tuple[int, Sent]]] = [[], []]
    shared = rng.choice((None, None, _steps(rng)))
    for name in "mn":
        for host in range(rng.randrange(1, 4)):
            labels: Row = (("__name__", name), ("instance", f"h{host}"), ("job", "j"))
            partitions[host % 2] += _series(rng, labels, begin, span, late_ms, shared)
    return [
        partition_of(number, [each for _, each in sorted(sent, key=lambda pair: pair[0])], rng, (1, 6, 25))
        for number, sent in enumerate(partitions)
        if sent
    ]


def _steps(rng: random.Random) -> tuple[int, int]:
    """From one sample to the next, and where the first one is."""
    step = rng.choice(
        (30 * SECOND, MINUTE, 2 * MINUTE, 2 * MINUTE, 5 * MINUTE, 5 * MINUTE, 7 * MINUTE, 11 * MINUTE, 25 * MINUTE)
    )
    return step, rng.choice((0, 0, 1, rng.randrange(step)))


def _series(
    rng: random.Random, labels: Row, begin: int, span: int, late_ms: int, shared: tuple[int, int] | None
) -> list[tuple[int, Sent]]:
    step, phase = shared or _steps(rng)
    step = max(step, span // 80)
    missing = rng.choice((0.0, 0.0, 0.1, 0.4))
    gone = rng.randrange(span), rng.choice((0, 0, 10 * MINUTE, 2 * HOUR))
    kind = rng.choice(("growing", "counter", "gauge", "gauge"))
    most = late_ms - DELAY - 20 * SECOND
    found, value, last = [], 0.0, begin + span // rng.choice((1, 1, 1, 2))
    for when in range(begin + phase, last, step):
        value = (
            value + 1
            if kind == "growing"
            else value + rng.randrange(4)
            if kind == "counter"
            else float(rng.randrange(-3, 9))
        )
        if kind == "counter" and rng.random() < 0.05:
            value = 0.0
        inside = gone[0] <= when - begin < gone[0] + gone[1]
        if inside or rng.random() < missing:
            continue
        sent = value if rng.random() < 0.97 else rng.choice((float(STALE), float("nan")))
        delay = rng.choice((0, 0, 0, 0, 0, 5 * SECOND, most)) if most > 0 else 0
        found.append((when + delay, Sent(labels, when, sent, 0)))
        if late_ms and rng.random() < 0.03:
            found.append((when + delay, Sent(labels, when, float(rng.randrange(9)), 0)))
    return found
