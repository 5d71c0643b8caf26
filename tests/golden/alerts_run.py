"""Alert rules evaluated over half an hour, in two halves: what both stages keep between them, and what they send. The same bytes each time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from unittest.mock import patch

from schemas import batch as batches
from schemas.alert_event import decode
from schemas.batch import SampleBatch
from tests.golden.plain import Plain, bytes_of, text_of
from tests.transforms.alerts.streams import Sent, batch_of
from transforms.alerts.groups import machine as group_machine
from transforms.alerts.local import LocalPipeline
from transforms.alerts.messages import RuleFiles
from transforms.alerts.settings import EVENTS, EvaluationSettings
from transforms.alerts.shards import machine as shard_machine
from transforms.machines.local import LocalMachine
from transforms.machines.machine import Out
from transforms.machines.watermarks import LAUNCH, PartitionWatermark

MINUTE = 60_000
BEGIN = 1_700_049_600_000
SOURCE = 7
RULES = """
groups:
- name: minutes
  rules:
  - {record: 'load:sum', expr: 'sum(load)'}
  - {alert: High, expr: 'load > 4', for: 2m, labels: {severity: page}, annotations: {summary: '{{ $labels.instance }} at {{ $value }}'}}
  - {alert: Sum, expr: 'max_over_time(load:sum[5m]) > 12', keep_firing_for: 1m}
  - {alert: Absent, expr: 'absent(nothing)', for: 1m}
  - {alert: Ambiguous, expr: 'load * on (job) rate(requests_total[5m]) > 1'}
- name: behind
  interval: 2m
  query_offset: 30s
  rules:
  - {alert: Join, expr: 'load > on (instance) disk'}
"""
CHANGED = RULES.replace("load > 4", "load > 5").replace("  - {alert: Absent, expr: 'absent(nothing)', for: 1m}\n", "")
SETTINGS = EvaluationSettings(
    {"r.yml": RULES}, shards=3, grace_ms=5_000, late_ms=6 * MINUTE, sources=frozenset({SOURCE})
)
"""Of all cells and bags something is in use: sources report their partitions, and a change of the rules has been announced."""


def first(stage: LocalPipeline) -> list[Out]:
    """Fourteen minutes; late samples, and the rules as they are to be four minutes later."""
    outs = _play(stage, range(14))
    stage.rules(RuleFiles(BEGIN + 18 * MINUTE, {"r.yml": CHANGED}))
    stage.add(_samples(9, late=True))
    return outs + stage.advance(BEGIN + 9 * MINUTE)


def second(stage: LocalPipeline) -> list[Out]:
    """The minutes that follow, and late samples again."""
    outs = _play(stage, range(14, 30))
    stage.add(_samples(27, late=True))
    return outs + _play(stage, range(30, 32)) + stage.advance(BEGIN + 40 * MINUTE)


def _play(stage: LocalPipeline, minutes: range) -> list[Out]:
    outs: list[Out] = []
    for minute in minutes:
        for half in range(2):
            stage.add(_samples(minute, half * 30_000))
        watermark = BEGIN + minute * MINUTE + 20_000
        stage.add_watermarks([LAUNCH, *(PartitionWatermark(SOURCE, partition, 2, watermark) for partition in range(2))])
        outs += stage.advance(watermark - 5 * MINUTE)
    return outs


def _samples(minute: int, after_ms: int = 0, late: bool = False) -> SampleBatch:
    time_ms = BEGIN + minute * MINUTE + after_ms + (7_000 if late else 0)
    place = (minute * 60_000 + after_ms) * 10 + (5 if late else 0)
    values = {
        "load": lambda host: (minute * (host + 2)) % 11 + (20 if late else 0),
        "disk": lambda host: 5 - host,
        "requests_total": lambda host: minute * 60 * (host + 1) % 700,
    }
    sent = []
    for number, name in enumerate(values):
        for host in range(1 if late else 3):
            if (name, host, minute // 4) == ("load", 0, 2) and not late:
                continue
            labels = tuple(sorted({"__name__": name, "instance": f"h{host}", "job": "j"}.items()))
            sent.append(Sent(labels, time_ms, float(values[name](host)), place + number * 3 + host))
    return batch_of(sent)


@contextmanager
def repeatable(start: int = 0) -> Iterator[None]:
    """Versions of the state are named by random bytes; here they are counted. A base is taken sooner than in a job, so that there is one."""
    numbers = count(start)

    def token() -> bytes:
        return next(numbers).to_bytes(8, "big")

    with (
        patch.object(shard_machine, "new_token", token),
        patch.object(group_machine, "new_token", token),
        patch.object(group_machine, "BASE_EVERY_TIMES", 6),
    ):
        yield


def contents(outs: Plain) -> list[tuple[object, ...]]:
    """What outputs say, whichever way it was put into batches: events, and samples with their series, each in order."""
    found: list[tuple[object, ...]] = []
    for time_ms, tag, text in outs:
        data = bytes_of(text)
        if tag == EVENTS:
            found.append((decode(data).id, time_ms, data))
            continue
        batch = batches.decode(data)
        series = [
            (batch.targets[target], batch.metrics[metric])
            for target, metric in zip(batch.target, batch.metric, strict=True)
        ]
        found += zip(series, batch.ts.tolist(), map(float.hex, batch.value.tolist()), batch.seq.tolist(), strict=True)
    return sorted(found, key=repr)


def plain_outs(outs: list[Out]) -> Plain:
    """Outputs as a file holds them."""
    return [[out.time_ms, out.tag, text_of(out.data)] for out in outs]


def plain_state(stage: LocalPipeline) -> Plain:
    """The state of both stages as a file holds it: of each key its cells, its bags and the times of its timers."""
    return {name: _plain_keys(machine) for name, machine in (("shards", stage.shards), ("groups", stage.groups))}


def _plain_keys(machine: LocalMachine) -> Plain:
    return {
        name.hex(): {
            "cells": {cell: text_of(data) for cell, data in sorted(key.cells.items())},
            "bags": {bag: [text_of(data) for data in held] for bag, held in sorted(key.bags.items())},
            "timers": sorted(key.timers.values()),
        }
        for name, key in machine.states()
    }


def restored(state: Plain) -> LocalPipeline:
    """Stages that go on from a state."""
    stage = LocalPipeline(SETTINGS)
    for name, machine in (("shards", stage.shards), ("groups", stage.groups)):
        for key, plain in state[name].items():
            into = machine.key(bytes.fromhex(key))
            for cell, data in plain["cells"].items():
                into.write(cell, bytes_of(data))
            for bag, held in plain["bags"].items():
                into.replace(bag, map(bytes_of, held))
            for time_ms in plain["timers"]:
                into.at(time_ms)
    return stage
