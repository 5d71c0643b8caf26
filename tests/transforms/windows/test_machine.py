from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import batch as batches
from schemas import rollup as rollups
from schemas.series import shard_of
from schemas.tiers import Tier, Tiers
from tests.transforms.naive import (
    HOSTS,
    HOUR,
    METRICS,
    MINUTE,
    NOON,
    Sample,
    agree,
    any_values,
    batch_of,
    bits,
    rolled,
    rows_of,
    sample_lists,
)
from tests.transforms.windows.core import END_OF_TIME, Core, Level
from transforms.rollups import panes as panes_algorithm
from transforms.rollups import samples as samples_algorithm
from transforms.rollups.contents import SampleContent
from transforms.windows import machine as window_algorithm
from transforms.windows.content import Key

SECOND = 1_000
FINE, COARSE = Tier("10s", 10 * SECOND, 0, ""), Tier("5m", 5 * MINUTE, 0, "")
A, B = (HOSTS[0], METRICS[0]), (HOSTS[1], METRICS[0])

# Whole numbers: a sample that changes then changes its row, whatever the rounding.
whole_values = st.integers(-1000, 1000).map(float)


def tiers(lateness_ms: int = MINUTE, delay_ms: int = 5 * SECOND, rollup: Sequence[Tier] = (FINE, COARSE)) -> Tiers:
    return Tiers(rollups=tuple(rollup), lateness_ms=lateness_ms, late_pane_delay_ms=delay_ms)


@st.composite
def logs(draw: st.DrawFn, values: st.SearchStrategy[float] = whole_values) -> list[list[list[Sample]]]:
    """Partitions of records, roughly in order of event time: some of it behind, some far behind, some twice."""
    samples = draw(sample_lists(length_ms=8 * MINUTE, values=values, max_size=40, grain_ms=2_500))
    behind = draw(st.lists(st.sampled_from([0, 0, 0, 7, 40, 90]), min_size=len(samples), max_size=len(samples)))
    in_order = sorted(range(len(samples)), key=lambda index: samples[index].ts + behind[index] * SECOND)
    partitions: list[list[list[Sample]]] = [[] for _ in range(draw(st.integers(1, 2)))]
    for index in in_order:
        partition = partitions[draw(st.integers(0, len(partitions) - 1))]
        if partition and draw(st.booleans()):
            partition[-1].append(samples[index])
        else:
            partition.append([samples[index]])
    return partitions


def play(core: Core, log: list[list[list[Sample]]], data: st.DataObject) -> None:
    """Read the log in blocks, the watermark following somewhere behind; then let time end."""
    reached = NOON - MINUTE
    position = [0] * len(log)
    while unread := [index for index, records in enumerate(log) if position[index] < len(records)]:
        partition = data.draw(st.sampled_from(unread))
        size = data.draw(st.integers(1, 4))
        core.feed(log[partition][position[partition] : position[partition] + size], partition)
        position[partition] += size
        if core.watermark > reached:
            reached = data.draw(st.integers(reached, core.watermark))
            core.advance(reached)
    core.advance(END_OF_TIME)


@settings(max_examples=100)
@given(
    log=logs(any_values),
    lateness_ms=st.sampled_from([0, 20 * SECOND, 2 * MINUTE]),
    bucket_rows=st.sampled_from([1, 8192]),
    room=st.sampled_from([0.0, 1e9]),
    random=st.randoms(use_true_random=False),
    marked=st.booleans(),
    data=st.data(),
)
def test_corrections_end_in_the_rows_of_everything_on_time(
    log: list[list[list[Sample]]],
    lateness_ms: int,
    bucket_rows: int,
    room: float,
    random,
    marked: bool,
    data: st.DataObject,
) -> None:
    core = Core(tiers(lateness_ms), 2, 5 * SECOND, len(log), random.choice, marked)
    with (
        patch.object(window_algorithm, "ROWS_PER_BUCKET", bucket_rows),
        patch.object(window_algorithm, "STAYING_ROOM", room),
    ):
        play(core, log, data)
    arrived = [sample for records in log for record in records for sample in record]
    late = set(map(id_of, core.too_late))
    taken = [sample for sample in arrived if id_of(sample) not in late]
    assert len(taken) + len(core.too_late) == len(arrived)

    on_time = Core(tiers(lateness_ms), shards=2, delay_ms=END_OF_TIME)
    if taken:
        on_time.feed([[sample] for sample in taken])
    on_time.advance(END_OF_TIME)
    assert on_time.too_late == []
    assert on_time.fates.merged_late == 0
    for tier in (FINE, COARSE):
        assert bits(core.rows(tier.name)) == bits(on_time.rows(tier.name))
        agree(core.rows(tier.name), rolled(taken, tier.window_ms))

    fates, plain = core.fates, on_time.fates
    assert (fates.duplicate, fates.unwritable) == (plain.duplicate, plain.unwritable)
    assert fates.written + fates.merged_late == plain.written
    assert fates.written + fates.merged_late + fates.duplicate + fates.unwritable == len(taken)
    assert core.empty
    assert on_time.empty


def id_of(sample: Sample) -> tuple[object, ...]:
    return sample.series, sample.ts, sample.seq


@settings(max_examples=100)
@given(log=logs(), data=st.data())
def test_a_corrected_pane_holds_the_series_that_it_changed_and_no_other(
    log: list[list[list[Sample]]], data: st.DataObject
) -> None:
    core = Core(tiers(2 * MINUTE), delay_ms=5 * SECOND, partitions=len(log))
    play(core, log, data)
    shown: dict[tuple[str, int], dict[object, object]] = {}
    numbers: dict[tuple[str, int], int] = {}
    for pane in core.panes:
        window = pane.tier, pane.window
        assert pane.pane == numbers.get(window, -1) + 1
        numbers[window] = pane.pane
        held = shown.setdefault(window, {})
        for series, row in rows_of(pane).items():
            assert held.get(series) != row
            held[series] = row


def read(core: Core, *samples: Sample) -> None:
    """Each sample as a record and a block of its own."""
    for sample in samples:
        core.feed([[sample]])


def at(seconds: float, series: tuple[str, str] = A, value: float = 1.0, seq: int = 0) -> Sample:
    return Sample(series, NOON + int(seconds * SECOND), value, seq)


def test_the_timeline_of_the_docstring() -> None:
    core = Core(Tiers(rollups=Tiers().rollups[:1]))
    read(core, at(20))
    window = core.levels[0].windows[Key(0, NOON)]
    assert window.timers == {"on_time": NOON + MINUTE, "expire": NOON + 6 * MINUTE}
    came = window.pending
    (pane,) = core.advance(NOON + MINUTE)
    assert (pane.pane, pane.watermark, pane.columns["count"].tolist()) == (0, NOON + MINUTE, [1])
    assert (len(came), window.pending, window.buckets) == (1, came, {})
    read(core, at(150, B))
    for number, (late, fires) in enumerate([(150, 160), (230, 240)], start=1):
        read(core, at(late, B, seq=number), at(30 + number, seq=number))
        assert window.timers == {
            f"late{NOON + fires * SECOND}": NOON + fires * SECOND,
            "expire": NOON + 6 * MINUTE,
        }
        assert len(window.late) == 1
        assert [each for each in core.advance(NOON + fires * SECOND - 1) if each.window == NOON] == []
        (pane,) = [each for each in core.advance(NOON + fires * SECOND) if each.window == NOON]
        assert (pane.pane, pane.watermark, pane.targets, pane.columns["count"].tolist()) == (
            number,
            NOON + fires * SECOND,
            [A[0]],
            [1 + number],
        )
        assert (window.pending, window.late, len(window.buckets)) == ([], [], 1)
    core.advance(NOON + 6 * MINUTE)
    assert window.is_empty


def test_an_arrival_reads_no_state() -> None:
    core = Core(tiers())
    read(core, at(1), at(2))
    assert all(not cells.reads for cells in core.levels[0].windows.values())


# 100 rows: fewer than a bucket takes, two buckets' worth and some, and more than there are buckets for.
@pytest.mark.parametrize(("bucket_rows", "buckets"), [(8192, 1), (40, 2), (1, 16)])
def test_a_late_sample_reads_the_bucket_of_its_series_only(
    monkeypatch: pytest.MonkeyPatch, bucket_rows: int, buckets: int
) -> None:
    monkeypatch.setattr(window_algorithm, "ROWS_PER_BUCKET", bucket_rows)
    # As if the elements took much room: else they stay as they came until something late comes.
    monkeypatch.setattr(window_algorithm, "STAYING_ROOM", 0.0)
    core = Core(tiers(rollup=[FINE]))
    hosts = [(f'{{host="{number}"}}', METRICS[0]) for number in range(100)]
    core.feed([[at(1, host, seq=number) for number, host in enumerate(hosts)]])
    read(core, at(30, B))
    core.advance(NOON + 30 * SECOND)
    cells = core.levels[0].windows[Key(0, NOON)]
    assert len(cells.buckets) == buckets
    assert cells.reads["bucket"] == 0
    untouched = dict(cells.buckets)
    cells.reads.clear()
    read(core, at(2, hosts[7], seq=200))
    (pane,) = [pane for pane in core.advance(NOON + 50 * SECOND) if pane.window == NOON]
    assert rows_of(pane)[hosts[7]].count == 2
    assert len(pane) == 1
    assert cells.reads["bucket"] == 1
    assert sum(cells.buckets[index] != untouched[index] for index in untouched) == 1


@pytest.mark.parametrize("tier", ["10s", "5m"], ids=["samples", "panes"])
@pytest.mark.parametrize("bucket_rows", [1, 20], ids=["16 buckets", "2 buckets"])
def test_late_samples_of_many_series_find_each_of_them_in_its_bucket(
    monkeypatch: pytest.MonkeyPatch, bucket_rows: int, tier: str
) -> None:
    monkeypatch.setattr(window_algorithm, "ROWS_PER_BUCKET", bucket_rows)
    core = Core(tiers(10 * MINUTE))
    hosts = [(f'{{host="{number}"}}', METRICS[0]) for number in range(40)]
    core.feed([[at(1, host, value=number, seq=number) for number, host in enumerate(hosts)]])
    read(core, at(310, B))
    core.advance(NOON + 310 * SECOND)
    core.feed([[at(2, host, value=100, seq=100 + number) for number, host in enumerate(hosts)]])
    panes = [pane for pane in core.advance(NOON + 330 * SECOND) if (pane.tier, pane.window) == (tier, NOON)]
    assert {pane.pane for pane in panes} == {1}
    rows = {series: row for pane in panes for series, row in rows_of(pane).items()}
    assert {series: (row.count, row.sum) for series, row in rows.items()} == {
        host: (2, 100.0 + number) for number, host in enumerate(hosts)
    }


def test_without_lateness_nothing_is_kept_once_a_window_has_fired() -> None:
    core = Core(tiers(lateness_ms=0, rollup=[FINE]))
    read(core, at(1), at(10, B), at(2, seq=1))
    assert core.too_late == [at(2, seq=1)]
    (pane,) = core.advance(NOON + 10 * SECOND)
    assert pane.columns["count"].tolist() == [1]
    assert core.levels[0].windows[Key(0, NOON)].is_empty


def test_a_window_of_late_data_alone_has_an_on_time_pane() -> None:
    core = Core(tiers(rollup=[FINE]))
    read(core, at(30, B))
    read(core, at(1))
    panes = core.advance(NOON + 40 * SECOND)
    assert [(pane.window, pane.pane) for pane in panes if pane.targets == [A[0]]] == [(NOON, 0)]
    assert core.fates.merged_late == 1


@pytest.mark.parametrize(("second", "panes"), [(1.0, []), (2.0, [(NOON, 1)])], ids=["the same value", "another value"])
def test_a_late_duplicate_causes_a_pane_only_if_it_changes_something(second: float, panes: list[object]) -> None:
    core = Core(tiers(rollup=[FINE]))
    read(core, at(1), at(20, B))
    core.advance(NOON + 20 * SECOND)
    read(core, at(1, value=second, seq=1))
    assert [(pane.window, pane.pane) for pane in core.advance(NOON + 29 * SECOND)] == panes
    assert core.fates.duplicate == 1


def test_late_data_close_together_go_out_as_one_pane() -> None:
    core = Core(tiers(rollup=[FINE], delay_ms=5 * SECOND))
    read(core, at(1), at(20, B))
    core.advance(NOON + 20 * SECOND)
    read(core, at(2, seq=1))
    read(core, at(3, seq=2))
    panes = core.advance(NOON + 25 * SECOND)
    assert [(pane.pane, pane.columns["count"].tolist()) for pane in panes] == [(1, [3])]


def test_a_trickle_of_late_data_goes_out_every_delay_of_event_time() -> None:
    core = Core(tiers(rollup=[FINE], delay_ms=5 * SECOND))
    read(core, at(1), at(20, B))
    panes = core.advance(NOON + 20 * SECOND)
    for second in range(21, 41):
        read(core, at(second, B, seq=second), at(2 + second / 100, seq=second))
        panes += core.advance(NOON + second * SECOND)
    times = [pane.watermark - NOON for pane in panes if pane.window == NOON]
    assert times == [10 * SECOND, 25 * SECOND, 30 * SECOND, 35 * SECOND, 40 * SECOND]


def test_what_is_still_pending_goes_out_when_the_window_expires() -> None:
    core = Core(tiers(rollup=[FINE], delay_ms=10 * MINUTE))
    read(core, at(1), at(20, B))
    core.advance(NOON + 20 * SECOND)
    read(core, at(2, seq=1))
    core.advance(NOON + 69 * SECOND)
    assert core.rows("10s")[NOON, A].count == 1
    (pane,) = core.advance(NOON + 70 * SECOND)
    assert (pane.window, pane.pane, pane.columns["count"].tolist()) == (NOON, 1, [2])
    assert core.levels[0].windows[Key(0, NOON)].is_empty


@pytest.mark.parametrize("lateness_ms", [0, 5 * MINUTE, 20 * MINUTE])
def test_a_coarse_window_folds_what_can_no_longer_change_while_more_arrives(lateness_ms: int) -> None:
    core = Core(Tiers(lateness_ms=lateness_ms))
    held = []
    for minute in range(60):
        read(core, at(60 * minute, seq=minute))
        core.advance(core.watermark)
        cells = core.levels[1].windows[Key(0, NOON)]
        kept = [panes_algorithm.decode(bucket) for bucket in cells.buckets.values()]
        held.append(len(cells.pending) + sum(map(len, kept)))
    # What is younger than the lateness, one folded row, and what gathers between two folds.
    assert max(held) <= lateness_ms // MINUTE + 1 + 2 * 10
    core.advance(END_OF_TIME)
    assert core.rows("1h")[NOON, A].count == 60


@pytest.mark.parametrize("behind", range(1, 6))
def test_a_correction_that_comes_after_folding_counts_once(behind: int) -> None:
    # Whenever the hour is folded, a minute that can still be corrected must not be in it yet.
    core = Core(Tiers())
    samples = []
    for minute in range(62):
        samples.append(at(60 * minute, value=float(minute), seq=minute))
        if minute >= behind:
            samples.append(at(60 * (minute - behind) + 30, value=1000.0, seq=100 + minute))
    for sample in samples:
        read(core, sample)
        core.advance(core.watermark)
    core.advance(END_OF_TIME)
    assert core.too_late == []
    assert core.fates.merged_late > 50
    agree(core.rows("1h"), rolled(samples, 60 * MINUTE))


def test_a_correction_of_the_finest_tier_corrects_the_coarser_ones() -> None:
    core = Core(tiers(2 * MINUTE))
    read(core, at(295, value=5), at(296, B), at(310, B))
    core.advance(NOON + 310 * SECOND)
    read(core, at(296, value=9, seq=1))
    panes = core.advance(END_OF_TIME)
    assert [(pane.tier, pane.window, pane.pane) for pane in panes if A[0] in pane.targets] == [
        ("10s", NOON + 290 * SECOND, 1),
        ("5m", NOON, 1),
    ]
    assert core.rows("5m")[NOON, A].max == 9


def test_a_shard_and_a_window_make_a_key() -> None:
    key = Key(shard_of(A[0], 32), NOON)
    assert Key.decode(key.encode()) == key
    assert len(key.encode()) == 12


def test_the_watermark_of_either_wire_form_is_read_without_its_rows() -> None:
    assert batches.read_attributes(batches.encode(batch_of([at(0)], late=True, watermark=7))) == (7, True)
    core = Core(tiers(rollup=[FINE]))
    read(core, at(0))
    (pane,) = core.advance(END_OF_TIME)
    assert batches.read_attributes(rollups.encode(pane)) == (pane.watermark, False)


def test_samples_on_time_in_a_block_that_goes_on_past_their_window_are_in_its_on_time_pane() -> None:
    core = Core(tiers(rollup=[FINE]))
    core.feed([[at(1), at(5, B, seq=1), at(38, seq=2)]])
    panes = core.advance(NOON + 38 * SECOND)
    assert [(pane.pane, pane.watermark - NOON) for pane in panes if pane.window == NOON] == [(0, 10 * SECOND)]
    assert core.fates.merged_late == 0


@pytest.mark.parametrize("reached", [NOON + 10 * SECOND, NOON + 69 * SECOND, NOON + 70 * SECOND, NOON + 900 * SECOND])
def test_no_timer_of_a_window_outlives_it(reached: int) -> None:
    level = Level(tiers(delay_ms=40 * SECOND), 0)
    level.arrive(Key(0, NOON), batches.encode(batch_of([Sample(A, NOON, 1.0, 0)], late=True, watermark=reached)))
    assert max(level.windows[Key(0, NOON)].timers.values()) == NOON + 70 * SECOND


def timers_of(of: Tiers, number: int, watermark: int, late: bool = False) -> dict[str, int]:
    """The timers, from noon on, that one element of the window at noon of a tier sets."""
    level = Level(of, number)
    rows = batch_of([at(0)], late=late, watermark=watermark)
    data = batches.encode(rows)
    if number:
        pane = samples_algorithm.rollup(rows, tier=of.rollups[number - 1], window=NOON, shard=0)
        assert pane is not None
        data = rollups.encode(replace(pane, watermark=watermark))
    level.arrive(Key(0, NOON), data)
    found = {tag.rstrip("0123456789"): ts - NOON for tag, ts in level.windows[Key(0, NOON)].timers.items()}
    assert all(type(ts) is int for ts in found.values())
    return found


HOURS = Tier("1h", HOUR, 0, "")
ODD = tiers(0, rollup=[Tier("1s", SECOND, 0, ""), Tier("100s", 100 * SECOND, 0, "")])


@pytest.mark.parametrize(
    ("of", "number", "reached", "late", "timers"),
    [
        # On time, whatever the watermark of the block: that of a block is no sample's.
        (tiers(), 0, 4_000, False, {"on_time": 10_000, "expire": 70_000}),
        (tiers(), 0, 44_000, False, {"on_time": 10_000, "expire": 70_000}),
        # Late: at the next multiple of the delay, not before the end of the window, not after its expiry.
        (tiers(), 0, 14_999, True, {"late": 15_000, "expire": 70_000}),
        (tiers(), 0, 15_000, True, {"late": 20_000, "expire": 70_000}),
        (tiers(), 0, 4_000, True, {"late": 10_000, "expire": 70_000}),
        (tiers(), 0, 69_000, True, {"late": 70_000, "expire": 70_000}),
        (tiers(delay_ms=0), 0, 14_321, True, {"late": 14_321, "expire": 70_000}),
        # A coarser tier lies a millisecond behind a finer one; its panes are late from the end of its window on.
        (tiers(rollup=[FINE, COARSE, HOURS]), 1, 299_000, False, {"on_time": 300_001, "expire": 360_001}),
        (tiers(rollup=[FINE, COARSE, HOURS]), 1, 300_000, False, {"on_time": 300_001, "expire": 360_001}),
        (tiers(rollup=[FINE, COARSE, HOURS]), 1, 300_001, False, {"late": 305_000, "expire": 360_001}),
        (tiers(rollup=[FINE, COARSE, HOURS]), 2, 3_599_000, False, {"on_time": 3_600_002, "expire": 3_660_002}),
        # Folded every 8 finer windows, or every sixth of the window if that is longer, once their lateness is over.
        (tiers(), 1, 10_000, False, {"fold": 80_000, "on_time": 300_001, "expire": 360_001}),
        (tiers(), 1, -10_000, False, {"fold": 80_000, "on_time": 300_001, "expire": 360_001}),
        (tiers(), 1, 20_000, False, {"fold": 160_000, "on_time": 300_001, "expire": 360_001}),
        (tiers(), 1, 180_000, False, {"on_time": 300_001, "expire": 360_001}),
        (Tiers(), 1, 60_000, False, {"fold": 600_000, "on_time": 3_600_001, "expire": 3_900_001}),
        (Tiers(), 1, 300_000, False, {"fold": 1_200_000, "on_time": 3_600_001, "expire": 3_900_001}),
        (ODD, 1, 1_000, False, {"fold": 16_666 - NOON % 16_666, "on_time": 100_001, "expire": 100_001}),
    ],
)
def test_the_timers_of_an_arrival(of: Tiers, number: int, reached: int, late: bool, timers: dict[str, int]) -> None:
    assert timers_of(of, number, NOON + reached, late) == timers


def test_series_stay_in_their_buckets_from_release_to_release() -> None:
    """Buckets lie in savepoints: another place for a series, and its samples would not be found again."""
    rows = batch_of([Sample((f'{{host="h{number}"}}', "up"), NOON, 1.0, number) for number in range(6)])
    assert SampleContent(FINE).buckets(rows, 16).tolist() == [6, 12, 7, 0, 13, 7]
    assert SampleContent(FINE).buckets(rows, 1).tolist() == [0] * 6


def test_a_fold_that_comes_after_the_pane_leaves_late_ones_pending() -> None:
    """The local runner fires timers in no order of time."""
    level = Level(Tiers(), 1)
    key = Key(0, NOON)

    def minute(number: int, pane: int = 0) -> bytes:
        rows = samples_algorithm.merge(None, [batch_of([at(60 * number, value=number + pane)])]).samples
        found = samples_algorithm.rollup(rows, tier=level.tier, window=NOON + number * MINUTE, shard=0)
        return rollups.encode(replace(found, pane=pane, watermark=NOON + HOUR + MINUTE))

    level.arrive(key, minute(3))
    assert level.fire(NOON + HOUR + 1, key, "on_time") is not None
    level.arrive(key, minute(7, pane=1))
    assert level.fire(NOON + HOUR, key, f"fold{NOON + HOUR}") is None
    assert len(level.windows[key].late) == 1
    corrected = level.fire(NOON + HOUR + 2 * MINUTE, key, f"late{NOON + HOUR + 2 * MINUTE}")
    assert corrected is not None
    assert (corrected.pane, rows_of(corrected)[A].count) == (1, 2)


def test_what_state_keeps_is_late_for_nobody() -> None:
    assert samples_algorithm.strip(batch_of([at(1)], late=True)).late is False
