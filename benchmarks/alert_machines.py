"""What the two stages of rule evaluation cost in one process, without Beam or Flink: wire forms, state cells, timers and all.

A fleet is scraped for as long as its state grows (the lateness and the longest range), then the instants that follow are measured. Samples
come in several bundles an instant, as they do live, and then the watermark passes the instant. Times are processor time of one process.
"""

from __future__ import annotations

import cProfile
import gc
import pstats
from collections.abc import Iterator
from functools import partial

import numpy as np

from benchmarks.alert_rules import MIXES
from benchmarks.stage import BASE_MS, STEP_MS, Clock, Fleet, Row
from schemas import batch as batches
from transforms.alerts import messages
from transforms.alerts.groups.machine import GroupMachine
from transforms.alerts.groups.state import GroupState
from transforms.alerts.live.live import LiveRules
from transforms.alerts.local import GROUPS_KEY
from transforms.alerts.settings import EvaluationSettings
from transforms.alerts.shards.evaluator import ShardEvaluator
from transforms.alerts.shards.machine import ShardMachine, key_of
from transforms.machines.local import LocalMachine
from transforms.machines.machine import Memory, Out

LONGEST_RANGE_MS = 300_000

Elements = list[tuple[bytes, bytes]]


class Machines:
    """Both stages, one bundle at a time, on a clock."""

    def __init__(self, settings: EvaluationSettings) -> None:
        self.shards = LocalMachine(lambda: ShardMachine(settings, Memory[ShardEvaluator]()))
        self.groups = LocalMachine(lambda: GroupMachine(settings, Memory[GroupState]()))
        self.clock = Clock()
        self.sent = 0

    def bundle(self, step: str, elements: Elements, watermark_ms: int) -> None:
        """A bundle of shards, whose time is that of the step, and one of groups if anything comes of it."""
        contributed: list[Out] = self.clock(step, partial(self.shards.run, elements, watermark_ms))
        if contributed:
            self.sent += sum(len(out.data) for out in contributed)
            reported = [(GROUPS_KEY, out.data) for out in contributed]
            self.clock("groups", partial(self.groups.run, reported, watermark_ms))


def measure(
    rules: int, series: int, shards: int, instants: int, bundles: int, profile: int = 0, mix: str = "even"
) -> Row:
    """The costs of an instant, in ms of processor time and bytes, with the state full.

    Args:
        bundles: in which the samples of an instant come.
        profile: print so many functions that took most of the time; figures are not to be used then.
        mix: of the rules (:data:`benchmarks.alert_rules.MIXES`).
    """
    settings = EvaluationSettings(files={"benchmark.yml": MIXES[mix](rules)}, shards=shards)
    ready = LiveRules(settings).current
    machines, fleet = Machines(settings), Fleet(series, shards)
    begin = BASE_MS + settings.late_ms // STEP_MS * STEP_MS + LONGEST_RANGE_MS
    for end in range(BASE_MS + STEP_MS, begin + 1, STEP_MS):
        machines.bundle("fill", next(arrivals(fleet, end, shards, 1)), BASE_MS)
    # As a job that catches up: many instants at once, in less time.
    machines.bundle("fill", [], begin + 1)
    machines.clock, machines.sent = Clock(), 0
    stored: list[tuple[int, int]] = []
    profiler = cProfile.Profile()
    gc.collect()
    for end in range(begin + STEP_MS, begin + instants * STEP_MS + 1, STEP_MS):
        pieces = list(arrivals(fleet, end, shards, bundles))
        if profile:
            profiler.enable()
        for elements in pieces:
            machines.bundle("take in", elements, end - 1)
        machines.bundle("evaluate", [], end + 1)
        profiler.disable()
        stored.append((machines.shards.stored_bytes, machines.groups.stored_bytes))
    if profile:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(profile)
    ms = {step: 1e3 * seconds / instants for step, seconds in machines.clock.seconds.items()}
    total = sum(ms.values())
    of_shards, of_groups = np.array(stored).mean(axis=0).tolist()
    return {
        "rules": rules,
        "series": series,
        "fragments": len(ready.tasks),
        **ms,
        "all": total,
        "cores": total / STEP_MS,
        "us a sample": 1e3 * total / series,
        "evaluations/s": rules / total * 1e3,
        "sent": machines.sent / instants,
        "shard state a series": of_shards / series,
        "group state": of_groups,
    }


def arrivals(fleet: Fleet, end_ms: int, shards: int, bundles: int) -> Iterator[Elements]:
    """The elements of one scrape of the fleet, in bundles by event time, each with the extent that shards are reported."""
    whole = list(fleet.scrape(end_ms))
    bounds = end_ms - STEP_MS + STEP_MS * np.arange(bundles + 1) // bundles
    for after, until in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        elements, newest = [], after
        for shard, batch in whole:
            rows = np.flatnonzero((batch.ts > after) & (batch.ts <= until))
            if len(rows):
                piece = batch if len(rows) == len(batch) else batch.take(rows).compact()
                newest = max(newest, int(piece.ts.max()))
                elements.append((key_of(shard), messages.of_samples(batches.encode(piece))))
        elements += [(key_of(number), messages.of_extent(newest)) for number in range(shards)]
        yield elements
