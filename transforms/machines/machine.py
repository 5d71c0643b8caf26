"""What the two stages of rule evaluation in a stream have in common: settings, state cells, timers, and what stays in memory between bundles.

A *machine* is a stage without a framework (:mod:`transforms.alerts.shards.machine`, :mod:`transforms.alerts.groups.machine`). It is told of
elements and of event-time timers, key by key, within *bundles*: stretches of work that are committed together, or not at all. Whatever serves Beam
serves a test with a dict and a heap (:mod:`transforms.alerts.local`).

Decisions are made instant by instant, in the order of time, from what had come by the samples' own watermarks; elements are only kept. That all of
an instant has come is known from a timer, or from what sources and shards tell. So what is told is a function of the log: the same in any run, at any
speed, after any restart.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from rules.evaluation.program import Settings
from schemas.series import DEFAULT_TARGET_LABELS

T = TypeVar("T")

CONTRIBUTIONS = "contributions"
EVENTS = "events"
SAMPLES = "samples"


class Out(NamedTuple):
    """Something that a machine hands on.

    Attributes:
        time_ms: the instant that it belongs to.
        tag: ``contributions`` (:mod:`transforms.alerts.messages`, from shards to groups), ``events`` (:func:`schemas.alert_event.encode`) or
            ``samples`` (what rules wrote, :func:`schemas.batch.encode`).
    """

    time_ms: int
    tag: str
    data: bytes


@dataclass(frozen=True)
class EvaluationSettings:
    """How rules are evaluated.

    Attributes:
        files: texts of the rule files to begin with, by name.
        program: what rules do not say themselves.
        target_labels: the labels that make up a target part.
        shards: of the rules' first stage; fixed for the life of a job's state.
        grace_ms: how long after the watermark has passed it an instant is evaluated.
        late_ms: how far before the watermark that overtook it a sample may lie (:attr:`schemas.batch.SampleBatch.overtaken`), at most.
        bounded: the input ends: no instant is evaluated after its newest sample.
        sources: numbers of the inputs, if all tell of their partitions (:mod:`transforms.machines.watermarks`), and elements stay in order from
            there to
            shards; none if not, and then instants wait for the runner's watermark.
        max_series: how many series a shard keeps; those that are new beyond it are refused, and counted.
    """

    files: Mapping[str, str]
    program: Settings = field(default_factory=Settings)
    target_labels: frozenset[str] = DEFAULT_TARGET_LABELS
    shards: int = 4
    grace_ms: int = 0
    late_ms: int = 361_000
    bounded: bool = False
    sources: frozenset[int] = frozenset()
    max_series: int = 1_000_000


class Cells(Protocol):
    """The state of one key: single values and bags, by name. Writes take effect when the bundle is committed; reads see them at once."""

    def read(self, cell: str) -> bytes | None: ...
    def write(self, cell: str, data: bytes) -> None: ...
    def read_bag(self, bag: str) -> list[bytes]: ...
    def append(self, bag: str, data: bytes) -> None: ...
    def replace(self, bag: str, data: Iterable[bytes]) -> None:
        """The bag holds these, and nothing else."""


class Timers(Protocol):
    """Event-time timers of one key. Each time that is set stands by itself, once however often it is set."""

    def at(self, time_ms: int) -> None: ...


class Machine(Protocol):
    """A stage. One instance works on one bundle at a time, of many keys.

    ``CELLS`` and ``BAGS`` name the state that it uses; ``counted`` is what happened, by the names of counters, for the caller to take away;
    ``complaints`` are sentences about what somebody should look at, such as a rule that fails, likewise; ``noted`` are texts by the name of their
    set, likewise.
    """

    CELLS: tuple[str, ...]
    BAGS: tuple[str, ...]
    counted: dict[str, int]
    complaints: list[str]
    noted: dict[str, set[str]]

    def begin(self) -> None:
        """A bundle begins; what an earlier one left unfinished has failed, and is forgotten."""

    def arrive(self, key: bytes, element: bytes, cells: Cells, timers: Timers) -> Iterable[Out]:
        """An element (:mod:`transforms.alerts.messages`)."""

    def fire(self, key: bytes, time_ms: int, cells: Cells, timers: Timers) -> Iterable[Out]:
        """The watermark has reached a timer's time. Those of a key come in ascending order."""

    def finish(self) -> Iterable[Out]:
        """The bundle ends: what was put off to be done at once. No state may be reached any more."""


SELECTORS = "rules.selectors"
"""The set of the selectors that have found series (:func:`rules.planning.no_data.selector_key`), which bounded runs note."""

METRICS = "rules.metrics"
"""The set of the names of metrics that came to rules, likewise."""

LABELS = "rules.labels"
"""The set of what labels there are of metrics that a selector asks for and does not find, likewise
(:meth:`rules.planning.catalogue.Catalogue.texts`)."""

MAX_METRICS = 1_000
"""Names of metrics that a shard notes at the end of a bundle."""


class Memory(Generic[T]):
    """What machines of one process keep in memory of their keys from bundle to bundle, so that state is not read over and over.

    Each version of a key's state has a token, which is part of the state too: what is here counts only while the state has the same one. A
    bundle that failed, a restore from a checkpoint, or a key that another process worked on meanwhile leave another token in the state, or here.
    What is taken out is not here until it is put back, so two bundles never share it.
    """

    def __init__(self) -> None:
        self._kept: dict[Any, tuple[bytes, T]] = {}
        self._lock = Lock()

    def take(self, key: Any, token: bytes) -> T | None:
        """What was put back under this token, if it is still so."""
        with self._lock:
            found = self._kept.pop(key, None)
        return found[1] if found is not None and found[0] == token else None

    def put(self, key: Any, token: bytes, value: T) -> None:
        """Keep it until it is taken."""
        with self._lock:
            self._kept[key] = (token, value)


TOKEN_BYTES = 8


def new_token() -> bytes:
    """A token that no other version of any state has."""
    return os.urandom(TOKEN_BYTES)
