"""What a real Prometheus makes of rules, its rule engine left out: it evaluates their expressions through range queries, and here the series are
recorded, and alerts taken through their lives, a second time and naively, instant by instant (``rules/alerting.go``, ``rules/recording.go``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from rules.evaluation.program import Prepared
from rules.model import AlertingRule
from rules.promql.values import STALE
from tests.oracle.prometheus import Answer, Client, Series

# A server answers 11,000 points a series at most.
_STEPS = 10_000

Labels = tuple[tuple[str, str], ...]
Samples = dict[Labels, dict[int, float]]
"""Values by series and time in ms."""


class Yielded(NamedTuple):
    """What a rule yields.

    Attributes:
        samples: by series and instant.
        failed: the instants at which its evaluation fails.
    """

    samples: Samples
    failed: frozenset[int] = frozenset()


class State(NamedTuple):
    """A pending or firing alert at an instant.

    Attributes:
        labels: with ``alertname``.
        since: since when it is active.
        value: of its series when that was last there.
    """

    time: int
    labels: Labels
    phase: str
    since: int
    value: float


def columns(samples: Samples) -> Iterator[Series]:
    """Samples as a server takes them."""
    for labels, points in samples.items():
        times = sorted(points)
        yield dict(labels), np.array(times, np.int64), np.array([points[when] for when in times], np.float64)


def asked(client: Client, rule: Prepared, instants: Sequence[int]) -> Yielded:
    """What a rule's expression yields at evenly spaced instants, by the labels of its series."""
    found: Samples = defaultdict(dict)
    failed: set[int] = set()
    step = instants[1] - instants[0] if len(instants) > 1 else 1
    offset = rule.turn.query_offset_ms

    def take(answer: Answer, when: int | None = None) -> None:
        for row in answer.rows:
            times = row.times.tolist() if when is None else [when - offset]
            found[tuple(sorted(row.labels.items()))].update(zip(times, row.values.tolist(), strict=True))

    for place in range(0, len(instants), _STEPS):
        part = instants[place : place + _STEPS]
        answer = client.query_range(rule.rule.expr, part[0] - offset, part[-1] - offset, step)
        if not answer.error:
            take(answer)
            continue
        # A range query fails as a whole; a rule fails at some of its instants.
        for when in part:
            single = client.query(rule.rule.expr, when - offset)
            if single.error:
                failed.add(when)
            else:
                take(single, when)
    samples = {labels: {when + offset: value for when, value in points.items()} for labels, points in found.items()}
    return _named(rule, Yielded(samples, frozenset(failed)))


def _named(rule: Prepared, yielded: Yielded) -> Yielded:
    """The samples under the labels that the rule gives them; of an instant at which two get the same, the evaluation fails."""
    alerting = isinstance(rule.rule, AlertingRule)
    own = {"__name__": "", **rule.turn.labels, "alertname": rule.rule.name} if alerting else rule.turn.labels
    given = own if alerting else {**own, "__name__": rule.rule.name}
    samples: Samples = defaultdict(dict)
    failed = set(yielded.failed)
    for labels, points in yielded.samples.items():
        named = samples[_labels({**dict(labels), **given})]
        failed |= named.keys() & points.keys()
        named.update(points)
    kept = {
        labels: {when: value for when, value in points.items() if when not in failed}
        for labels, points in samples.items()
    }
    return Yielded({labels: points for labels, points in kept.items() if points}, frozenset(failed))


def lives(rule: Prepared, yielded: Yielded, instants: Sequence[int]) -> Iterator[State]:
    """Every alert of a rule at every instant at which it is pending or firing; nothing at those at which the evaluation fails."""
    assert isinstance(rule.rule, AlertingRule)
    hold, keep = rule.rule.for_ms, rule.rule.keep_firing_for_ms
    evaluated = [when for when in instants if when not in yielded.failed]
    for labels, points in yielded.samples.items():
        since: int | None = None
        lost: int | None = None
        firing, value = False, 0.0
        for when in evaluated:
            if when in points:
                since, lost, value = when if since is None else since, None, points[when]
                firing = when - since >= hold
            elif firing and keep:
                lost = when if lost is None else lost
                firing = when - lost < keep
            else:
                firing = False
            if when not in points and not firing:
                since = lost = None
            if since is not None:
                yield State(when, labels, "firing" if firing else "pending", since, value)


def recorded(rule: Prepared, yielded: Yielded, instants: Sequence[int]) -> Samples:
    """What a recording rule writes: its series, and a staleness marker where one is gone."""
    return _written(rule, yielded.samples, yielded.failed, instants)


def alert_samples(rule: Prepared, states: Sequence[State], failed: frozenset[int], instants: Sequence[int]) -> Samples:
    """What an alerting rule writes: ``ALERTS`` and ``ALERTS_FOR_STATE``."""
    found: Samples = defaultdict(dict)
    for state in states:
        labels = dict(state.labels)
        found[_labels({**labels, "__name__": "ALERTS", "alertstate": state.phase})][state.time] = 1.0
        found[_labels({**labels, "__name__": "ALERTS_FOR_STATE"})][state.time] = float(state.since // 1000)
    return _written(rule, found, failed, instants)


def _written(rule: Prepared, samples: Samples, failed: frozenset[int], instants: Sequence[int]) -> Samples:
    evaluated = [when for when in instants if when not in failed]
    following = dict(pairwise(evaluated))
    offset = rule.turn.query_offset_ms
    written: Samples = {}
    for labels, points in samples.items():
        after = (following.get(when) for when in points)
        gone = {when: STALE for when in after if when is not None and when not in points}
        written[labels] = {when - offset: value for when, value in {**points, **gone}.items()}
    return written


def _labels(labels: Mapping[str, str]) -> Labels:
    return tuple(sorted((name, value) for name, value in labels.items() if value))
