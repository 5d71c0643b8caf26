"""Streams of samples for tests: batches with positions, and what a store in memory says of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from rules.planning.plan import State
from rules.promql.engine import at_instants
from rules.promql.storage import MemoryStorage, Storage
from rules.promql.syntax.errors import PromQLError
from rules.promql.syntax.parser import parse
from rules.promql.values import InstantVector
from schemas.batch import SampleBatch
from schemas.series import METRIC_NAME, metric_text, split_labels
from transforms.alerts.fragments.fragments import FragmentSpec
from transforms.alerts.fragments.long_ranges import BLOCK_MS, states
from transforms.alerts.fragments.partials import Partials
from transforms.alerts.fragments.tasks import Task

Row = tuple[tuple[str, str], ...]
Answer = dict[tuple[Row, int], int] | str


class Sent(NamedTuple):
    """One sample as it stands in the log; ``seq`` is its position."""

    labels: Row
    ts: int
    value: float
    seq: int


def batch_of(samples: Sequence[Sent]) -> SampleBatch:
    """The samples, in their order."""
    targets: dict[str, int] = {}
    metrics: dict[str, int] = {}
    target, metric = [], []
    for sample in samples:
        labels = dict(sample.labels)
        name = labels.pop(METRIC_NAME)
        text, rest = split_labels(labels)
        target.append(targets.setdefault(text, len(targets)))
        metric.append(metrics.setdefault(metric_text(name, rest), len(metrics)))
    return SampleBatch(
        targets=list(targets),
        metrics=list(metrics),
        target=np.array(target, np.int32),
        metric=np.array(metric, np.int32),
        ts=np.array([each.ts for each in samples], np.int64),
        value=np.array([each.value for each in samples], np.float64),
        seq=np.array([each.seq for each in samples], np.int64),
    )


def storage_of(samples: Iterable[Sent]) -> MemoryStorage:
    """All samples at once; of two of one series and time the one that comes later in the log."""
    series: dict[Row, dict[int, float]] = {}
    for sample in sorted(samples, key=lambda each: each.seq):
        series.setdefault(sample.labels, {})[sample.ts] = sample.value
    rows = [(dict(labels), sorted(found.items())) for labels, found in series.items()]
    return MemoryStorage.from_series(
        (labels, [when for when, _ in pairs], [value for _, value in pairs]) for labels, pairs in rows
    )


def tasks_of(*expressions: str, samples: Sequence[str] = ()) -> tuple[Task, ...]:
    """Fragments of expressions, and of selectors whose samples are gathered."""
    vectors = [FragmentSpec(number, parse(text), "vector", None, 0, False) for number, text in enumerate(expressions)]
    first = len(vectors)
    gathered = [FragmentSpec(first + n, parse(text), "samples", None, 0, False) for n, text in enumerate(samples)]
    return tuple(map(Task.of, vectors + gathered))


def states_of(tasks: Iterable[Task], block_ms: int = BLOCK_MS) -> list[State]:
    """What the fragments need kept."""
    return [state for task in tasks for state in states(task.spec.expr, block_ms=block_ms)]


def bits(value: float) -> int:
    return int(np.float64(value).view(np.uint64))


def cells(labels: Sequence[Mapping[str, str]], vector: InstantVector, times: np.ndarray) -> dict[tuple[Row, int], int]:
    rows = [tuple(sorted(row.items())) for row in labels]
    return {
        (rows[row], int(times[column])): bits(vector.values[row, column])
        for row, column in np.argwhere(vector.present).tolist()
    }


def asked(storage: Storage, task: Task, when: int) -> Answer:
    """What a store says of a fragment at one evaluation time, in a form that compares; the message if it fails."""
    times = np.array([when], np.int64)
    try:
        value = at_instants(task.spec.expr, storage, times).value
    except PromQLError as error:
        return error.message
    assert isinstance(value, InstantVector)
    return cells(value.labels.rows(), value, times)


def answer_of(partials: Partials, task: Task, when: int) -> Answer:
    """What partials say of it."""
    column = int(np.flatnonzero(partials.times == when)[0])
    assert task.id in partials.evaluated
    for failure in partials.failures.get(task.id, ()):
        if failure.evaluation_time == column:
            return failure.message
    part = partials.vectors.get(task.id)
    if part is None:
        return {}
    texts = partials.texts
    found = {}
    for row in np.flatnonzero(part.present[:, column]).tolist():
        pairs = zip(part.rows.names, part.rows.codes[row].tolist(), strict=True)
        labels = tuple(sorted((texts[name], texts[code]) for name, code in pairs if code))
        found[labels, when] = bits(part.values[row, column])
    return found
