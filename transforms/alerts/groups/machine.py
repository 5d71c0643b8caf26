"""The second stage as a machine: contributions of all shards in; events, and what rules wrote, out.

State of its one key: ``meta`` (the version's token, and the last evaluation time), ``base`` (see
:class:`transforms.alerts.groups.state.GroupState`), and the bags ``contributions`` and ``announced`` (rule files) that arrived since. A base is taken
every few evaluation times, and removes what it covers from the bags. Between two bases elements are appended and nothing is read.

What bounds the state: contributions for the lateness, and as far back as subqueries and the queries of templates reach; active alerts, and those
resolved in the last 15 minutes; what rules wrote, as far back as rules read it.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator

from schemas.forms import table as forms
from schemas.times import LONG_AGO
from transforms.alerts import messages
from transforms.alerts.groups.state import GroupState
from transforms.alerts.messages import RuleFiles
from transforms.alerts.settings import EvaluationSettings
from transforms.machines.machine import TOKEN_BYTES, Cells, Machine, Memory, Out, Timer, Timers, new_token

BASE_EVERY_MS = 60_000
BASE_EVERY_TIMES = 16
"""Minimum event time, and evaluation times, between two bases: a base ends a batch of evaluations, and writes all active alerts."""

MOST_TIMERS = 256
"""Timers set for one contribution, at most."""

_META = struct.Struct(f">B{TOKEN_BYTES}sqqi")


class _Open:
    """A key of the bundle.

    Attributes:
        due: the last evaluation time that is due.
        based: the value of ``due`` when the base was taken.
        passed: evaluation times since then, at most ``BASE_EVERY_TIMES``.
    """

    def __init__(self, state: GroupState, due: int = LONG_AGO, based: int = LONG_AGO, passed: int = 0) -> None:
        self.state, self.due, self.based, self.passed = state, due, based, passed
        self.token = b""


class GroupMachine(Machine):
    """See :class:`transforms.machines.machine.Machine`; timers are set a millisecond behind those of shards, which by then have reported the
    evaluation time."""

    CELLS = ("meta", "base")
    BAGS = ("contributions", "announced")

    def __init__(self, settings: EvaluationSettings, memory: Memory[GroupState]) -> None:
        super().__init__(settings, memory)
        self._settings = settings
        self._memory = memory
        self._open: dict[bytes, _Open] = {}

    def begin(self) -> None:
        """See :class:`transforms.machines.machine.Machine`."""
        self._open = {}

    def arrive(self, key: bytes, element: bytes, cells: Cells, timers: Timers) -> Iterator[Out]:
        """Keep a contribution of a shard, or new rule files.

        Raises:
            ValueError: the element is not for groups; :class:`schemas.forms.model.VersionError` if another release wrote it.
        """
        opened = self._opened(key, cells)
        if messages.kind(element) == messages.RULES:
            found = messages.rules(element)
            # New rules never apply to times that were evaluated, whenever their files arrive.
            found = RuleFiles(max(found.effective_ms, opened.due + 1), found.files)
            if opened.state.live.announce(found):
                cells.append("announced", messages.of_rules(found))
                self._touch(opened, cells)
            return
        contribution = messages.contribution(element)
        opened.state.contribute(contribution)
        cells.append("contributions", element)
        self._touch(opened, cells)
        first = min([contribution.until_ms, *(int(part.partials.times[0]) for part in contribution.parts)])
        for time_ms in self._timers(opened, first, contribution.until_ms):
            timers.at(time_ms + self._settings.grace_ms + 1)
        known = max((part.effective_ms for part in contribution.parts), default=contribution.until_ms)
        if known > contribution.until_ms:
            # The input has ended, and this is the last contribution.
            timers.at(known + self._settings.grace_ms + 1)
        # Once all shards have reported an evaluation time there is nothing to wait for: its timer fires with the watermark, a second or more later.
        yield from self._reach(opened, opened.state.complete_ms, cells)

    def _timers(self, opened: _Open, first: int, until_ms: int) -> list[int]:
        """The evaluation times that a shard has reported; of very many, at which it has no values, only the last."""
        after = max(first - 1, opened.due)
        if opened.state.live.current.times.count(after, until_ms) > MOST_TIMERS:
            return [until_ms]
        return opened.state.live.possible(after, until_ms)

    def fire(self, key: bytes, timer: Timer, cells: Cells, timers: Timers) -> Iterator[Out]:
        """An evaluation time is due. It is evaluated at the end of the bundle, or now if it is time to take a base."""
        opened = self._opened(key, cells)
        yield from self._reach(opened, timer.time_ms - self._settings.grace_ms - 1, cells)

    def _reach(self, opened: _Open, until_ms: int, cells: Cells) -> Iterator[Out]:
        """All evaluation times up to one are due."""
        if until_ms <= opened.due:
            return
        passed = opened.state.live.current.times.count(opened.due, until_ms) if opened.due != LONG_AGO else 1
        opened.due = until_ms
        opened.passed = min(opened.passed + passed, BASE_EVERY_TIMES)
        if opened.passed >= BASE_EVERY_TIMES and until_ms - opened.based >= BASE_EVERY_MS:
            yield from opened.state.advance(until_ms)
            self._take_base(opened, cells)
        self._touch(opened, cells)

    def finish(self) -> Iterator[Out]:
        """Evaluate what is due."""
        for key, opened in self._open.items():
            for out in opened.state.advance(opened.due):
                # Complaints are handed on at once: a job that catches up may be busy for minutes.
                self._complain(opened.state)
                yield out
            self._take_counts(opened.state.counted)
            self._complain(opened.state)
            if opened.token:
                self._memory.put(key, opened.token, opened.state)
        self._open = {}

    def look(self, key: bytes, cells: Cells) -> GroupState:
        """The state of a key between two bundles, to be looked at and not changed."""
        opened = self._restored(key, cells)
        if opened.token:
            self._memory.put(key, opened.token, opened.state)
        return opened.state

    def _opened(self, key: bytes, cells: Cells) -> _Open:
        found = self._open.get(key)
        if found is None:
            found = self._open[key] = self._restored(key, cells)
        return found

    def _restored(self, key: bytes, cells: Cells) -> _Open:
        meta = cells.read("meta")
        if meta is None:
            return _Open(GroupState(self._settings))
        forms.GROUP_META.check(meta[0] if meta else None)
        _, token, due, based, passed = _META.unpack(meta)
        state = self._memory.take(key, token)
        if state is None:
            contributions = [messages.contribution(each) for each in cells.read_bag("contributions")]
            announced = [messages.rules(each) for each in cells.read_bag("announced")]
            done = None if due == LONG_AGO else due
            state = GroupState.from_base(self._settings, cells.read("base"), contributions, announced, done)
        opened = _Open(state, due, based, passed)
        opened.token = token
        return opened

    def _touch(self, opened: _Open, cells: Cells) -> None:
        opened.token = new_token()
        cells.write("meta", _META.pack(forms.GROUP_META.version, opened.token, opened.due, opened.based, opened.passed))

    def _take_base(self, opened: _Open, cells: Cells) -> None:
        state = opened.state
        state.prune()
        cells.write("base", state.to_base())
        cells.replace("announced", [])
        oldest = state.oldest_ms
        kept = [each for each in cells.read_bag("contributions") if messages.until(each) >= oldest]
        cells.replace("contributions", kept)
        opened.based, opened.passed = opened.due, 0

    def _complain(self, state: GroupState) -> None:
        self.complaints += state.complaints
        state.complaints.clear()

    def _take_counts(self, counted: Counter[str]) -> None:
        for name, number in counted.items():
            self.count(name, number)
        counted.clear()
