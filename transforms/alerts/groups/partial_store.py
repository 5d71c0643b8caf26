"""The union of all shards' partials: the store over which the remainders of rules are evaluated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.promql.labels import Column, LabelFrame
from rules.promql.shapes import Selectors
from rules.promql.storage import MemoryStorage
from rules.promql.syntax import ast
from rules.promql.syntax.errors import EvaluationError, PromQLError
from rules.promql.values import Floats, Index, InstantVector, Mask, SeriesSet, Times
from transforms.alerts.fragments.fragments import SHARD_LABEL
from transforms.alerts.fragments.partials import HISTORY, Partials, Rows, united
from transforms.alerts.fragments.tasks import Task
from transforms.alerts.groups.revisions import Held, changed_fragments

_NOTHING = MemoryStorage.from_series(())
_NO_SERIES = _NOTHING.select((), 0, 0, stale=True)
_FORGOTTEN = 10_000
_FIRST = np.zeros(1, np.int64)
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
        self._forget_answers()
        self._labels: dict[int, _Labels] = {}
        self._joined: tuple[list[LabelFrame], LabelFrame] = ([], LabelFrame.empty())
        self._asked: tuple[dict[int, int], frozenset[int]] = ({}, frozenset())
        self._tasks = tuple(tasks)
        self._numbers_of = {task.id: number for number, task in enumerate(self._tasks)}
        self._history = {task.id: task.spec.history_ms for task in tasks}

    def _forget_answers(self) -> None:
        self._answers: dict[tuple[int, bytes], InstantVector] = {}
        self._reported_at: tuple[bytes, list[tuple[int, dict[int, list[Held]]]]] = (b"", [])

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
        self._forget_answers()
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
        for _, at in self._reports(times):
            for entries in at.values():
                held = next((each.partials for each in reversed(entries) if task.id in each.partials.evaluated), None)
                if held is None or task.id in held.vectors or task.id in held.failures:
                    return False
        return True

    def fragments(self, numbers: dict[int, int], times: Times) -> tuple[InstantVector, Index, list[int]]:
        """See :class:`rules.promql.together.TogetherStorage`. Fragments that no shard has series for cost nothing."""
        found, failed = [], []
        asked = sorted((numbers[number], number) for number in self._filled(numbers, times) if number in numbers)
        for place, number in asked:
            try:
                found.append((place, self.fragment(number, times)))
            except PromQLError:
                failed.append(place)
        if not found:
            return InstantVector.empty(len(times)), np.empty(0, np.int64), failed
        frames = [vector.labels for _, vector in found]
        known, labels = self._joined
        if len(known) != len(frames) or any(one is not other for one, other in zip(known, frames, strict=True)):
            labels = LabelFrame.concat(frames)
            self._joined = frames, labels
        values = np.concatenate([vector.values for _, vector in found])
        present = np.concatenate([vector.present for _, vector in found])
        owners = np.repeat([place for place, _ in found], [frame.size for frame in frames])
        return InstantVector(labels, values, present), owners, failed

    def _filled(self, numbers: dict[int, int], times: Times) -> set[int]:
        """Of some fragments at least those that are not empty, or fail, at one of the times."""
        known, asked = self._asked
        if known is not numbers:
            asked = frozenset(self._tasks[number].id for number in numbers)
            self._asked = numbers, asked
        filled: set[int] = set()
        for _, at in self._reports(times):
            for entries in at.values():
                left: Set[int] = asked
                for held in entries:
                    filled.update(held.partials.vectors, held.partials.failures)
                    left = left - held.partials.evaluated if left else left
                filled |= left
        return {self._numbers_of[each] for each in filled if each in self._numbers_of}

    def select_many(
        self, selectors: Selectors, start_ms: int, end_ms: int, range_ms: int, *, stale: bool
    ) -> tuple[SeriesSet, Index] | None:
        """See :class:`rules.promql.together.TogetherStorage`: samples are asked for one by one."""
        return None

    def select(self, matchers: Sequence[ast.Matcher], start_ms: int, end_ms: int, *, stale: bool) -> SeriesSet:
        """The samples that were gathered; see :class:`rules.promql.storage.Storage`."""
        if not self._gathered:
            return _NO_SERIES
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

    def _reports(self, times: Times) -> list[tuple[int, dict[int, list[Held]]]]:
        """The places of the times that any shard has reported, and what each shard has; all fragments are asked for at the same times."""
        key = times.tobytes()
        if self._reported_at[0] != key:
            reported = self._reported(times)
            whens = zip(reported.tolist(), times[reported].tolist(), strict=True)
            self._reported_at = key, [(place, self._at[when]) for place, when in whens]
        return self._reported_at[1]

    @property
    def _gathered_ms(self) -> int:
        """How long samples that were gathered may be asked for."""
        return max((task.spec.history_ms for task in self._tasks if task.spec.kind == "samples"), default=0)

    def prune(self, before_ms: int) -> None:
        """Forget what rules do not read at evaluation times from ``before_ms`` on."""
        self._forget_answers()
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
        for place, at in self._reports(times):
            for shard, entries in at.items():
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
            part, failures = partials.vectors.get(fragment), partials.failures.get(fragment, ())
            if part is None and not failures:
                continue
            source = _FIRST if len(partials.times) == 1 else np.searchsorted(partials.times, times[places])
            for failure in failures:
                if failure.evaluation_time in source:
                    raise EvaluationError(failure.message)
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
