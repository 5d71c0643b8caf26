"""Compares what a stream makes of rules that look back for hours with what the batch engine does.

``python -m tests.transforms.alerts.compare_engines --cases 10000 --seed 1``. Every third case goes through the two engines of unit tests. The
others go through the stages as in a job: samples in the order in which they arrive, some of them late, some twice with another value; bundles
of any size, which catch up with hours at once; restarts, and bundles that are lost. Half of the cases pack samples in blocks shorter than an hour.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np

from rules.evaluation.alerts import Labels
from rules.evaluation.groups import Evaluator
from rules.evaluation.program import Program, Settings
from rules.events.corrections import History
from rules.events.events import EventMaker
from rules.promql.context import Options
from rules.promql.storage import Storage
from rules.promql.values import is_stale
from rules.unit_tests.engine import Input, Looked, Ran, Trial, batch
from rules.unit_tests.model import UnitTest
from schemas import batch as batches
from schemas.alert_event import AlertEvent
from schemas.batch import MIN_WATERMARK
from schemas.series import METRIC_NAME, parse_labels, parse_metric
from tests.rules.evaluation.stepping import groups_of
from tests.transforms.alerts.hours import BEGAN, Case, case_of
from tests.transforms.alerts.streams import storage_of
from tests.transforms.alerts.test_local import events
from transforms.alerts.fragments import fragments
from transforms.alerts.fragments.long_ranges import states
from transforms.alerts.local import LocalPipeline
from transforms.alerts.settings import SAMPLES, EvaluationSettings
from transforms.alerts.shards import shard_samples as held
from transforms.alerts.unit_tests import stream
from transforms.machines.machine import Out

GRACE_MS = 5_000
CLOSE = 1e-9
"""Values may differ by this share, or by as much altogether: digests add in another order than samples."""

SHOWN = 6

Written = dict[tuple[Labels, int], float]


def differences(seed: int) -> list[str]:
    """Where the two have another outcome in the case of a seed; nothing where both have the same."""
    unit_test = seed % 3 == 0
    case = case_of(seed, one_interval=unit_test)
    packing = case.packing
    with (
        patch.object(held, "Packing", lambda: packing),
        patch.object(fragments, "states", partial(states, block_ms=packing.block_ms)),
    ):
        return list(_of_unit_test(case) if unit_test else _of_stages(case))


# As a job.


def _of_stages(case: Case) -> Iterator[str]:
    outs = play(case)
    written = _written(outs)
    program = Program(groups_of(case.rules, "r.yml"))
    evaluator = Evaluator(program, storage_of(case.log.samples))
    outcome = evaluator.evaluate_schedule(
        [
            program.schedules[number].times(_begins(written, number) + (group.query_offset_ms or 0) - 1, case.end_ms)
            for number, group in enumerate(program.groups)
        ]
    )
    expected = {
        (labels, when): value
        for labels, _, times, values in evaluator.recorded.series()
        for when, value in zip(times.tolist(), values.tolist(), strict=True)
    }
    yield from _of_samples(expected, written)
    due = History(EventMaker(program).make(evaluator, outcome.events))
    yield from _unlike("event", list(map(_event, due.events())), list(map(_event, History(events(outs)).events())))


def _begins(written: Written, number: int) -> int:
    """The first evaluation time of a group, less its offset: when it first writes what it always does."""
    return min((when for (labels, when) in written if dict(labels)[METRIC_NAME] == f"{BEGAN}{number}"), default=1 << 60)


def play(case: Case) -> list[Out]:
    """What comes of a case that is read in some order and pieces; of bundles that were not lost."""
    rng = random.Random(case.seed)
    settings = EvaluationSettings({"r.yml": case.rules}, shards=2, grace_ms=GRACE_MS, late_ms=max(case.late_ms, 1))
    stage = LocalPipeline(settings)
    outs: list[Out] = []
    for number, step in enumerate(case.log.read(case.seed)):
        watermark = step.watermark if case.bundles or number % 7 == 6 else MIN_WATERMARK
        trick = rng.random()
        if trick < 0.1:
            stage.restart()
        lost = trick > 0.9
        for _ in range(1 + lost):
            if lost:
                stage.checkpoint()
            for each in step.batches:
                stage.add(each)
            found = stage.advance(watermark)
            if lost:
                stage.lose()
                lost = False
            else:
                outs += found
    return outs + stage.advance(case.end_ms + GRACE_MS)


def _written(outs: Sequence[Out]) -> Written:
    found: Written = {}
    for out in outs:
        if out.tag == SAMPLES:
            part = batches.decode(out.data)
            columns = (part.target.tolist(), part.metric.tolist(), part.ts.tolist(), part.value.tolist())
            for target, metric, when, value in zip(*columns, strict=True):
                name, rest = parse_metric(part.metrics[metric])
                labels = {**rest, **parse_labels(part.targets[target]), METRIC_NAME: name}
                found[tuple(sorted(labels.items())), when] = value
    return found


def _event(event: AlertEvent) -> tuple[tuple[Any, ...], float]:
    times = event.evaluated_at, event.active_since, event.starts_at, event.ends_at
    return (event.rule, tuple(sorted(event.labels.items())), event.state.value, event.reason, *times), event.value


# As a unit test.


def _of_unit_test(case: Case) -> Iterator[str]:
    groups = groups_of(case.rules, "r.yml")
    step = groups[0].interval_ms or 0
    begin = min((each.ts for each in case.log.samples), default=case.end_ms) // step * step
    times = np.arange(begin, case.end_ms + 1, step, dtype=np.int64)
    program = Program(groups, Settings(Options(default_step_ms=step), interval_ms=step))
    names = frozenset(rule.rule.name for rule in program.rules)
    rng = random.Random(case.seed)
    looks = dict.fromkeys(sorted(rng.sample(times.tolist(), min(rng.choice((1, 1, 2, 9)), len(times)))), names)
    trial = Trial(UnitTest("", 0, start_ms=begin), program, list(_inputs(case, int(times[-1]))), step, times, looks)
    one, other = batch()(trial), stream(trial)
    yield from _of_samples(_stored(one.storage, int(times[-1])), _stored(other.storage, int(times[-1])))
    yield from _unlike("alert", list(_alerts(one)), list(_alerts(other)))
    if (failed := _failed(one)) != _failed(other):
        yield f"batch fails with {failed}, the stream with {_failed(other)}"


def _inputs(case: Case, until_ms: int) -> Iterator[Input]:
    found = storage_of(case.log.samples).select((), -1, case.end_ms, stale=True)
    for labels, low, high in zip(found.labels.rows(), found.begin.tolist(), found.end.tolist(), strict=True):
        times = found.timestamps[low:high]
        early = times <= until_ms
        yield Input(tuple(labels.items()), times[early], found.values[low:high][early])


def _stored(storage: Storage, until_ms: int) -> Written:
    found = storage.select((), -1, until_ms, stale=True)
    return {
        (tuple(labels.items()), when): value
        for labels, low, high in zip(found.labels.rows(), found.begin.tolist(), found.end.tolist(), strict=True)
        for when, value in zip(found.timestamps[low:high].tolist(), found.values[low:high].tolist(), strict=True)
    }


def _alerts(ran: Ran) -> Iterator[tuple[tuple[Any, ...], float]]:
    looked: Looked
    for when, found in sorted(ran.alerts.items()):
        for looked in found:
            alert = looked.alert
            yield (when, looked.name, alert.labels, alert.phase.value, alert.active_at), alert.value


def _failed(ran: Ran) -> list[tuple[int, int, str]]:
    return [(each.time_ms, each.rule.position, each.message) for each in ran.errors]


# Both.


def _of_samples(expected: Written, found: Written) -> Iterator[str]:
    """A sample that late ones took back leaves a marker where the batch engine never wrote one."""
    there, here = (_without_markers(each) for each in (expected, found))
    yield from _unlike("sample", sorted(there.items()), sorted(here.items()))
    yield from (f"no marker: {key}" for key in [*(expected.keys() - there.keys() - found.keys())][:SHOWN])


def _without_markers(written: Written) -> Written:
    stale = is_stale(np.array([*written.values()])) if written else ()
    return {key: value for (key, value), marker in zip(written.items(), stale, strict=True) if not marker}


def _unlike(what: str, expected: Sequence[tuple[Any, float]], found: Sequence[tuple[Any, float]]) -> Iterator[str]:
    due, sent = dict(expected), dict(found)
    unlike = [key for key in {**due, **sent} if key not in due or key not in sent or not _alike(due[key], sent[key])]
    for key in unlike[:SHOWN]:
        yield f"{what} {key}: batch {due.get(key)}, stream {sent.get(key)}"
    if len(unlike) > SHOWN:
        yield f"{what}: {len(unlike) - SHOWN} more"


def _alike(one: float, other: float) -> bool:
    both = math.isnan(one) and math.isnan(other)
    return both or one == other or math.isclose(one, other, rel_tol=CLOSE, abs_tol=CLOSE)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status 1 when there is a difference."""
    parser = argparse.ArgumentParser(prog="python -m tests.transforms.alerts.compare_engines", description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000, help="how many (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=1, help="of the first case; the others count on (default: %(default)s)"
    )
    parser.add_argument("--rules", action="store_true", help="print the rules of cases that differ")
    args = parser.parse_args(argv)
    bad, begin = 0, time.monotonic()
    for number in range(args.cases):
        seed = args.seed + number
        try:
            found = differences(seed)
        except Exception as error:  # noqa: BLE001 - a fault of an engine is a difference like any other
            found = [f"fails with {type(error).__name__}: {error}"]
        if found:
            bad += 1
            print(
                f"seed {seed}:",
                *found,
                *([case_of(seed, one_interval=seed % 3 == 0).rules] if args.rules else ()),
                sep="\n  ",
                flush=True,
            )
        if (number + 1) % 500 == 0:
            print(
                f"{number + 1} cases, {bad} with differences, {time.monotonic() - begin:.0f} s",
                file=sys.stderr,
                flush=True,
            )
    print(f"{args.cases} cases from seed {args.seed}, {bad} with differences")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
