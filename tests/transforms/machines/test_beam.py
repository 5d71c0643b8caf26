"""A machine in Beam, by a toy of one."""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.utils.timestamp import Timestamp

from pipelines.metrics import counters
from transforms.machines import beam as host
from transforms.machines.beam import Complaints, RunMachine, stage_dofn
from transforms.machines.machine import Cells, Machine, Out, Timer, Timers

GOT, DUE, END = "got", "due", "end"
KEPT: defaultdict[str, list[Any]] = defaultdict(list)


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    KEPT.clear()


class Toy(Machine):
    """Keeps numbers until the time that they are: then reports those that have come up to it, and how often it did. Counts what it is asked."""

    CELLS = ("sent",)
    BAGS = ("kept", "all")

    last = 0

    def begin(self) -> None:
        self.count("toy.begun")

    def arrive(self, key: bytes, element: bytes, cells: Cells, timers: Timers) -> Iterator[Out]:
        self.count("toy.arrived")
        number = int(element)
        cells.append("kept", element)
        cells.append("all", element)
        timers.at(number)
        timers.at(number)
        self.last = max(self.last, number)
        yield Out(number, GOT, b"%b got %d" % (key, number))

    def fire(self, key: bytes, timer: Timer, cells: Cells, timers: Timers) -> Iterator[Out]:
        time_ms = timer.time_ms
        self.count("toy.fired")
        if time_ms == 13:
            raise ValueError("no luck at 13")
        kept = sorted(map(int, cells.read_bag("kept")))
        cells.replace("kept", [b"%d" % number for number in kept if number > time_ms])
        sent = int(cells.read("sent") or b"0") + 1
        cells.write("sent", b"%d" % sent)
        due = [number for number in kept if number <= time_ms]
        yield Out(time_ms, DUE, b"%b %d: %d of %d" % (key, sent, len(due), len(cells.read_bag("all"))))
        if time_ms == 20:
            timers.at(25)

    def finish(self) -> Iterator[Out]:
        yield Out(self.last, END, b"end")


def keep_with_time(element: object, name: str, time: Any = beam.DoFn.TimestampParam) -> None:
    # The local runner runs in this process, but what is given to a step is a copy there.
    KEPT[name].append((time.micros // 1000, element))


def run_toy(elements: list[tuple[bytes, bytes]]) -> dict[str, int]:
    """The counters; outputs are kept by their tags."""
    with beam.Pipeline(FnApiRunner()) as pipeline:
        created = pipeline | beam.Create(elements).with_output_types(tuple[bytes, bytes])
        found = created | "Toy" >> RunMachine(Toy, None, "toy", DUE, GOT, END)
        for tag in (GOT, DUE, END):
            found[tag] | tag >> beam.Map(keep_with_time, tag)
    return counters(pipeline.result)


def test_a_machine_has_its_state_and_its_timers_and_hands_on_at_its_own_times() -> None:
    counted = run_toy([(b"a", b"10"), (b"a", b"20"), (b"b", b"20"), (b"a", b"10")])
    assert KEPT[GOT] == [(10, b"a got 10"), (20, b"a got 20"), (20, b"b got 20"), (10, b"a got 10")]
    assert sorted(KEPT[DUE]) == [
        (10, b"a 1: 2 of 3"),
        (20, b"a 2: 1 of 3"),
        (20, b"b 1: 1 of 1"),
        (25, b"a 3: 0 of 3"),
        (25, b"b 2: 0 of 1"),
    ]
    assert counted["toy.arrived"] == 4
    assert counted["toy.fired"] == 5, "a timer that is set twice fires once"


def test_every_bundle_begins_and_ends_and_what_its_end_hands_on_is_not_lost() -> None:
    counted = run_toy([(b"a", b"10"), (b"a", b"20")])
    assert counted["toy.begun"] == len(KEPT[END]) == 3, "elements, their timers, the timer that a timer set"
    assert set(KEPT[END]) == {(20, b"end")}


class Cell:
    """A cell or bag of Beam's, in memory."""

    def __init__(self) -> None:
        self.held: list[bytes] = []

    def add(self, data: bytes) -> None:
        self.held.append(data)

    def read(self) -> list[bytes]:
        return self.held


class SetTimers:
    """Beam's timers: the tags of those that were set."""

    def __init__(self) -> None:
        self.tags: list[str] = []

    def set(self, _: object, dynamic_timer_tag: str) -> None:
        self.tags.append(dynamic_timer_tag)


class Again(Toy):
    """Sets one timer over and over."""

    CELLS = ()
    BAGS = ("bag",)

    def arrive(self, key: bytes, element: bytes, cells: Cells, timers: Timers) -> Iterator[Out]:
        timers.at(20)
        yield from ()

    def fire(self, key: bytes, timer: Timer, cells: Cells, timers: Timers) -> Iterator[Out]:
        timers.at(timer.time_ms)
        yield from ()


def test_a_timer_is_set_once_a_bundle_and_again_when_it_has_fired() -> None:
    dofn: Any = stage_dofn(Again, None, "again", DUE)
    dofn.setup()
    dofn.start_bundle()
    timers, cells = SetTimers(), [Cell()]
    for _ in range(3):
        list(dofn.process((b"a", b""), timers, *cells))
    list(dofn.process((b"b", b""), timers, *cells))
    assert timers.tags == ["20", "20"]
    list(dofn.timer_fired(tag="20", key=b"a", timestamp=Timestamp(micros=20_000), state_bag=cells[0], timer=timers))
    assert timers.tags == ["20", "20", "20"]
    dofn.start_bundle()
    list(dofn.process((b"a", b""), timers, *cells))
    assert timers.tags == ["20", "20", "20", "20"]


def test_a_machine_that_fails_fails_its_bundle() -> None:
    with pytest.raises(Exception, match="no luck at 13"):
        run_toy([(b"a", b"13")])
    assert KEPT[DUE] == []
    assert KEPT[END] == [(13, b"end")], "of the bundle before"


def test_instances_of_a_step_share_their_memory_as_long_as_one_of_them_is_there() -> None:
    first = host._memory_of("a step")
    assert host._memory_of("a step") is first
    assert host._memory_of("another") is not first
    first.put(b"key", b"token", 1)
    del first
    gc.collect()
    assert host._memory_of("a step").take(b"key", b"token") is None


def test_a_complaint_is_said_again_after_a_while() -> None:
    logged: list[str] = []
    now = [0.0]
    complaints = Complaints(logged.append, lambda: now[0])
    for second in (0, 1, 599, 600):
        now[0] = float(second)
        complaints.log(["a", "b"] if second == 1 else ["a"])
    assert logged == ["a", "b", "a"]


def test_a_machine_reads_a_collection_that_nothing_else_reads() -> None:
    """Flink finds the state of a savepoint by the name of that collection."""
    pipeline = beam.Pipeline()
    created = pipeline | beam.Create([(b"a", b"1")]).with_output_types(tuple[bytes, bytes])
    for name in ("one", "two"):
        created | name >> RunMachine(Toy, None, name, DUE)
    created | "Another reader" >> beam.Values()
    components = pipeline.to_runner_api().components
    leaves = [step for step in components.transforms.values() if not step.subtransforms]
    machines = [step for step in leaves if "Machine" in step.unique_name]
    assert len(machines) == 2
    for machine in machines:
        (collection,) = machine.inputs.values()
        assert [step for step in leaves if collection in step.inputs.values()] == [machine]
