"""The union of all shards' partials: the store over which the remainders of rules are evaluated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.promql.labels import Column, LabelFrame
from rules.promql.storage import MemoryStorage
from rules.promql.syntax import ast
from rules.promql.syntax.errors import EvaluationError
from rules.promql.values import Floats, Index, InstantVector, Mask, SeriesSet, Times
from transforms.alerts.fragments.fragments import SHARD_LABEL
from transforms.alerts.fragments.partials import HISTORY, Partials, Rows, united
from transforms.alerts.fragments.tasks import Task
from transforms.alerts.groups.revisions import Held, changed_fragments

_NOTHING = MemoryStorage.from_series(())
_FORGOTTEN = 10_000
_FEW = 16


@dataclass(frozen=True, slots=True)
class _Gathered:
    """Samples of one part: ``owner`` is each one's row of ``labels``."""

    revision: int
    labels: LabelFrame
    owner: Index
    timestamps: Times
    values: Floats


@dataclass(frozen=True, slots=True)
class _Block:
    """A part at the requested times, with the store's numbers of its labels."""

    shard: int
    names: list[int]
    codes: Index
    values: Floats
    present: Mask


@dataclass(frozen=True, slots=True)
class _Labels:
    """The labels of a fragment's series as they were last: of which texts they were made, and whether no two are the same."""

    names: list[int]
    codes: Index
    shards: list[int]
    frame: LabelFrame
    distinct: bool


class PartialStore:
    """Partials of shards at recent times. Implements :class:`rules.promql.storage.FragmentStorage` and :class:`~rules.promql.storage.Storage`.

    The same partials, added in any order, give the same store. If a shard reports a time more than once, the highest revision counts, among equal
    ones the one added last. What bounds it: the times that were not pruned, and those before them that subqueries reach.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        """An empty store for the fragments of a cut, in their order."""
        self._held: list[Held] = []
        self._at: dict[int, dict[int, list[Held]]] = {}
        self._texts: list[str] = [""]
        self._numbers: dict[str, int] = {"": 0}
        self._gathered: list[_Gathered] = []
        self._samples: MemoryStorage | None = _NOTHING
        self._swept = 1
        self.follow(tasks)

    def follow(self, tasks: Sequence[Task]) -> None:
        """Go on with the fragments of other rules: what is here of those that stayed is kept."""
        self._answers: dict[tuple[int, bytes], InstantVector] = {}
        self._labels: dict[int, _Labels] = {}
        self._tasks = tuple(tasks)
        self._history = {task.id: task.spec.history_ms for task in tasks}

    def revise(self, partials: Partials) -> frozenset[int]:
        """Add a revision of a shard. Returns the ids of the fragments whose values it changes."""
        found = self._changed_fragments(self._hold(partials))
        self.add(partials)
        return found

    def _changed_fragments(self, held: Held) -> frozenset[int]:
        entries = held.partials
        # Of samples only those come that are new, or may be.
        found, evaluated = set(entries.samples), entries.evaluated
        for column, when in enumerate(entries.times.tolist()):
            left = evaluated - found
            for old in reversed(self._at.get(when, {}).get(entries.shard, ())):
                both = left & old.partials.evaluated
                left -= both
                found.update(changed_fragments(held, old, both, column, when))
                if not left:
                    break
            found |= left
        return frozenset(found)

    def add(self, partials: Partials) -> None:
        """Add partials of a shard."""
        self._answers.clear()
        held = self._hold(partials)
        self._keep(held)
        for part in partials.samples.values():
            labels = self._frame(*_numbered(part.rows, held.numbers))
            owner = np.repeat(np.arange(len(part.counts)), part.counts)
            self._gathered.append(_Gathered(partials.revision, labels, owner, part.timestamps, part.values))
            self._samples = None

    def shards_at(self, time_ms: int) -> frozenset[int]:
        """The shards that have reported an evaluation time."""
        return frozenset(self._at.get(time_ms, ()))

    def fragment(self, number: int, times: Times) -> InstantVector:
        """The union of the shards' vectors of a fragment at ascending times; empty at times that no shard has reported.

        Raises:
            EvaluationError: at one of the times the fragment failed in a shard, two shards have series of the same labels, or a shard that reported
                the time has not evaluated the fragment.
        """
        key = number, times.tobytes()
        vector = self._answers.get(key)
        if vector is None:
            vector = self._answers[key] = self._united(self._tasks[number], times)
            # Rules that share a part share its value.
            vector.values.flags.writeable = vector.present.flags.writeable = False
        return vector

    def _united(self, task: Task, times: Times) -> InstantVector:
        found = list(self._blocks(task.id, times))
        if not found:
            return InstantVector.empty(len(times))
        names = sorted({name for block in found for name in block.names})
        codes = np.concatenate([_aligned(block, names) for block in found])
        shards = [block.shard for block in found for _ in range(len(block.codes))] if task.spec.shard_label else []
        labels = self._labelled(task.id, names, codes, shards)
        values = np.concatenate([block.values for block in found])
        present = np.concatenate([block.present for block in found])
        vector = InstantVector(labels.frame, values, present).compact()
        return vector if labels.distinct else united(vector)

    def _labelled(self, fragment: int, names: list[int], codes: Index, shards: list[int]) -> _Labels:
        """The labels of a fragment's series. They rarely change from one evaluation time to the next, so they are cached."""
        last = self._labels.get(fragment)
        if last is not None and last.names == names and last.shards == shards and np.array_equal(last.codes, codes):
            return last
        frame = self._frame(names, codes)
        if shards:
            frame = frame.with_column(SHARD_LABEL, _column(np.array(shards, np.int64), str))
        made = self._labels[fragment] = _Labels(names, codes, shards, frame, not frame.has_duplicates())
        return made

    def is_empty(self, number: int, times: Times) -> bool:
        """Whether a fragment certainly has no series at any of the times, and may be queried at all of them."""
        task = self._tasks[number]
        if task.spec.step_ms is not None:
            # A subquery reads it at other times.
            return False
        for when in times[self._reported(times)].tolist():
            for entries in self._at[when].values():
                held = next((each.partials for each in reversed(entries) if task.id in each.partials.evaluated), None)
                if held is None or task.id in held.vectors or task.id in held.failures:
                    return False
        return True

    def select(self, matchers: Sequence[ast.Matcher], start_ms: int, end_ms: int, *, stale: bool) -> SeriesSet:
        """The samples that were gathered; see :class:`rules.promql.storage.Storage`."""
        if self._samples is None:
            self._samples = _as_storage(sorted(self._gathered, key=lambda each: each.revision))
        return self._samples.select(matchers, start_ms, end_ms, stale=stale)

    def seen(self, time_ms: int, offset_ms: int) -> int | None:
        """The first time, from the given one on, at which rules may ask for anything that is here; None if there is none.

        Args:
            time_ms: the earliest answer.
            offset_ms: the largest query offset of the rules.
        """
        spans = [(int(each.partials.times[0]), self._last_asked(each.partials)) for each in self._held]
        history = self._gathered_ms
        spans += [(int(each.timestamps.min()), int(each.timestamps.max()) + history) for each in self._gathered]
        starts = [start for start, last in spans if time_ms <= last + offset_ms]
        return max(time_ms, min(starts)) if starts else None

    def _reported(self, times: Times) -> Index:
        """The places of the times that any shard has reported: few where there are no samples."""
        return (
            np.array([place for place, when in enumerate(times.tolist()) if when in self._at], np.int64)
            if len(times) <= len(self._at)
            else np.flatnonzero(np.isin(times, list(self._at)))
        )

    @property
    def _gathered_ms(self) -> int:
        """How long samples that were gathered may be asked for."""
        return max((task.spec.history_ms for task in self._tasks if task.spec.kind == "samples"), default=0)

    def prune(self, before_ms: int) -> None:
        """Forget what rules do not read at evaluation times from ``before_ms`` on."""
        self._answers.clear()
        kept = [each for each in self._held if self._last_asked(each.partials) >= before_ms]
        if len(kept) < len(self._held):
            again = len(self._texts) > 2 * self._swept + _FORGOTTEN
            if again:
                self._texts, self._numbers, self._labels = [""], {"": 0}, {}
            self._held, self._at = [], {}
            for each in kept:
                self._keep(self._hold(each.partials) if again else each)
            self._swept = len(self._texts) if again else self._swept
        gathered = [each for each in self._gathered if int(each.timestamps.max()) > before_ms - self._gathered_ms]
        if len(gathered) < len(self._gathered):
            self._gathered, self._samples = gathered, None

    def _last_asked(self, partials: Partials) -> int:
        """The last evaluation time at which rules may read one of the partials' times."""
        reach = max((self._history.get(each, 0) for each in partials.evaluated), default=0)
        # A subquery's range is open on its left, so its whole length back nothing is asked for.
        return int(partials.times[-1]) + max(reach - 1, 0)

    def _hold(self, partials: Partials) -> Held:
        numbers = self._numbers
        found = [numbers.setdefault(text, len(numbers)) for text in partials.texts]
        if len(numbers) > len(self._texts):
            self._texts = list(numbers)
        return Held(partials, np.array(found, np.int64))

    def _keep(self, held: Held) -> None:
        self._held.append(held)
        for when in held.partials.times.tolist():
            entries = self._at.setdefault(when, {}).setdefault(held.partials.shard, [])
            entries.append(held)
            if len(entries) > 1:
                entries.sort(key=lambda each: each.partials.revision)

    def _blocks(self, fragment: int, times: Times) -> Iterator[_Block]:
        """Each shard's last report of the fragment at the times, if it has series."""
        chosen: dict[int, tuple[Held, list[int]]] = {}
        reported = self._reported(times)
        for place, when in zip(reported.tolist(), times[reported].tolist(), strict=True):
            for shard, entries in self._at[when].items():
                for held in reversed(entries):
                    if fragment in held.partials.evaluated:
                        chosen.setdefault(id(held), (held, []))[1].append(place)
                        break
                else:
                    # Changed rules reach the shards one after the other: what one does not know yet is not absent.
                    if entries[-1].partials.revision > HISTORY:
                        raise EvaluationError(f"shard {shard} has not evaluated a part of the expression")
        # The order of rows decides which of equal values `topk` takes, so it must not depend on which shard reported first.
        for held, places in sorted(chosen.values(), key=lambda each: (each[0].partials.shard, each[1])):
            partials = held.partials
            source = np.searchsorted(partials.times, times[places])
            for failure in partials.failures.get(fragment, ()):
                if failure.evaluation_time in source:
                    raise EvaluationError(failure.message)
            part = partials.vectors.get(fragment)
            if part is None:
                continue
            names, codes = _numbered(part.rows, held.numbers)
            values, present = part.values, part.present
            if len(source) < len(partials.times):
                values, present = values[:, source], present[:, source]
            if len(places) < len(times):
                values, present = _scattered(values, places, len(times)), _scattered(present, places, len(times))
            yield _Block(partials.shard, names, codes, values, present)

    def _frame(self, names: Sequence[int], codes: Index) -> LabelFrame:
        """Labels from numbers of texts: ``codes[n, names]``."""
        texts = self._texts
        columns = {texts[name]: _column(codes[:, place], texts.__getitem__) for place, name in enumerate(names)}
        return LabelFrame(len(codes), columns)


def _numbered(rows: Rows, numbers: Index) -> tuple[list[int], Index]:
    return numbers[list(rows.names)].tolist(), numbers[rows.codes]


def _aligned(block: _Block, names: Sequence[int]) -> Index:
    """The codes of a block under more names; what it has none of is empty."""
    if block.names == names:
        return block.codes
    codes = np.zeros((len(block.codes), len(names)), np.int64)
    codes[:, [names.index(name) for name in block.names]] = block.codes
    return codes


def _column(numbers: Index, text: Callable[[int], str]) -> Column:
    if len(numbers) <= _FEW:
        return Column.of(map(text, numbers.tolist()))
    used, codes = np.unique(numbers, return_inverse=True)
    return Column(codes.astype(np.int32), tuple(text(number) for number in used.tolist()))


def _scattered(columns: NDArray[Any], places: Sequence[int], evaluation_times: int) -> NDArray[Any]:
    """Put columns at their places among the times; nothing elsewhere."""
    spread = np.zeros((len(columns), evaluation_times), columns.dtype)
    spread[:, places] = columns
    return spread


def _as_storage(parts: Sequence[_Gathered]) -> MemoryStorage:
    """The samples of several parts; of two of one series and time the later part's counts."""
    if not parts:
        return _NOTHING
    firsts = np.cumsum([0, *(each.labels.size for each in parts)])
    return MemoryStorage.from_columns(
        LabelFrame.concat([each.labels for each in parts]),
        np.concatenate([each.owner + first for each, first in zip(parts, firsts.tolist(), strict=False)]),
        np.concatenate([each.timestamps for each in parts]),
        np.concatenate([each.values for each in parts]),
    )
