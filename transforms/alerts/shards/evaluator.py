"""The evaluator of a shard: what it knows at each evaluation time, and what it contributes.

Samples that were in order when they were read are kept at once: the evaluation times that see them are still ahead. Samples that the watermark of
their partition had overtaken wait until the first evaluation after that watermark. So the log decides which evaluation is the first to see a late
sample. With a grace of 10 s, and rules evaluated every minute::

    12:02          evaluated when the watermark passes 12:02:10
                   a sample of 12:01:40 arrives, overtaken by 12:02:15; it waits, since 12:02 was, or might as well have been, evaluated
    12:03          the sample is added; 12:02, which it touches, is evaluated again, as a revision that counts from 12:03 on; then 12:03
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from rules.promql.syntax import ast
from rules.promql.values import Times
from schemas import batch as batches
from schemas.batch import MIN_WATERMARK, SampleBatch
from transforms.alerts.fragments.partials import HISTORY, Partials
from transforms.alerts.fragments.tasks import Run, Task, due
from transforms.alerts.messages import BEGINNING_MS, Contribution, Part, RuleFiles, of_contribution
from transforms.alerts.settings import CONTRIBUTIONS, EvaluationSettings
from transforms.alerts.shards.rules import ShardRules
from transforms.alerts.shards.selection import Selection, label_frame
from transforms.alerts.shards.state import ShardState
from transforms.machines.machine import Out

STRIDE = 64
"""Most evaluation times at once. It bounds memory while a job catches up."""

PRUNE_EVERY_MS = 60_000
"""Minimum event time between two prunings."""


class ShardEvaluator:
    """What a shard holds in memory.

    Attributes:
        rules: in force.
        state: the samples that count.
        waiting: batches that do not count yet, of the samples that some rule selects.
        done: the last time that was evaluated; None before the first.
        amendments: how many contributions reported no new evaluation time.
        counted: what happened, by the names of counters.
    """

    def __init__(
        self,
        shard: int,
        settings: EvaluationSettings,
        rules: ShardRules,
        stored: Iterable[SampleBatch] = (),
        begin: int = 0,
        done: int | None = None,
        amendments: int = 0,
    ) -> None:
        """Start, or restore.

        Args:
            shard: its number.
            settings: of the stage.
            rules: in force after ``done``.
            stored: all samples that there were.
            begin: the time from which on all fragments were evaluated, if any was.
            done: the last time that was evaluated.
            amendments: contributions so far that reported no new evaluation time.
        """
        self.shard = shard
        self.rules = rules
        self.waiting: list[SampleBatch] = []
        self.done = done
        self.amendments = amendments
        self.counted: Counter[str] = Counter()
        self._settings = settings
        self._begin = begin
        self._pruned: int | None = None
        self.state = self._empty()
        self.state.restore(self._that_count(stored), None if done is None else done - self._horizon_ms)
        self.prune()

    def _that_count(self, stored: Iterable[SampleBatch]) -> Iterator[SampleBatch]:
        """The batches that do not wait; the others do."""
        for batch in stored:
            if self.waits(batch):
                self.waiting.append(batch)
            else:
                yield batch

    def waits(self, batch: SampleBatch) -> bool:
        """Whether a batch was overtaken, and no evaluation has included it yet."""
        if batch.overtaken == MIN_WATERMARK:
            return False
        return self.done is None or batch.overtaken >= self.done + self._settings.grace_ms

    @property
    def samples(self) -> int:
        """How many samples are held."""
        return self.state.samples + sum(map(len, self.waiting))

    def keep(self, batch: SampleBatch) -> SampleBatch | None:
        """Take up the samples of a batch that some rule selects; gives these, None if there are none.

        Raises:
            ValueError: a text of the batch is no series'.
        """
        refused = self.state.refused
        kept: SampleBatch | None
        if self.waits(batch):
            kept = self.state.wanted(batch)
            if len(kept):
                self.waiting.append(kept)
                self.counted["rules.late_samples"] += len(kept)
            else:
                kept = None
        else:
            kept = self.state.add(batch).samples
        if kept is not None:
            self.counted["rules.samples_kept"] += len(kept)
        self.counted["rules.series_refused"] += self.state.refused - refused
        return kept

    # Going on.

    def start(self, begin_ms: int) -> None:
        """Evaluation begins with what is due from a time on."""
        self._begin, self.done = begin_ms, begin_ms - 1

    def advance(self, until_ms: int, newest_ms: int) -> Iterator[Out]:
        """Evaluate all evaluation times up to one, in order, each with what was known then.

        Args:
            until_ms: the last evaluation time; nothing happens if it was evaluated.
            newest_ms: the newest event time, to be reported.
        """
        grace = self._settings.grace_ms
        while (
            self.done is not None and (first := self.rules.times.following(self.done)) is not None and first <= until_ms
        ):
            parts = self._late(first)
            end = min([until_ms, *(each.overtaken - grace for each in self.waiting)])
            # There may have been no rules for a year.
            after = max(self.done, first - 1 - self.rules.reach_ms)
            # The first evaluation times of a shard are evaluated even so: their reports show the groups when event time begins.
            last = self._empty_until(first, after, end) if self.done >= self._begin else None
            if last is None:
                times = self.rules.times.first(STRIDE, self.done, end)
                last = int(times[-1])
                parts += [Part(first, each) for each in self._first_partials(after, last)]
                self.counted["rules.shard_instants"] += len(times)
            previous_ms, self.done = self.done, last
            yield self._contribution(parts, newest_ms, BEGINNING_MS if previous_ms < self._begin else previous_ms)
        if self.done is not None and (self._pruned is None or self.done - self._pruned >= PRUNE_EVERY_MS):
            self.prune()

    def close(self, time_ms: int, newest_ms: int) -> Iterator[Out]:
        """Add all samples that wait: the input has ended before this evaluation time, which is not evaluated."""
        if not self.waiting or self.done is None:
            return
        known, self.waiting = self.waiting, []
        parts = self._add_late(known, time_ms)
        if parts:
            yield self._amendment(parts, newest_ms)

    def prune(self) -> None:
        """Forget what no evaluation will see any more."""
        if self.done is not None:
            self.state.prune(self.done - self._horizon_ms)
            self._pruned = self.done

    def announce(self, found: RuleFiles) -> bool:
        """Take up how the rule files are from a time on; gives whether that is a change."""
        if not self.rules.announce(found):
            return False
        self._reselect()
        return True

    def expire(self, evaluated_ms: int) -> None:
        """Let go of rules of before a change whose time is over."""
        self.rules.expire(evaluated_ms)
        self._reselect()

    def change(self, newest_ms: int) -> Iterator[Out]:
        """Switch to the rules after the next change, and evaluate what they read of earlier evaluation times."""
        change_ms = self.rules.change_ms or 0
        done = self.done
        fresh = self.rules.change(change_ms if done is None else done)
        self._reselect()
        if done is None:
            return
        known = self.rules.times.following(done)
        known = done + 1 if known is None else known
        parts: list[Part] = []
        for task in fresh:
            behind = max((each.behind_ms for each in task.spec.schedules), default=0)
            # The new rules read nothing after their offset; what they read from there on may have been missed.
            before = change_ms - 1 - behind
            spans = [(before - task.spec.history_ms, min(before, done), HISTORY)]
            spans.append((before, done, _revision(known) if done >= change_ms else HISTORY))
            for after_ms, until_ms, revision in spans:
                for run in due([task], after_ms, until_ms):
                    parts += [Part(known, each) for each in self._again(run, after_ms, revision)]
        if parts:
            yield self._amendment(parts, newest_ms)

    # What is evaluated.

    def _first_partials(self, after_ms: int, until_ms: int) -> Iterator[Partials]:
        vectors = {run.times.tobytes(): run for run in due(self.rules.vectors, after_ms, until_ms)}
        for schedules, tasks in self.rules.gathering.items():
            for run in due(tasks, after_ms, until_ms):
                since = max(each.latest(after_ms) for each in schedules)
                # Fragments of the same evaluation times go together.
                beside = vectors.pop(run.times.tobytes(), None)
                yield self._evaluate((*(beside.tasks if beside is not None else ()), *run.tasks), run.times, since)
        for run in vectors.values():
            yield self._evaluate(run.tasks, run.times)

    def _empty_until(self, first: int, after_ms: int, end_ms: int) -> int | None:
        """The last of many evaluation times that see no sample, so that the shard has nothing to report; None if these are few, or none."""
        far = first + STRIDE * (self.rules.times.shortest_ms or 1)
        if end_ms < far or not self.rules.need_samples:
            return None
        seen = self.state.seen(after_ms + 1)
        if seen is not None and seen <= far:
            return None
        return self.rules.times.latest(end_ms if seen is None else min(end_ms, seen - 1))

    def _late(self, first: int) -> list[Part]:
        """Add the samples that waited for an evaluation time, and evaluate again the times that they touch."""
        grace = self._settings.grace_ms
        known = [each for each in self.waiting if each.overtaken - grace < first]
        if not known or self.done is None:
            return []
        self.waiting = [each for each in self.waiting if each.overtaken - grace >= first]
        return self._add_late(known, first)

    def _add_late(self, known: Sequence[SampleBatch], first: int) -> list[Part]:
        done = self.done or 0
        arrival = self.state.add(batches.concat(known))
        if not len(arrival.times):
            return []
        since = int(arrival.times.min()) - 1
        found = self._finders(known)
        asking = [task for task in self.rules.tasks if not found.isdisjoint(self._asked_by(task))]
        # Times before the shard's first are reported for the first time, and so with all fragments.
        after = done - self._horizon_ms
        runs = [
            *due(self.rules.tasks, after, min(self._begin - 1, done)),
            *due(asking, max(after, self._begin - 1), done),
        ]
        parts = []
        for run in runs:
            times = arrival.touched(run.times)
            if len(times):
                parts.append(Part(first, self._evaluate(run.tasks, times, since, _revision(first), self.rules.tasks)))
        return parts

    def _finders(self, batches_: Sequence[SampleBatch]) -> set[int]:
        """The selectors that find any of the series."""
        found: set[int] = set()
        for batch in batches_:
            pairs = np.unique(np.stack((batch.target, batch.metric)), axis=1)
            labels = label_frame(batch.targets, pairs[0], batch.metrics, pairs[1])
            found.update(self._selection.match(labels).members)
        return found

    def _asked_by(self, task: Task) -> frozenset[int]:
        """The selectors of a fragment."""
        asked = self._asked.get(task.id)
        if asked is None:
            selectors = [node for node in ast.walk(task.spec.expr) if isinstance(node, ast.VectorSelector)]
            numbers = [self._selection.number(each.matchers) for each in selectors]
            asked = self._asked[task.id] = frozenset(number for number in numbers if number is not None)
        return asked

    def _again(self, run: Run, since_ms: int, revision: int) -> Iterator[Partials]:
        """What a change of rules asks for of the past."""
        for place in range(0, len(run.times), STRIDE):
            times = run.times[place : place + STRIDE]
            yield self._evaluate(run.tasks, times, since_ms, revision)
            since_ms = int(times[-1])

    def _evaluate(
        self,
        tasks: Sequence[Task],
        times: Times,
        since_ms: int | None = None,
        revision: int = 0,
        whole: Sequence[Task] | None = None,
    ) -> Partials:
        partials = self.state.evaluate(tasks, times, since_ms=since_ms, revision=revision, whole=whole)
        self.counted["rules.fragment_failures"] += sum(map(len, partials.failures.values()))
        return partials

    def _amendment(self, parts: Sequence[Part], newest_ms: int) -> Out:
        self.amendments += 1
        return self._contribution(parts, newest_ms, self.done or 0)

    def _contribution(self, parts: Sequence[Part], newest_ms: int, after_ms: int) -> Out:
        until_ms = self.done or 0
        contribution = Contribution(self.shard, after_ms, until_ms, self.amendments, newest_ms, parts)
        return Out(until_ms, CONTRIBUTIONS, of_contribution(contribution))

    @property
    def _horizon_ms(self) -> int:
        """How far before an evaluation time late samples may still touch another one."""
        return self._settings.late_ms + self._settings.grace_ms + self.rules.behind_ms

    def _empty(self) -> ShardState:
        settings = self._settings
        self._selection = Selection(self.rules.states)
        self._asked: dict[int, frozenset[int]] = {}
        return ShardState(self.shard, self.rules.states, settings.program.options, settings.max_series)

    def _reselect(self) -> None:
        """Go on with the selectors that the rules have now."""
        before, self.state = self.state, self._empty()
        self.state.take_over(before)
        self.waiting = [kept for each in self.waiting if len(kept := self.state.wanted(each))]


def _revision(effective_ms: int) -> int:
    """Of what is evaluated again: what is known later counts more."""
    return max(effective_ms, 1)
