"""Machines in Beam: :class:`RunMachine` gives a machine Beam's state, timers and bundles.

Everything runs in the global window: no runner drops an element on its own. A machine decides in event-time timers, so its output depends neither on
bundles nor on the order of elements. The local runner fires the timers of a key in no order of time.
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
from apache_beam.transforms.window import GlobalWindow, TimestampedValue
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import WindowedValue

from transforms.accounting import NAMESPACE
from transforms.machines import watermarks
from transforms.machines.machine import Machine, Memory, Out, Timer
from transforms.machines.watermarks import PartitionWatermark

_log = logging.getLogger(__name__)

_Pending = dict[tuple[bytes, str | int], int]


def in_global_window(value: object, time_ms: int) -> WindowedValue:
    """A value stamped with a time, ms."""
    return WindowedValue(value, Timestamp(micros=time_ms * 1000), (GlobalWindow(),))


def mark(watermark: PartitionWatermark, before_ms: int) -> TimestampedValue:
    """An element without samples that holds the watermark of a partition behind all samples before it, and the one that it had before them, ms."""
    stamp = Timestamp(micros=max(watermark.watermark_ms, 0) * 1000)
    moved = watermark._replace(watermark_ms=before_ms), watermark
    return TimestampedValue((watermarks.MARK, watermarks.encode(moved)), stamp)


def is_no_mark(element: tuple[bytes, bytes]) -> bool:
    """To filter elements by: see :func:`transforms.machines.watermarks.is_mark`."""
    return not watermarks.is_mark(element)


class _BeamCells:
    """Beam's state as :class:`transforms.machines.machine.Cells`."""

    __slots__ = ("_states",)

    def __init__(self, states: Mapping[str, Any]) -> None:
        self._states = states

    def read(self, cell: str) -> bytes | None:
        found: bytes | None = self._states[cell].read()
        return found

    def write(self, cell: str, data: bytes) -> None:
        self._states[cell].write(data)

    def clear(self, cell: str) -> None:
        self._states[cell].clear()

    def read_bag(self, bag: str) -> list[bytes]:
        return list(self._states[bag].read())

    def append(self, bag: str, data: bytes) -> None:
        self._states[bag].add(data)

    def replace(self, bag: str, data: Iterable[bytes]) -> None:
        state = self._states[bag]
        state.clear()
        for each in data:
            state.add(each)


class _BeamTimers:
    """Beam's event-time timers of one key as :class:`transforms.machines.machine.Timers`."""

    __slots__ = ("_key", "_pending", "_timer")

    def __init__(self, timer: Any, key: bytes, pending: _Pending) -> None:
        self._timer, self._key, self._pending = timer, key, pending

    def at(self, time_ms: int, tag: str = "") -> None:
        # Elements of one bundle ask for the same timers over and over; each timer that is set is a message to the runner.
        name = self._key, tag or time_ms
        if self._pending.get(name) != time_ms:
            self._pending[name] = time_ms
            self._timer.set(Timestamp(micros=time_ms * 1000), dynamic_timer_tag=tag or str(time_ms))

    def cancel(self, tag: str) -> None:
        self._pending.pop((self._key, tag), None)
        self._timer.clear(dynamic_timer_tag=tag)


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
    """A machine's step. Input ``(key, element)``; output what it hands on, by tag, but for those of tag ``main``."""

    def __init__(self, machine: type[Machine], settings: Any, step: str, main: str) -> None:
        self._class, self._settings, self._step, self._main = machine, settings, step, main

    def setup(self) -> None:
        self._machine = self._class(self._settings, _memory_of(self._step))
        self._complaints = Complaints(_log.warning)

    def start_bundle(self) -> None:
        self._pending: _Pending = {}
        # A bundle that failed has counted nothing.
        self._machine.counted.clear()
        self._machine.noted.clear()
        self._machine.begin()

    def arrive(self, element: tuple[bytes, bytes], states: Mapping[str, Any], timer: Any) -> Iterator[object]:
        """Hand the machine an element."""
        key, data = element
        timers = _BeamTimers(timer, key, self._pending)
        return map(self._handed_on, self._machine.arrive(key, data, _BeamCells(states), timers))

    def fired(self, fired: Timer, key: bytes, states: Mapping[str, Any], timer: Any) -> Iterator[object]:
        """Hand the machine a timer."""
        name = key, fired.tag
        self._pending.pop(name if name in self._pending else (key, fired.time_ms), None)
        timers = _BeamTimers(timer, key, self._pending)
        return map(self._handed_on, self._machine.fire(key, fired, _BeamCells(states), timers))

    def finish_bundle(self) -> Iterator[object]:
        yield from map(self._handed_on, self._machine.finish())
        for name, number in self._machine.counted.items():
            Metrics.counter(NAMESPACE, name).inc(number)
        self._machine.counted.clear()
        for name, texts in self._machine.noted.items():
            metric = Metrics.string_set(NAMESPACE, name)
            for text in texts:
                metric.add(text)
        self._machine.noted.clear()
        self._log_complaints()

    def _handed_on(self, out: Out) -> object:
        # A bundle may take minutes; the log shows why.
        self._log_complaints()
        if out.tag == self._main:
            return in_global_window(out.data, out.time_ms)
        return beam.pvalue.TaggedOutput(out.tag, in_global_window(out.data, out.time_ms))

    def _log_complaints(self) -> None:
        if self._machine.complaints:
            self._complaints.log(self._machine.complaints)
            self._machine.complaints.clear()


def stage_dofn(machine: type[Machine], settings: Any, timers: str, main: str) -> beam.DoFn:
    """A stateful DoFn around a machine.

    Args:
        machine: its class.
        settings: it is made with these.
        timers: the family of its timers, unique in the pipeline. The local runner may put stateful steps that follow each other into one stage,
            and keeps its timers by the family's name alone.
        main: the tag of what becomes the main output.
    """
    spec = TimerSpec(timers, TimeDomain.WATERMARK)
    coder = BytesCoder()
    states = {name: beam.DoFn.StateParam(ReadModifyWriteStateSpec(name, coder)) for name in machine.CELLS}
    states |= {name: beam.DoFn.StateParam(BagStateSpec(name, coder)) for name in machine.BAGS}
    arriving = states if machine.ARRIVES_WITH is None else {name: states[name] for name in machine.ARRIVES_WITH}
    of_arrival, of_timer = tuple(arriving), tuple(states)
    family = {"timer": beam.DoFn.TimerParam(spec)}
    fired = {
        "tag": beam.DoFn.DynamicTimerTagParam,
        "key": beam.DoFn.KeyParam,
        "timestamp": beam.DoFn.TimestampParam,
    }

    def process(self: _Stage, element: tuple[bytes, bytes], timer: Any, *values: Any) -> Iterator[object]:
        return self.arrive(element, dict(zip(of_arrival, values, strict=True)), timer)

    def timer_fired(self: _Stage, **given: Any) -> Iterator[object]:
        found = Timer(given["timestamp"].micros // 1000, given["tag"])
        values = {name: given[f"state_{name}"] for name in of_timer}
        return self.fired(found, given["key"], values, given["timer"])

    process.__signature__ = _signature(  # type: ignore[attr-defined]
        {"element": inspect.Parameter.empty, **family, **_as_parameters(arriving)}
    )
    timer_fired.__signature__ = _signature({**fired, **family, **_as_parameters(states)})  # type: ignore[attr-defined]
    kind = type("StageDoFn", (_Stage,), {"process": process, "timer_fired": on_timer(spec)(timer_fired)})
    found: beam.DoFn = kind(machine, settings, f"{timers}-{uuid.uuid4().hex}", main)
    return found


def _as_parameters(states: Mapping[str, Any]) -> dict[str, Any]:
    return {f"state_{name}": state for name, state in states.items()}


def _signature(parameters: Mapping[str, Any]) -> inspect.Signature:
    """As Beam wants a method's: a parameter for each cell and bag."""
    keyword = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Signature(
        [inspect.Parameter("self", keyword)]
        + [inspect.Parameter(name, keyword, default=default) for name, default in parameters.items()]
    )


def machine_step(machine: type[Machine], settings: Any, timers: str, output: str, *others: str) -> beam.PTransform:
    """A machine as one step, for a collection that no other step reads: see :class:`RunMachine`, which makes sure of that."""
    step = beam.ParDo(stage_dofn(machine, settings, timers, output))
    step = step.with_output_types(bytes, **dict.fromkeys(others, bytes))
    return step.with_outputs(*others, main=output) if others else step


class RunMachine(beam.PTransform):
    """A machine as a step. Input: ``(key, element)``, both bytes. Output: bytes, a collection, or one by tag if there are several outputs.

    Args:
        machine: its class.
        settings: the machine is made with these; they are pickled.
        timers: the family of its timers: a name that no other step of the pipeline has. It is part of a savepoint, as the step's label is.
        output, others: the tags of what it hands on.
    """

    def __init__(self, machine: type[Machine], settings: Any, timers: str, output: str, *others: str) -> None:
        super().__init__()
        self._step = machine_step(machine, settings, timers, output, *others)

    def expand(self, keyed: beam.PCollection) -> Any:
        """The machine, behind a collection of its own.

        Flink's runner names a stage, and so its state in a savepoint, after the collection that it reads. Were another step to read this one too,
        both stages would have that name, and which of them gets a suffix is left to chance: a restart would not find the state.
        """
        own = keyed | "Elements" >> beam.Map(_itself).with_output_types(tuple[bytes, bytes])
        return own | "Machine" >> self._step


def _itself(element: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    return element
