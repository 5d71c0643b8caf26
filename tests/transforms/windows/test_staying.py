"""Elements that stay as they came once their window has fired: nothing shows it but the state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from schemas import batch as batches
from schemas import rollup as rollups
from schemas.batch import SampleBatch
from schemas.forms.model import VersionError
from schemas.tiers import Tier, Tiers
from tests.transforms.naive import HOSTS, METRICS, MINUTE, NOON, Sample, batch_of, rows_of
from tests.transforms.windows.rewriting import BUCKETS, Rewriting
from transforms.accounting import DUPLICATE, MERGED_LATE, WRITTEN
from transforms.machines.local import LocalKey
from transforms.machines.machine import Machine, Memory, Out, Timer
from transforms.rollups import samples as samples_algorithm
from transforms.rollups.contents import windows_of
from transforms.windows import machine as window_algorithm
from transforms.windows.content import Key
from transforms.windows.machine import WindowMachine, WindowSettings
from transforms.windows.meta import Meta, digest

SECOND = 1_000
TIERS = Tiers(
    rollups=(Tier("10s", 10 * SECOND, 0, ""), Tier("5m", 5 * MINUTE, 0, "")),
    lateness_ms=MINUTE,
    late_pane_delay_ms=5 * SECOND,
)
KEY = Key(3, NOON).encode()
END = (NOON + 10 * SECOND, NOON + 5 * MINUTE + 1)
"""When the window of each tier fires."""


class Host:
    """One window of a machine: its state, what it counted and noted, and what went out."""

    def __init__(self, make: Callable[[], Machine]) -> None:
        self._make = make
        self.machine = make()
        self.cells = LocalKey()
        self.outs: list[Out] = []
        self._counted: Counter[str] = Counter()
        self._noted: dict[str, set[str]] = {}

    def arrive(self, element: bytes) -> None:
        assert not [*self.machine.arrive(KEY, element, self.cells, self.cells)]

    def fire(self, timer: Timer, kept: bool = True) -> None:
        """A timer fires in a bundle that is committed, or fails."""
        cells = self.cells if kept else deepcopy(self.cells)
        cells.timers.pop(timer.tag, None)
        counted, noted = dict(self.machine.counted), deepcopy(self.machine.noted)
        outs = [*self.machine.fire(KEY, timer, cells, cells)]
        if kept:
            self.outs += outs
        else:
            self.machine.counted, self.machine.noted = counted, noted

    def shuffle(self, bag: str, order: Callable[[list[bytes]], list[bytes]]) -> None:
        """A bag has no order."""
        self.cells.replace(bag, order(self.cells.read_bag(bag)))

    def restart(self) -> None:
        self._counted, self._noted = self.counted, self.noted
        self.machine = self._make()

    @property
    def counted(self) -> Counter[str]:
        return self._counted + Counter(self.machine.counted)

    @property
    def noted(self) -> dict[str, set[str]]:
        return {
            name: self._noted.get(name, set()) | self.machine.noted.get(name, set())
            for name in self._noted.keys() | self.machine.noted
        }

    @property
    def buckets(self) -> list[list[bytes]]:
        return [self.cells.read_bag(bucket) for bucket in BUCKETS]


def hosts(level: int) -> tuple[Host, Host]:
    def of() -> WindowSettings:
        return windows_of(TIERS, level)

    return Host(lambda: WindowMachine(of(), Memory())), Host(lambda: Rewriting(of(), Memory()))


@contextmanager
def staying(room: float = 1e9, bucket_rows: int = 8192) -> Iterator[None]:
    with (
        patch.object(window_algorithm, "STAYING_ROOM", room),
        patch.object(window_algorithm, "ROWS_PER_BUCKET", bucket_rows),
    ):
        yield


@st.composite
def samples(draw: st.DrawFn) -> SampleBatch:
    """Samples of few series and times: duplicates, values that no store takes, two measurements of one name, times of one millisecond."""
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from([(host, metric) for host in HOSTS[:3] for metric in METRICS[:2]]),
                st.integers(0, 3),
                st.sampled_from([1.0, 2.0, float("nan"), float("inf")]),
                st.sampled_from([0, 0, 0, 7]),
            ),
            min_size=1,
            max_size=6,
        )
    )
    seq = draw(st.integers(0, 5)) * 10
    found = batch_of([Sample(series, NOON + ts, value, seq + i) for i, (series, ts, value, _) in enumerate(rows)])
    if draw(st.booleans()):
        origins = st.sampled_from(["", "measurement a", "measurement a_b"])
        found = replace(found, origins=[draw(origins) for _ in found.metrics])
    if draw(st.booleans()):
        found = replace(found, fine=np.array([fine for *_, fine in rows], np.int32))
    return found


def of_samples(late: bool, reached: int) -> st.SearchStrategy[bytes]:
    return samples().map(lambda found: batches.encode(found.cut_as(late, reached, batches.MIN_WATERMARK)))


@st.composite
def of_panes(draw: st.DrawFn, late: bool, reached: int) -> bytes:
    """A pane of a finer window; one that came late shows it by its watermark."""
    number, pane = draw(st.integers(0, 29)), draw(st.integers(0, 2))
    hosts = draw(st.sets(st.sampled_from(HOSTS[:3]), min_size=1))
    rows = batch_of(
        [
            Sample((host, METRICS[0]), NOON + number * 10 * SECOND + at, float(number + 3 * pane + at), at)
            for host in sorted(hosts)
            for at in range(pane + 1)
        ]
    )
    window = NOON + number * 10 * SECOND
    merged = samples_algorithm.merge(None, [rows]).samples
    found = samples_algorithm.rollup(merged, tier=TIERS.rollups[0], window=window, shard=3)
    assert found is not None
    reached = max(reached, END[1]) if late else min(reached, END[1] - 1)
    return rollups.encode(replace(found, pane=pane, watermark=reached))


ELEMENTS = (of_samples, of_panes)


@settings(max_examples=150)
@given(data=st.data(), level=st.sampled_from([0, 1]), bucket_rows=st.sampled_from([1, 2, 8192]))
def test_panes_fates_and_buckets_are_those_of_a_window_that_writes_its_buckets_at_once(
    data: st.DataObject, level: int, bucket_rows: int
) -> None:
    """Arrivals, timers in any order, failed bundles and restarts, in any order: also arrivals that are not late, but come after the window fired."""
    host, model = both = hosts(level)
    room = data.draw(st.sampled_from([0.0, 1.5, 1e9, 1e9]))
    came: list[bytes] = []

    def fire(timer: Timer) -> None:
        if data.draw(st.integers(0, 4)) == 0:
            for each in both:
                each.fire(timer, kept=False)
        for each in both:
            each.fire(timer)
        if Meta.decode(host.cells.cells.get("meta")).raw:
            event("elements stayed")
        else:
            assert host.buckets == model.buckets

    with staying(room, bucket_rows):
        for _ in range(data.draw(st.integers(1, 12))):
            step = data.draw(st.sampled_from(["on time", "on time", "late", "again", "fire", "fire", "restart"]))
            if step in ("on time", "late", "again") and not (step == "again" and not came):
                reached = NOON + data.draw(st.integers(0, 6 * MINUTE))
                element = data.draw(
                    st.sampled_from(came) if step == "again" else ELEMENTS[level](step == "late", reached)
                )
                came.append(element)
                for each in both:
                    each.arrive(element)
            elif step == "fire" and host.cells.timers:
                assert host.cells.timers == model.cells.timers
                # A runner may fire the timers of a key in no order of time; the first ones are the likeliest.
                due = host.cells.due(1 << 60)
                fire(due[data.draw(st.integers(0, len(due) - 1) | st.just(0))])
            elif step == "restart":
                for each in both:
                    each.restart()
        while due := host.cells.due(1 << 60):
            fire(due[0])
    assert host.outs == model.outs
    assert host.counted == model.counted
    assert host.noted == model.noted
    assert host.cells.is_empty
    assert model.cells.is_empty


def element(*rows: Sample, late: bool = False, reached: int = NOON) -> bytes:
    return batches.encode(batch_of(rows, late=late, watermark=reached))


A, B = (HOSTS[0], METRICS[0]), (HOSTS[1], METRICS[0])
FIRST = element(Sample(A, NOON + 1, 1.0, 1), Sample(B, NOON + 1, 1.0, 1))
ON_TIME, EXPIRE = Timer(END[0], "on_time"), Timer(END[0] + MINUTE, "expire")


def stayed(*elements: bytes) -> Host:
    """A window that has fired, and whose elements stayed as they came."""
    host, _ = hosts(0)
    for each in elements:
        host.arrive(each)
    with staying():
        host.fire(ON_TIME)
    assert Meta.decode(host.cells.cells["meta"]) == Meta(1, 0, tuple(map(digest, elements)))
    assert host.cells.bags == {"pending": [*elements]}
    return host


def test_nothing_is_written_but_meta_where_nothing_late_comes() -> None:
    host = stayed(FIRST)
    host.fire(EXPIRE)
    assert host.cells.is_empty
    assert len(host.outs) == 1
    assert host.counted == {WRITTEN: 2, "panes.10s": 1, "rows.10s": 2}


@pytest.mark.parametrize("order", [list, lambda pending: pending[::-1]], ids=["as they came", "another order"])
@pytest.mark.parametrize(
    ("after", "series", "fates"),
    [
        (element(Sample(A, NOON + 2, 5.0, 2)), [A], {WRITTEN: 3}),
        (element(Sample(A, NOON + 2, 5.0, 2), late=True), [A], {WRITTEN: 2, MERGED_LATE: 1}),
        (element(Sample(B, NOON + 1, 5.0, 2), late=True), [B], {WRITTEN: 2, DUPLICATE: 1}),
        # The same bytes once more, as a source without positions sends them.
        (FIRST, [], {WRITTEN: 2, DUPLICATE: 2}),
    ],
)
def test_what_comes_after_the_on_time_pane_is_counted_and_nothing_else_again(
    order: Callable[[list[bytes]], list[bytes]], after: bytes, series: Sequence[object], fates: dict[str, int]
) -> None:
    host = stayed(FIRST)
    host.arrive(after)
    host.shuffle("pending", order)
    (timer,) = (each for each in host.cells.due(1 << 60) if each.tag != "expire")
    host.fire(timer)
    assert {name: host.counted[name] for name in fates} == fates
    assert host.counted[WRITTEN] + host.counted[MERGED_LATE] + host.counted[DUPLICATE] == sum(fates.values())
    shown = [[*rows_of(rollups.decode(out.data))] for out in host.outs[1:]]
    assert shown == ([series] if series else [])
    assert not Meta.decode(host.cells.cells["meta"]).raw
    assert len(host.buckets[0]) == 1


def test_what_came_just_before_the_window_expires_goes_out_with_it() -> None:
    host = stayed(FIRST)
    host.arrive(element(Sample(A, NOON + 2, 5.0, 2)))
    host.fire(EXPIRE)
    assert [[*rows_of(rollups.decode(out.data))] for out in host.outs[1:]] == [[A]]
    assert host.cells.is_empty


HUNDRED = [f"m{number}" for number in range(100)]


def scrapes(hosts: range, seq: int) -> bytes:
    """Scrapes of a hundred samples."""
    return element(
        *(Sample((f'{{host="{host}"}}', metric), NOON + host, 1.0 * host, seq) for host in hosts for metric in HUNDRED)
    )


LATE = element(Sample(A, NOON + 2, 5.0, 9), late=True)


@pytest.mark.parametrize(
    ("elements", "stays"),
    [
        ([scrapes(range(1), 1)], True),
        ([scrapes(range(20), 1), scrapes(range(20, 40), 1), scrapes(range(40, 60), 1)], True),
        # Small ones, whose headers and dictionaries take more room than their rows.
        ([scrapes(range(at, at + 1), 1) for at in range(20)], False),
        # Twice as many as survive.
        ([scrapes(range(20), 1), scrapes(range(20), 2)], False),
        # Something late is there already: its next pane would need buckets.
        ([scrapes(range(20), 1), LATE], False),
    ],
    ids=["one", "few", "small", "twice", "late"],
)
def test_elements_stay_where_they_take_little_more_room(elements: list[bytes], stays: bool) -> None:
    host, _ = hosts(0)
    for each in elements:
        host.arrive(each)
    host.fire(ON_TIME)
    assert Meta.decode(host.cells.cells["meta"]).raw is stays
    assert any(host.buckets) is not stays
    assert host.cells.read_bag("pending") == (elements if stays else [])
    assert host.cells.read_bag("late") == []


def test_a_coarse_window_is_folded_rather_than_left_as_it_came() -> None:
    host, _ = hosts(1)
    for number in range(30):
        rows = batch_of([Sample(A, NOON + number * 10 * SECOND, 1.0, number)])
        found = samples_algorithm.rollup(rows, tier=TIERS.rollups[0], window=NOON + number * 10 * SECOND, shard=3)
        assert found is not None
        host.arrive(rollups.encode(replace(found, watermark=NOON)))
    host.fire(Timer(END[1], "on_time"))
    assert not Meta.decode(host.cells.cells["meta"]).raw
    assert host.cells.read_bag("pending") == []


@pytest.mark.parametrize("stored", [b"", b"\x02", b"\x02" + bytes(9), b"\x03" + bytes(8), b"\x02" + bytes(15)])
def test_what_is_no_meta_of_a_window_is_refused(stored: bytes) -> None:
    with pytest.raises(VersionError, match="meta of a window"):
        Meta.decode(stored)


def test_meta_of_version_1_says_how_many_panes_and_buckets() -> None:
    assert Meta.decode(bytes([3, 0, 0, 0, 16, 0, 0, 0])) == Meta(3, 16)
    assert Meta.decode(Meta(3, 16, (b"12345678",)).encode()) == Meta(3, 16, (b"12345678",))
