"""One shard of the stream: the samples of the series that rules select, and the values of the rules' fragments at an evaluation time.

A state machine without a framework. What it holds is a set of samples with their source positions, so it does not matter in which order or in
which pieces they came, and its stored form is simply samples: *chunks*, to which every arrival appends one, and which are made one now and then.
For a rule over ``rate(x[5m])`` evaluated every minute, and a lateness of 5 min::

    w 12:00:05  a scrape arrives: add() keeps the series of x, appended to their columns; the chunk of its samples goes to the store
    w 12:01:00  evaluate(fragments, 12:01): the windows (11:56, 12:01] of x; what comes of it travels to the groups
    w 12:03:10  a sample of 12:00:40 arrives: touched() names 12:01, 12:02 and 12:03, which are evaluated again
    w 12:06:00  prune(12:01): nothing before 12:01 is evaluated again; samples of 11:56 and before are forgotten

What bounds the state: the series seen within the retention of the selectors that find them, a sample each time they are scraped: some 33 bytes of
memory a sample, and 3 to 6 where it is stored (``python -m benchmarks.stage``). Of series that are needed for hours, all but the last one or two are
packed as they are stored (:mod:`transforms.alerts.shards.packed`), unless a rule goes through as many of their samples one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import replace
from functools import lru_cache

import numpy as np

from rules.evaluation.known_empty import is_known_empty
from rules.planning.plan import State
from rules.promql.context import Options
from rules.promql.engine import at_instants
from rules.promql.syntax import ast
from rules.promql.syntax.errors import PromQLError
from rules.promql.together import Together
from rules.promql.values import Index, InstantVector, Times
from transforms.alerts.fragments.long_ranges import Packing
from transforms.alerts.fragments.partials import Partials, PartialsBuilder
from transforms.alerts.fragments.tasks import Task
from transforms.alerts.shards.shard_samples import MAX_SERIES, ShardSamples

_ALONE = ast.StringLiteral("")
_FEW = 4
"""Fragments that are fewer are evaluated one by one."""

_PART = 32
"""So are those that are a smaller part of the whole."""


class ShardState(ShardSamples):
    """The samples of one shard, and what fragments make of them."""

    def __init__(
        self,
        shard: int,
        states: Sequence[State],
        options: Options | None = None,
        max_series: int = MAX_SERIES,
        packing: Packing | None = None,
    ) -> None:
        """A shard without samples.

        Args:
            shard: its number.
            states: the selectors of the fragments that will be evaluated, and how long their samples are needed (``Cut.state``).
            options: of the engine.
            max_series: how many series it keeps; samples of further ones are refused.
            packing: which samples are packed.
        """
        super().__init__(states, max_series, packing)
        self.shard = shard
        self._options = options or Options()

    def evaluate(
        self,
        tasks: Iterable[Task],
        times: Times,
        *,
        since_ms: int | None = None,
        revision: int = 0,
        whole: Iterable[Task] | None = None,
    ) -> Partials:
        """What the shard contributes at some evaluation times.

        Args:
            tasks: the fragments, of the selectors that the shard was made with.
            times: ascending milliseconds, at least one.
            since_ms: samples that are gathered are those after it and up to the last evaluation time; None: as far back as any are needed.
            revision: of the partials (:class:`~transforms.alerts.fragments.partials.Partials`).
            whole: a set of fragments that is asked for again and again, of which ``tasks`` are some; None: ``tasks`` are such a set. What is worked
                out about it once is kept.
        """
        tasks = tuple(tasks)
        found = PartialsBuilder(self.shard, times, revision)
        found.begin(*(task.id for task in tasks))
        vectors, alone = self._together(tasks, tasks if whole is None else tuple(whole), times)
        for task in tasks:
            if task.id in vectors:
                found.add_vector(task.id, 0, vectors[task.id])
            elif alone is not None and task.id not in alone:
                continue
            elif task.spec.kind == "samples":
                since = int(times[0]) - task.spec.history_ms if since_ms is None else since_ms
                self._gather(found, task, since)
            elif not is_known_empty(task.spec.expr, self.is_empty):
                self._evaluate(found, task, 0, len(times))
        return found.build()

    def _together(
        self, tasks: Sequence[Task], whole: tuple[Task, ...], times: Times
    ) -> tuple[dict[int, InstantVector], Set[int] | None]:
        """What fragments yield, by their ids, if there are many; and those that have to be evaluated by themselves, None for all."""
        if len(tasks) < _FEW or len(tasks) * _PART < len(whole):
            return {}, None
        answers = _many(whole).evaluate(self, times, self._options)
        vectors = {whole[number].id: vector for number, vector in answers.vectors.items()}
        return vectors, {whole[number].id for number in answers.alone}

    def _evaluate(self, found: PartialsBuilder, task: Task, first: int, end: int) -> None:
        """Evaluate a stretch of evaluation times. If it fails, evaluate each half by itself, down to the evaluation times that fail."""
        times = found.times[first:end]
        try:
            value = at_instants(task.spec.expr, self, times, self._options).value
        except PromQLError as error:
            if len(times) == 1:
                found.add_failure(task.id, first, error.message)
                return
        else:
            if isinstance(value, InstantVector) and value.size:
                found.add_vector(task.id, first, value)
            return
        middle = (first + end) // 2
        self._evaluate(found, task, first, middle)
        self._evaluate(found, task, middle, end)

    def fragments(self, numbers: dict[int, int], times: Times) -> None:
        """See :class:`rules.promql.together.TogetherStorage`: a shard has no other shards to ask."""
        return

    def _gather(self, found: PartialsBuilder, task: Task, since_ms: int) -> None:
        """Add the samples that a fragment selects, after a time and up to the last evaluation time."""
        if not isinstance(task.spec.expr, ast.VectorSelector):
            raise TypeError(f"{task.spec.key}: samples are gathered by a selector")
        matchers = task.spec.expr.matchers
        if not self.finds(matchers):
            return
        until_ms = int(found.times[-1])
        series = self.select(matchers, since_ms, until_ms, stale=True)
        bounds: Index = series.positions(np.array([since_ms, until_ms], np.int64))
        rows = np.flatnonzero(bounds[:, 1] > bounds[:, 0])
        found.add_samples(task.id, replace(series.take(rows), begin=bounds[rows, 0], end=bounds[rows, 1]))


@lru_cache(maxsize=16)
def _many(tasks: tuple[Task, ...]) -> Together:
    """Fragments to be evaluated together; all shards of a process evaluate the same."""
    return Together([task.spec.expr if task.spec.kind == "vector" else _ALONE for task in tasks])
