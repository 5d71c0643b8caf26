"""A Prometheus at work: it receives samples second by second, and evaluates a rule file every second by its own clock.

Prometheus evaluates a group at an offset of its own within the interval. Times here are less that offset, on both sides, so that the instants are
whole seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rules.promql.values import STALE, is_stale
from tests.oracle.prometheus import Client, Series, prometheus
from tests.oracle.rule_lives import Samples

SECOND = 1000
RULES = """\
groups:
  - name: live
    interval: 1s
    rules:
      - {record: live:tick, expr: vector(1)}
      - {record: live:load, expr: avg by (job) (load)}
      - {record: live:requests, expr: "rate(requests_total[10s])", labels: {from: counter}}
      - {alert: High, expr: load > 5, for: 5s, labels: {severity: page}}
      - {alert: Short, expr: load > 5}
      - {alert: Kept, expr: load > 5, for: 2s, keep_firing_for: 4s}
      - {alert: Gone, expr: absent(heartbeat), for: 3s}
      - {alert: Group, expr: "live:load > 4", for: 2s, labels: {job: "all {{ $labels.job }}"}}
      - {alert: Busy, expr: "live:requests > 20", for: 3s, keep_firing_for: 3s}
      - {alert: Down, expr: "up == 0", for: 1s}
      - {alert: Many, expr: 'count(ALERTS{alertname="High", alertstate="firing"}) >= 2'}
"""
WRITTEN = '{__name__=~"ALERTS|ALERTS_FOR_STATE|live:.+"}'

Scrape = Mapping[tuple[tuple[str, str], ...], float]
"""The values of one moment, by series; staleness markers among them."""


class Disturbed(Exception):
    """The machine was too busy for the clock: a write or an evaluation came too late, so the two did not see the same."""


class Course(NamedTuple):
    """What happened.

    Attributes:
        samples: what was sent.
        written: what the server's rules wrote, from the first instant that has samples to the last.
    """

    samples: list[Series]
    written: Samples


def scrapes(seed: int, seconds: int) -> Iterator[Scrape]:
    """What is sent second by second: gauges that go up and down, a counter that is reset, a series that ends and comes back."""
    rng = np.random.default_rng(seed)

    def runs(low: float, high: float, longest: int) -> list[float]:
        found: list[float] = []
        while len(found) < seconds:
            found += [high if rng.random() < 0.5 else low] * int(rng.integers(1, longest))
        return found

    loads = {f"h{number}": runs(1, 9, 12) for number in range(6)}
    rates = {f"h{number}": runs(2, 60, 15) for number in range(3)}
    ups = {f"h{number}": runs(1, 0, 6) for number in range(3)}
    resets = {f"h{number}": int(rng.integers(10, seconds)) for number in range(3)}
    counts = dict.fromkeys(rates, 0.0)
    for second in range(seconds):
        found: dict[tuple[tuple[str, str], ...], float] = {}
        for host, values in loads.items():
            found[_series("load", host)] = values[second]
        for host, values in rates.items():
            counts[host] = 0.0 if second == resets[host] else counts[host] + values[second]
            found[_series("requests_total", host)] = counts[host]
        for host, values in ups.items():
            found[_series("up", host)] = values[second]
        if second % 30 < 18:
            found[_series("heartbeat", "h0")] = 1.0
        elif second % 30 == 18:
            found[_series("heartbeat", "h0")] = STALE
        yield found


def _series(name: str, host: str) -> tuple[tuple[str, str], ...]:
    return (("__name__", name), ("instance", host), ("job", "node"))


def run(directory: Path, sent: Iterable[Scrape]) -> Course:
    """Send scrapes, one a second, each half a second away from the instants of evaluation.

    Raises:
        Disturbed: see there.
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "live.yml").write_text(RULES)
    with prometheus(directory, config="rule_files: [live.yml]\n") as client:
        ticks = _until(lambda: _ticks(client), lambda found: len(found) >= 2)
        offset = ticks[-1] % SECOND
        series: dict[tuple[tuple[str, str], ...], list[tuple[int, float]]] = {}
        for scrape in sent:
            _wait_for(offset + SECOND // 2)
            now = _now()
            client.load(_columns({labels: [(now, value)] for labels, value in scrape.items()}))
            if (_now() - offset) // SECOND != (now - offset) // SECOND:
                raise Disturbed("a write took until the next evaluation")
            for labels, value in scrape.items():
                series.setdefault(labels, []).append((now - offset, value))
        samples = list(_columns(series))
        times = np.concatenate([each for _, each, _ in samples])
        start, end = -(-int(times.min()) // SECOND) * SECOND, int(times.max()) // SECOND * SECOND
        ticks = _until(lambda: _ticks(client), lambda found: found[-1] >= end + offset)
        instants = range(start, end + 1, SECOND)
        missed = {when + offset for when in instants} - set(ticks)
        if missed:
            raise Disturbed(f"{len(missed)} evaluations were missed")
        answer = client.query_range(WRITTEN, start + offset, end + offset, SECOND)
    assert not answer.error, answer.error
    written = {
        tuple(sorted(row.labels.items())): dict(zip((row.times - offset).tolist(), row.values.tolist(), strict=True))
        for row in answer.rows
    }
    return Course(samples, written)


def without_markers(written: Samples) -> Samples:
    """What rules wrote, as an instant query finds it: a series that ended is not there."""
    found = {
        labels: {when: value for when, value in points.items() if not is_stale(np.array([value]))[0]}
        for labels, points in written.items()
    }
    return {labels: points for labels, points in found.items() if points}


def _columns(series: Mapping[tuple[tuple[str, str], ...], list[tuple[int, float]]]) -> Iterator[Series]:
    for labels, points in series.items():
        times, values = zip(*points, strict=True)
        yield dict(labels), np.array(times, np.int64), np.array(values, np.float64)


def _ticks(client: Client) -> list[int]:
    """When the group was evaluated, ms."""
    answer = client.query("live:tick[10m]", _now() + SECOND)
    return [when for row in answer.rows for when in row.times.tolist()]


def _until(ask: Callable[[], list[int]], enough: Callable[[list[int]], bool]) -> list[int]:
    deadline = time.monotonic() + 60
    while not enough(found := ask()):
        assert time.monotonic() < deadline, f"no evaluation in time: {found}"
        time.sleep(0.1)
    return found


def _wait_for(place: int) -> None:
    """Until the clock is at a place within a second."""
    time.sleep((place - _now()) % SECOND / SECOND or 1)


def _now() -> int:
    return time.time_ns() // 1_000_000
