"""Rules evaluated in a stream: Beam's state, timers and bundles around the machines of :mod:`transforms.alerts`.

::

    samples --> keyed by rule shard --+
    launch time ----------------------+--> shards --> contributions --+--> groups --> events, samples
    rule files -----------------------+-------------------------------+

Everything runs in the global window: no runner drops an element on its own. The machines decide, in event-time timers, so the output depends
neither on bundles nor on the order of elements. The local runner fires the timers of a key in no order of time; the machines take a timer for
all evaluation times up to its own.
"""

from __future__ import annotations

import inspect
import logging
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

import apache_beam as beam
from apache_beam.coders import BytesCoder
from apache_beam.metrics import Metrics
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec, TimerSpec, on_timer
from apache_beam.typehints import native_type_compatibility
from apache_beam.utils.timestamp import Timestamp

from transforms.accounting import NAMESPACE
from transforms.alerts.groups.machine import GroupMachine
from transforms.alerts.rule_files.source import RuleSource, WatchRules
from transforms.alerts.settings import CONTRIBUTIONS, EVENTS, SAMPLES, EvaluationSettings
from transforms.alerts.shards.beam import KeyByRuleShard, extents_of, in_global_window
from transforms.alerts.shards.machine import ShardMachine, key_of
from transforms.machines.machine import Machine, Memory, Out
from transforms.machines.watermarks import LAUNCH

_log = logging.getLogger(__name__)

GROUP_KEY = b"rules"
"""The one key of the second stage."""

_KEYED = tuple[bytes, bytes]

Machines = Callable[[EvaluationSettings, Memory[Any]], Machine]
"""A machine's class."""


class _BeamCells:
    """Beam's state cells as a machine's."""

    def __init__(self, cells: Mapping[str, Any], bags: Mapping[str, Any]) -> None:
        self._cells, self._bags = cells, bags

    def read(self, cell: str) -> bytes | None:
        found: bytes | None = self._cells[cell].read()
        return found

    def write(self, cell: str, data: bytes) -> None:
        self._cells[cell].write(data)

    def read_bag(self, bag: str) -> list[bytes]:
        return list(self._bags[bag].read())

    def append(self, bag: str, data: bytes) -> None:
        self._bags[bag].add(data)

    def replace(self, bag: str, data: Iterable[bytes]) -> None:
        self._bags[bag].clear()
        for each in data:
            self._bags[bag].add(each)


class _BeamTimers:
    """Beam's event-time timers of one key as a machine's."""

    def __init__(self, timer: Any, key: bytes, pending: set[tuple[bytes, int]]) -> None:
        self._timer, self._key, self._pending = timer, key, pending

    def at(self, time_ms: int) -> None:
        # Elements of one bundle ask for the same evaluation times over and over; each timer that is set is a message to the runner.
        if (self._key, time_ms) not in self._pending:
            self._pending.add((self._key, time_ms))
            self._timer.set(Timestamp(micros=time_ms * 1000), dynamic_timer_tag=str(time_ms))


_memories: WeakValueDictionary[str, Memory[Any]] = WeakValueDictionary()
_memories_lock = Lock()


def _memory_of(step: str) -> Memory[Any]:
    """What the instances of a step in this process share; it lives as long as one of them."""
    with _memories_lock:
        return _memories.setdefault(step, Memory())


class Complaints:
    """Logs each complaint once in ten minutes: a failing rule fails at every evaluation time."""

    AGAIN_S = 600.0
    MOST = 1_000

    def __init__(self, log: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._log_line, self._clock = log, clock
        self._logged: dict[str, float] = {}

    def log(self, complaints: Iterable[str]) -> None:
        """Log the complaints that were not logged in the last ten minutes."""
        now = self._clock()
        for each in complaints:
            if now - self._logged.get(each, -self.AGAIN_S) >= self.AGAIN_S:
                if len(self._logged) >= self.MOST:
                    self._logged.clear()
                self._logged[each] = now
                self._log_line(each)


class _Stage(beam.DoFn):
    """A machine's stage. Input ``(key, element)``; output what it hands on, by tag, but for those of tag ``main``."""

    def __init__(self, machines: Machines, settings: EvaluationSettings, step: str, main: str) -> None:
        self._machines, self._settings, self._step, self._main = machines, settings, step, main

    def setup(self) -> None:
        self._machine: Any = self._machines(self._settings, _memory_of(self._step))
        self._complaints = Complaints(_log.warning)

    def start_bundle(self) -> None:
        self._pending: set[tuple[bytes, int]] = set()
        self._machine.begin()

    def arrive(self, element: tuple[bytes, bytes], cells: _BeamCells, timer: Any) -> Iterator[object]:
        """Hand the machine an element."""
        key, data = element
        yield from map(self._handed_on, self._machine.arrive(key, data, cells, _BeamTimers(timer, key, self._pending)))

    def fired(self, tag: str, key: bytes, cells: _BeamCells, timer: Any) -> Iterator[object]:
        """Hand the machine a timer."""
        time_ms = int(tag)
        self._pending.discard((key, time_ms))
        yield from map(self._handed_on, self._machine.fire(key, time_ms, cells, _BeamTimers(timer, key, self._pending)))

    def finish_bundle(self) -> Iterator[object]:
        yield from map(self._handed_on, self._machine.finish())
        counted: dict[str, int] = self._machine.counted
        for name, number in counted.items():
            Metrics.counter(NAMESPACE, name).inc(number)
        counted.clear()
        noted: dict[str, set[str]] = self._machine.noted
        for name, texts in noted.items():
            metric = Metrics.string_set(NAMESPACE, name)
            for text in texts:
                metric.add(text)
        noted.clear()
        self._complaints.log(self._machine.complaints)
        self._machine.complaints.clear()

    def _handed_on(self, out: Out) -> object:
        if self._machine.complaints:
            # A bundle may take minutes; the log shows why.
            self._complaints.log(self._machine.complaints)
            self._machine.complaints.clear()
        if out.tag == self._main:
            return in_global_window(out.data, out.time_ms)
        return beam.pvalue.TaggedOutput(out.tag, in_global_window(out.data, out.time_ms))


def stage_dofn(name: str, machines: Any, settings: EvaluationSettings, main: str) -> beam.DoFn:
    """A stateful DoFn around a machine.

    Args:
        name: of the step, unique in the pipeline.
        machines: the machine's class.
        settings: it is made with these.
        main: the tag of what becomes the main output.
    """
    # One family of timers, distinguished by tags, and named after the step: the local runner may put stateful steps that follow each other into
    # one stage, and keeps its timers by the family's name alone.
    spec = TimerSpec(f"instants_{name}", TimeDomain.WATERMARK)
    coder = BytesCoder()
    cells = {f"cell_{cell}": beam.DoFn.StateParam(ReadModifyWriteStateSpec(cell, coder)) for cell in machines.CELLS}
    bags = {f"bag_{bag}": beam.DoFn.StateParam(BagStateSpec(bag, coder)) for bag in machines.BAGS}
    state = {**cells, **bags, "timer": beam.DoFn.TimerParam(spec)}

    def cells_of(given: Mapping[str, Any]) -> _BeamCells:
        return _BeamCells(
            {cell: given[f"cell_{cell}"] for cell in machines.CELLS},
            {bag: given[f"bag_{bag}"] for bag in machines.BAGS},
        )

    def process(self: _Stage, element: tuple[bytes, bytes], *values: Any) -> Iterator[object]:
        given = dict(zip(state, values, strict=True))
        return self.arrive(element, cells_of(given), given["timer"])

    def timer_fired(self: _Stage, **given: Any) -> Iterator[object]:
        return self.fired(given["tag"], given["key"], cells_of(given), given["timer"])

    process.__signature__ = _signature({"element": inspect.Parameter.empty, **state})  # type: ignore[attr-defined]
    timer_fired.__signature__ = _signature(  # type: ignore[attr-defined]
        {"tag": beam.DoFn.DynamicTimerTagParam, "key": beam.DoFn.KeyParam, **state}
    )
    kind = type("StageDoFn", (_Stage,), {"process": process, "timer_fired": on_timer(spec)(timer_fired)})
    found: beam.DoFn = kind(machines, settings, f"{name}-{uuid.uuid4().hex}", main)
    return found


def _signature(parameters: Mapping[str, Any]) -> inspect.Signature:
    """As Beam wants a method's: a parameter for each cell and bag."""
    keyword = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Signature(
        [inspect.Parameter("self", keyword)]
        + [inspect.Parameter(name, keyword, default=default) for name, default in parameters.items()]
    )


def _to_shards(element: bytes, shards: int) -> list[tuple[bytes, bytes]]:
    return [(key_of(number), element) for number in range(shards)]


def _to_groups(element: bytes) -> tuple[bytes, bytes]:
    return GROUP_KEY, element


def _one(collections: list[beam.PCollection], label: str) -> beam.PCollection:
    return collections[0] if len(collections) == 1 else tuple(collections) | label >> beam.Flatten()


class EvaluateRules(beam.PTransform):
    """Samples to alert events, and to the samples that rules write.

    Input: ``(Key.encode(), schemas.batch.encode(...))``, as the sources give them (:func:`transforms.intake.beam.take_in`), marks too. Output:
    ``{"events": ..., "samples": ...}``, events as :func:`schemas.alert_event.encode` gives them, samples in wire form; ``samples`` are
    ``ALERTS``, ``ALERTS_FOR_STATE`` and the results of recording rules.

    Args:
        settings: of both stages; fixed for the life of a job's state, but for the files.
        watch: where the rule files are looked for while the job runs; None if they stay as they are.
    """

    def __init__(self, settings: EvaluationSettings, watch: RuleSource | None = None) -> None:
        super().__init__()
        self._settings, self._watch = settings, watch

    def expand(self, samples: beam.PCollection) -> dict[str, beam.PCollection]:
        """Two stateful steps; each reads a collection that nothing else reads, for Flink's runner names its state after that."""
        settings = self._settings
        keyed = samples | "Key by rule shard" >> beam.ParDo(KeyByRuleShard(settings.shards)).with_output_types(_KEYED)
        to_shards, to_groups = [keyed], []
        if not settings.bounded:
            # `absent()` must fire without any sample: event time begins with the first extent that a shard receives.
            launched = extents_of(int(time.time() * 1000), settings.shards, [LAUNCH])
            to_shards.append(samples.pipeline | "Launch time" >> beam.Create(launched).with_output_types(_KEYED))
        if self._watch is not None:
            found = samples.pipeline | "Rule files" >> WatchRules(self._watch)
            to_shards.append(
                found | "Files for shards" >> beam.FlatMap(_to_shards, settings.shards).with_output_types(_KEYED)
            )
            to_groups.append(found | "Files for groups" >> beam.Map(_to_groups).with_output_types(_KEYED))
        contributions = _one(to_shards, "All for shards") | "Shards" >> beam.ParDo(
            stage_dofn("shards", ShardMachine, settings, CONTRIBUTIONS)
        ).with_output_types(bytes)
        if settings.bounded:
            # The local runner would put both steps into one stage, where nothing makes the timers of groups wait for those of shards.
            contributions = contributions | "Wait for shards" >> beam.Reshuffle()
        to_groups.append(contributions | "Key by group" >> beam.Map(_to_groups).with_output_types(_KEYED))
        evaluated = _one(to_groups, "All for groups") | "Groups" >> beam.ParDo(
            stage_dofn("groups", GroupMachine, settings, EVENTS)
        ).with_outputs(SAMPLES, main=EVENTS)
        for name in (EVENTS, SAMPLES):
            evaluated[name].element_type = native_type_compatibility.convert_to_beam_type(bytes)
        return {EVENTS: evaluated[EVENTS], SAMPLES: evaluated[SAMPLES]}
