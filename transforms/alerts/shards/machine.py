"""The first stage as a machine: samples in, contributions of shards at each evaluation time out.

State of a key, which is a shard's number: ``meta`` (the version's token, the last evaluation time, and how far timers are set), ``rules``
(:class:`transforms.alerts.shards.rules.ShardRules`), ``told`` (:class:`transforms.machines.watermarks.Watermarks`), and the bag ``chunks`` of the
samples that rules select. An arrival appends a chunk and is not evaluated. An evaluation time is due once the watermarks of all partitions pass it,
or its timer fires. The end of the bundle evaluates what is due, many evaluation times at once while a job catches up. A bag that has grown to
twice the size of what is still needed becomes one chunk.

What bounds the state: see :mod:`transforms.alerts.shards.state`; the chunks hold at most about twice as many samples as there are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

from rules.evaluation.schedule import SpannedTimes
from rules.planning.catalogue import Catalogue
from rules.planning.no_data import exact_name, selector_key
from schemas import batch as batches
from schemas.batch import MIN_WATERMARK, SampleBatch
from schemas.times import LONG_AGO
from transforms.alerts import messages
from transforms.alerts.settings import LABELS, MAX_METRICS, METRICS, SELECTORS, EvaluationSettings
from transforms.alerts.shards.chunks import from_chunk, to_chunk
from transforms.alerts.shards.evaluator import ShardEvaluator
from transforms.alerts.shards.meta import Meta
from transforms.alerts.shards.rules import ShardRules
from transforms.alerts.shards.state import ShardState
from transforms.machines.machine import Cells, Machine, Memory, Out, Timer, Timers, new_token
from transforms.machines.watermarks import Watermarks

COMPACT_EVERY_MS = 60_000
"""Minimum event time between two compactions of the bag into one chunk."""

_AHEAD = 4_096
"""Most evaluation times that get a timer each: one sample of long ago, or of a far future, must not set millions of timers."""

_NEXT = 256
"""Beyond that, so many at both ends get a timer each. Towards the middle, the distance from the end doubles from one timer to the next."""

_SLACK = 1_000
_KEY = struct.Struct(">i")


def key_of(shard: int) -> bytes:
    """The key of a shard."""
    return _KEY.pack(shard)


@dataclass(slots=True)
class _Shard:
    """A key of the bundle."""

    meta: Meta
    evaluator: ShardEvaluator
    watermarks: Watermarks


class Kept(NamedTuple):
    """What stays in memory of a key between bundles."""

    evaluator: ShardEvaluator
    watermarks: Watermarks


class ShardMachine(Machine):
    """See :class:`transforms.machines.machine.Machine`; the timer of an evaluation time is set ``grace_ms`` after it."""

    CELLS = ("meta", "rules", "told")
    BAGS = ("chunks",)

    def __init__(self, settings: EvaluationSettings, memory: Memory[Kept]) -> None:
        super().__init__(settings, memory)
        self._settings = settings
        self._memory = memory
        self._open: dict[bytes, _Shard] = {}

    def begin(self) -> None:
        """See :class:`transforms.machines.machine.Machine`."""
        self._open = {}

    def arrive(self, key: bytes, element: bytes, cells: Cells, timers: Timers) -> Iterator[Out]:
        """Keep samples or rule files, or take the newest event time and partition watermarks, which may complete evaluation times.

        Raises:
            ValueError: the element is not for shards.
        """
        shard = self._opened(key, cells)
        kind = messages.kind(element)
        if kind == messages.SAMPLES:
            self._keep(shard, batches.decode(messages.samples(element)), cells, timers)
        elif kind == messages.EXTENT:
            yield from self._take_extent(shard, element, cells, timers)
        elif kind == messages.RULES:
            yield from self._announce(shard, messages.rules(element), cells, timers)
        else:
            raise ValueError(f"shards take no elements of the kind {kind!r}")

    def fire(self, key: bytes, timer: Timer, cells: Cells, timers: Timers) -> Iterator[Out]:
        """An evaluation time is due, unless watermarks completed it before."""
        yield from self._come(self._opened(key, cells), timer.time_ms - self._settings.grace_ms, cells, timers)

    def _come(self, shard: _Shard, until_ms: int, cells: Cells, timers: Timers) -> Iterator[Out]:
        """Evaluation times up to one are due. They are evaluated at the end of the bundle, or now if rules change or chunks are compacted."""
        meta, evaluator = shard.meta, shard.evaluator
        due = min(until_ms, meta.newest) if self._settings.bounded else until_ms
        changed = False
        while evaluator.rules.change_ms is not None and evaluator.rules.change_ms <= due:
            self._reach(shard, evaluator.rules.change_ms - 1)
            yield from self._change(shard)
            changed = True
        self._reach(shard, due)
        if evaluator.rules.is_past(meta.due):
            yield from evaluator.advance(meta.due, meta.newest)
            evaluator.expire(meta.due)
            changed = True
        if self._is_grown(shard):
            yield from evaluator.advance(meta.due, meta.newest)
            self._compact(shard, cells)
        if changed:
            cells.write("rules", evaluator.rules.to_bytes())
            meta.armed = LONG_AGO
        if until_ms > due:
            # The input has ended: what waits for a later evaluation time counts now.
            yield from evaluator.advance(meta.due, meta.newest)
            yield from evaluator.close(until_ms, meta.newest)
            # Should anything arrive after all, this evaluation time and its timer are still ahead.
            meta.armed = meta.after
            self._store(shard, cells)
        else:
            self._go_on(shard, cells, timers)

    def finish(self) -> Iterator[Out]:
        """Evaluate what is due."""
        for key, shard in self._open.items():
            meta, evaluator = shard.meta, shard.evaluator
            yield from evaluator.advance(meta.due, meta.newest)
            if evaluator.counted["rules.series_refused"]:
                self.complaints.append(
                    f"rules: shard {evaluator.shard} keeps {self._settings.max_series:,} series that rules select, which is the most (max_series): "
                    "samples of new ones are left out"
                )
            for name, number in evaluator.counted.items():
                self.count(name, number)
            evaluator.counted.clear()
            if self._settings.bounded:
                # All of it each time: the notes of a failed bundle are lost.
                self.noted.setdefault(SELECTORS, set()).update(map(selector_key, evaluator.state.found))
                self.noted.setdefault(METRICS, set()).update(islice(evaluator.state.names, MAX_METRICS))
                self.noted.setdefault(LABELS, set()).update(_labels(evaluator.state))
            if meta.token:
                self._memory.put(key, meta.token, Kept(evaluator, shard.watermarks))
        self._open = {}

    # What comes in.

    def _keep(self, shard: _Shard, batch: SampleBatch, cells: Cells, timers: Timers) -> None:
        meta, evaluator = shard.meta, shard.evaluator
        if not len(batch):
            return
        oldest, grace = int(batch.ts.min()), self._settings.grace_ms
        if meta.due != LONG_AGO and (batch.overtaken != MIN_WATERMARK or oldest <= meta.due):
            # Whatever the source reports, a sample at or before an evaluated time is late.
            batch = replace(batch, overtaken=max(batch.overtaken, meta.due + grace))
        kept = evaluator.keep(batch)
        begin = oldest if batch.overtaken == MIN_WATERMARK else batch.overtaken - grace + 1
        noted = self._note(meta, evaluator.rules, int(batch.ts.max()), begin, kept is not None)
        if kept is not None:
            cells.append("chunks", to_chunk(kept))
            meta.stored += len(kept)
        if noted:
            self._go_on(shard, cells, timers)
        self._arm(shard, oldest, int(batch.ts.max()), timers)

    def _take_extent(self, shard: _Shard, element: bytes, cells: Cells, timers: Timers) -> Iterator[Out]:
        """Take the newest event time and the watermarks of partitions."""
        meta, rules, grace = shard.meta, shard.evaluator.rules, self._settings.grace_ms
        newest = messages.extent(element)
        noted = newest is not None and self._note(meta, rules, newest, newest)

        def crosses(before: int, after: int) -> bool:
            return rules.times.between(before - grace, after - grace)

        changed = shard.watermarks.update(messages.partition_watermarks(element), crosses)
        if changed:
            cells.write("told", shard.watermarks.to_bytes())
            due = rules.times.latest(shard.watermarks.complete_ms - grace)
            if due is not None and meta.begin != LONG_AGO and due > meta.after:
                shard.evaluator.counted["rules.instants_early"] += rules.times.count(meta.after, due)
                yield from self._come(shard, due, cells, timers)
                return
        if noted or changed:
            self._go_on(shard, cells, timers)
        if newest is not None:
            self._arm(shard, newest, newest, timers)

    def _note(self, meta: Meta, rules: ShardRules, newest: int, oldest: int, always: bool = False) -> bool:
        """Take the newest event time. Returns whether state should be written; ``always`` forces that."""
        worth = always
        if meta.due == LONG_AGO:
            begins = rules.times.following(oldest - 1) is not None
            if begins and (meta.begin == LONG_AGO or oldest < meta.begin):
                meta.begin, meta.armed, worth = oldest, LONG_AGO, True
        if newest > meta.newest:
            worth = worth or rules.times.between(meta.newest, newest)
            meta.newest = newest if worth else meta.newest
        return worth

    def _announce(self, shard: _Shard, found: messages.RuleFiles, cells: Cells, timers: Timers) -> Iterator[Out]:
        meta, evaluator = shard.meta, shard.evaluator
        yield from evaluator.advance(meta.due, meta.newest)
        if not evaluator.announce(found):
            return
        while evaluator.rules.change_ms is not None and evaluator.rules.change_ms <= meta.due:
            yield from self._change(shard)
        if evaluator.rules.change_ms is not None:
            timers.at(evaluator.rules.change_ms + self._settings.grace_ms)
        cells.write("rules", evaluator.rules.to_bytes())
        meta.armed = LONG_AGO
        self._go_on(shard, cells, timers)

    # What is due.

    def _reach(self, shard: _Shard, due: int) -> None:
        """All evaluation times up to one are due."""
        meta = shard.meta
        last = shard.evaluator.rules.times.latest(due)
        if last is None or meta.begin == LONG_AGO or last <= meta.after:
            return
        if meta.due == LONG_AGO:
            shard.evaluator.start(meta.begin)
        meta.due = last

    def _change(self, shard: _Shard) -> Iterator[Out]:
        yield from shard.evaluator.advance(shard.meta.due, shard.meta.newest)
        yield from shard.evaluator.change(shard.meta.newest)

    def _is_grown(self, shard: _Shard) -> bool:
        meta = shard.meta
        aged = meta.due - meta.compacted >= COMPACT_EVERY_MS
        return aged and meta.stored > 2 * shard.evaluator.samples + _SLACK

    def _compact(self, shard: _Shard, cells: Cells) -> None:
        meta, evaluator = shard.meta, shard.evaluator
        evaluator.prune()
        cells.replace("chunks", [*evaluator.state.to_chunks(), *map(to_chunk, evaluator.waiting)])
        meta.stored, meta.compacted = evaluator.samples, meta.due

    def _go_on(self, shard: _Shard, cells: Cells, timers: Timers) -> None:
        """Set timers for what is ahead, and write the meta state."""
        meta, rules, grace = shard.meta, shard.evaluator.rules, self._settings.grace_ms
        shortest = rules.times.shortest_ms
        if meta.begin != LONG_AGO and shortest is not None:
            after = meta.after
            ahead = _timers(rules.times, max(after, meta.armed), meta.newest)
            following = rules.times.following(after)
            if not ahead and meta.armed <= after and following is not None:
                # Time goes on even without input. A bounded input gets one such timer: the watermark reaches it only at the end.
                ahead = [following]
            for when in ahead:
                timers.at(when + grace)
                meta.armed = when
        self._store(shard, cells)

    def _arm(self, shard: _Shard, oldest: int, newest: int, timers: Timers) -> None:
        """Set timers for the first evaluation times that see samples of an event time, if not every evaluation time has one."""
        meta, rules = shard.meta, shard.evaluator.rules
        shortest = rules.times.shortest_ms
        if meta.begin == LONG_AGO or shortest is None or not _is_far(shortest, meta.after, meta.newest):
            return
        for time_ms in {newest, *range(oldest, min(newest, oldest + _NEXT * shortest), shortest)}:
            when = rules.times.following(max(meta.after, time_ms - 1))
            if when is not None:
                timers.at(when + self._settings.grace_ms)

    def _store(self, shard: _Shard, cells: Cells) -> None:
        meta, rules = shard.meta, shard.evaluator.rules
        if not meta.token:
            # Files that changed while the job was stopped apply from when they are announced.
            cells.write("rules", rules.to_bytes())
        meta.token, meta.amendments = new_token(), shard.evaluator.amendments
        cells.write("meta", meta.encode())

    # What is stored.

    def _opened(self, key: bytes, cells: Cells) -> _Shard:
        found = self._open.get(key)
        if found is None:
            stored = cells.read("meta")
            meta = Meta() if stored is None else Meta.decode(stored)
            kept = self._memory.take(key, meta.token) if stored is not None else None
            found = self._open[key] = _Shard(meta, *(kept or self._restored(key, meta, cells)))
        return found

    def _restored(self, key: bytes, meta: Meta, cells: Cells) -> Kept:
        stored = bool(meta.token)
        evaluator = ShardEvaluator(
            _KEY.unpack(key)[0],
            self._settings,
            ShardRules(self._settings, cells.read("rules") if stored else None),
            map(from_chunk, cells.read_bag("chunks")) if stored else (),
            meta.begin,
            None if meta.due == LONG_AGO else meta.due,
            meta.amendments,
        )
        watermarks = cells.read("told") if stored else None
        return Kept(evaluator, Watermarks(self._settings.sources, watermarks or b""))


def _is_far(shortest_ms: int, after_ms: int, until_ms: int) -> bool:
    return until_ms - after_ms > _AHEAD * shortest_ms


def _labels(state: ShardState) -> Iterator[str]:
    """The labels of metrics whose selectors find nothing."""
    found = Catalogue()
    for name in dict.fromkeys(filter(None, map(exact_name, state.unfound))):
        found.add(state.labels_of(name))
    return found.texts()


def _timers(times: SpannedTimes, after_ms: int, until_ms: int) -> list[int]:
    """The evaluation times in ``(after, until]`` that need a timer: all, or so many that the distance between them doubles.

    A timer makes all evaluation times up to its own due, so one covers all before it.
    """
    shortest = times.shortest_ms or 1
    if not _is_far(shortest, after_ms, until_ms):
        return list(map(int, times.times(after_ms, until_ms)))
    # The watermark may be anywhere, but is most likely a little behind the newest event time.
    near = _NEXT * shortest
    found = {*times.times(after_ms, after_ms + near).tolist(), *times.times(until_ms - near, until_ms).tolist()}
    while near < until_ms - after_ms:
        found.update(times.latest(each) or 0 for each in (after_ms + near, until_ms - near))
        near *= 2
    return sorted(each for each in found if after_ms < each <= until_ms)
