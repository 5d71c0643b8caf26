from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.batch import MIN_WATERMARK
from schemas.series import shard_of
from schemas.tiers import Tiers
from tests.transforms.naive import HOSTS, METRICS, MINUTE, NOON, Sample, batch_of, sample_lists, samples_of
from transforms.rollups.cutting import cutter_of
from transforms.windows import cut as cut_algorithm
from transforms.windows.content import Key
from transforms.windows.cut import Cut, Cutter

SHARDS = 4
SECOND = 1_000
A = (HOSTS[0], METRICS[0])

Placed = tuple[Key, bool, int, Sample]


def cutter(lateness_ms: int = 5 * MINUTE, delay_ms: int = 10 * SECOND) -> Cutter:
    return cutter_of(Tiers(lateness_ms=lateness_ms), SHARDS, delay_ms)


def cut(
    cutting: Cutter,
    records: Sequence[Sequence[Sample]],
    watermark: int = MIN_WATERMARK,
    stamped: Sequence[int] | None = None,
) -> Cut:
    record = np.repeat(np.arange(len(records)), [len(samples) for samples in records])
    stamps = None if stamped is None else np.array(stamped, np.int64)
    return cutting.cut(batch_of([sample for samples in records for sample in samples]), record, watermark, stamps)


def placed(result: Cut) -> list[Placed]:
    return [(key, piece.late, piece.overtaken, sample) for key, piece in result.pieces for sample in samples_of(piece)]


def model(
    records: Sequence[Sequence[Sample]], lateness_ms: int, delay_ms: int
) -> tuple[list[Placed], list[Sample], int]:
    """Record by record: where each sample goes and what had overtaken it, which are too late, and the watermark at the end."""
    kept: list[Placed] = []
    too_late: list[Sample] = []
    watermark = MIN_WATERMARK
    for record in records:
        for sample in record:
            window = sample.ts - sample.ts % MINUTE
            if window + MINUTE + lateness_ms <= watermark:
                too_late.append(sample)
            else:
                key = Key(shard_of(sample.series[0], SHARDS), window)
                overtaken = math.ceil(watermark / SECOND) * SECOND if sample.ts <= watermark else MIN_WATERMARK
                kept.append((key, window + MINUTE <= watermark, overtaken, sample))
        watermark = max([watermark, *(sample.ts - delay_ms for sample in record)])
    return kept, too_late, watermark


@st.composite
def record_lists(draw: st.DrawFn) -> list[list[Sample]]:
    values = st.integers(0, 9).map(float)
    grain_ms = draw(st.sampled_from([15_000, 2_400, 750]))
    samples = draw(sample_lists(length_ms=20 * MINUTE, values=values, max_size=40, grain_ms=grain_ms))
    cuts = sorted(draw(st.sets(st.integers(0, len(samples)), max_size=20)))
    bounds = [0, *cuts, len(samples)]
    return [samples[a:b] for a, b in pairwise(bounds)]


@settings(max_examples=200)
@given(
    record_lists(),
    st.sampled_from([0, MINUTE, 5 * MINUTE]),
    st.sampled_from([0, 10 * SECOND, 90 * SECOND, 7_300]),
    st.data(),
)
def test_fates_are_those_of_one_record_after_the_other_however_the_log_is_cut(
    records: list[list[Sample]], lateness_ms: int, delay_ms: int, data: st.DataObject
) -> None:
    kept, too_late, reached = model(records, lateness_ms, delay_ms)
    cutting = cutter(lateness_ms, delay_ms)
    found: list[Placed] = []
    found_too_late: list[Sample] = []
    watermark, at = MIN_WATERMARK, 0
    while at < len(records):
        size = data.draw(st.integers(1, len(records)))
        result = cut(cutting, records[at : at + size], watermark)
        found += placed(result)
        found_too_late += samples_of(result.too_late) if result.too_late is not None else []
        watermark, at = result.watermark, at + size
    assert Counter(found) == Counter(kept)
    assert found_too_late == too_late
    assert watermark == reached


@given(record_lists(), st.sampled_from([1, 3, 50_000]))
def test_a_piece_is_of_one_window_and_shard_in_the_order_of_the_log(records: list[list[Sample]], limit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cut_algorithm, "ROWS_PER_ELEMENT", limit)
        result = cut(cutter(), records)
    position = {(sample.series, sample.ts, sample.seq): at for at, sample in enumerate(chain.from_iterable(records))}
    for key, piece in result.pieces:
        samples = samples_of(piece)
        assert 0 < len(samples) <= limit
        assert {Key(shard_of(sample.series[0], SHARDS), sample.ts - sample.ts % MINUTE) for sample in samples} == {key}
        places = [position[sample.series, sample.ts, sample.seq] for sample in samples]
        assert places == sorted(places)
        assert piece.watermark == result.watermark
        assert {*piece.targets} == {sample.series[0] for sample in samples}


@pytest.mark.parametrize(
    ("seconds", "late", "too_late"),
    [(360, False, False), (359, True, False), (60, True, False), (59, False, True)],
    ids=["in an open window", "in the window that just closed", "in the last one within lateness", "before that"],
)
def test_the_bounds_of_lateness(seconds: int, late: bool, too_late: bool) -> None:
    # The first record brings the watermark to 12:06:00, with 5 minutes of lateness.
    first = Sample(A, NOON + 6 * MINUTE + 10 * SECOND, 1, 0)
    result = cut(cutter(), [[first], [Sample(A, NOON + seconds * SECOND, 2, 1)]])
    assert result.watermark == NOON + 6 * MINUTE
    assert [is_late for _, is_late, _, sample in placed(result) if sample.seq] == ([] if too_late else [late])
    assert (result.too_late is not None) == too_late


@pytest.mark.parametrize(
    ("ms", "overtaken"),
    [(4_501, MIN_WATERMARK), (4_500, 5_000), (0, 5_000)],
    ids=["ahead of the watermark", "at it", "behind it"],
)
def test_a_sample_that_is_not_ahead_of_the_watermark_says_which_second_overtook_it(ms: int, overtaken: int) -> None:
    # The first record brings the watermark to 12:00:04.5.
    result = cut(cutter(), [[Sample(A, NOON + 14_500, 1, 0)], [Sample(A, NOON + ms, 2, 1)]])
    found = {sample.seq: piece_overtaken for _, _, piece_overtaken, sample in placed(result)}
    assert found == {0: MIN_WATERMARK, 1: overtaken if overtaken == MIN_WATERMARK else NOON + overtaken}


def test_samples_of_one_record_are_overtaken_by_earlier_records_only() -> None:
    result = cut(cutter(), [[Sample(A, NOON + MINUTE, 1, 0), Sample(A, NOON, 1, 1)]])
    assert [piece.overtaken for _, piece in result.pieces] == [MIN_WATERMARK, MIN_WATERMARK]


def test_what_one_second_overtook_stays_in_one_piece() -> None:
    # Watermarks 12:00:40.1, 12:00:40.9, 12:00:41.0 and 12:00:41.1 before the samples of seq 1, 3, 5 and 7.
    ends = [50_100, 50_900, 51_000, 51_100]
    records = [
        [Sample(A, NOON + ms, 1, seq)] for at, end in enumerate(ends) for seq, ms in ((2 * at, end), (2 * at + 1, at))
    ]
    pieces = [
        (piece.overtaken, [sample.seq for sample in samples_of(piece)]) for _, piece in cut(cutter(), records).pieces
    ]
    assert pieces == [(MIN_WATERMARK, [0, 2, 4, 6]), (NOON + 41_000, [1, 3, 5]), (NOON + 42_000, [7])]


def test_what_is_left_out_takes_its_watermark_along() -> None:
    # Each second sample comes too late, behind watermarks 12:20:00 and 12:21:00; those after it are overtaken by one second or another.
    seconds = [1_210, 60, 1_150, 1_270, 60, 1_210]
    records = [[Sample(A, NOON + at * SECOND, 1, seq)] for seq, at in enumerate(seconds)]
    result = cut(cutter(), records)
    found = {sample.seq: overtaken for _, _, overtaken, sample in placed(result)}
    assert found == {0: MIN_WATERMARK, 2: NOON + 20 * MINUTE, 3: MIN_WATERMARK, 5: NOON + 21 * MINUTE}


def test_samples_of_one_record_do_not_make_each_other_late() -> None:
    result = cut(cutter(lateness_ms=0), [[Sample(A, NOON + 10 * MINUTE, 1, 0), Sample(A, NOON, 1, 1)]])
    assert result.too_late is None
    assert not any(piece.late for _, piece in result.pieces)


def test_an_empty_block_leaves_the_watermark_where_it_was() -> None:
    assert cut(cutter(), [[]], 42) == Cut([], None, 0, 42)


def test_too_late_samples_say_so_and_carry_the_watermark() -> None:
    result = cut(cutter(), [[Sample(A, NOON, 1, 0)]], NOON + 10 * MINUTE)
    assert result.pieces == []
    assert result.too_late is not None
    assert (result.too_late.late, result.too_late.watermark) == (True, NOON + 10 * MINUTE)
    assert result.too_late.overtaken == NOON + 10 * MINUTE
    assert result.passed == NOON + 10 * MINUTE


def test_the_first_too_late_sample_says_which_watermark_it_met() -> None:
    records = [[Sample(A, NOON + at * MINUTE, 1, seq)] for seq, at in enumerate([20, 0, 40, 1])]
    assert cut(cutter(delay_ms=0), records).passed == NOON + 20 * MINUTE


def test_many_windows_and_shards_at_once() -> None:
    # More places than 16 bits number.
    samples = [Sample((f'{{host="{i % 7}"}}', "up"), NOON + i * 10 * MINUTE, float(i), i) for i in range(5_000)]
    result = cut(cutter(delay_ms=1 << 50), [samples])
    assert Counter(placed(result)) == Counter(model([samples], 5 * MINUTE, 1 << 50)[0])


def test_samples_before_a_time_are_left_out_and_counted_but_move_the_watermark() -> None:
    samples = [Sample(A, NOON + second * SECOND, 1.0, seq) for seq, second in enumerate([10, 70, 20, 130])]
    since = cutter_of(Tiers(), SHARDS, 0, since_ms=NOON + MINUTE)
    result = cut(since, [[sample] for sample in samples])
    assert result.early == 2
    assert sorted(sample.ts - NOON for _, _, _, sample in placed(result)) == [70 * SECOND, 130 * SECOND]
    assert result.too_late is None
    assert result.watermark == NOON + 130 * SECOND


@pytest.mark.parametrize(("before_ms", "early"), [(1, 1), (0, 0), (-1, 0)])
def test_a_sample_of_the_very_time_from_which_samples_are_taken_is_taken(before_ms: int, early: int) -> None:
    since = cutter_of(Tiers(), SHARDS, 0, since_ms=NOON)
    result = cut(since, [[Sample(A, NOON - before_ms, 1, 0)]])
    assert (result.early, len(result.pieces)) == (early, 1 - early)


def test_a_sample_that_is_early_and_too_late_is_early() -> None:
    since = cutter_of(Tiers(), SHARDS, 0, since_ms=NOON)
    records = [[Sample(A, NOON - MINUTE, 1, 0)], [Sample(A, NOON + MINUTE, 1, 1)], [Sample(A, NOON, 1, 2)]]
    result = cut(since, records, NOON + 60 * MINUTE)
    assert (result.early, result.pieces, result.passed) == (1, [], NOON + 60 * MINUTE)
    assert result.too_late is not None
    assert [sample.seq for sample in samples_of(result.too_late)] == [1, 2]


def test_shards_are_those_of_the_targets_as_a_reader_sees_more_of_them_or_begins_anew() -> None:
    cutting = cutter()
    hosts = [f'{{host="{number}"}}' for number in range(20)]
    seen: list[str] = []
    for known in (1, 4, 20):
        seen += hosts[len(seen) : known]
        samples = [Sample((host, "up"), NOON, 1, seq) for seq, host in enumerate(seen)]
        batch = replace(batch_of(samples), targets=seen)
        found = {sample.series[0]: key.shard for key, _, _, sample in placed(cutting.cut(batch, np.arange(known)))}
        assert found == {host: shard_of(host, SHARDS) for host in seen}
    other = cut(cutting, [[Sample((hosts[7], "up"), NOON, 1, 0)]])
    assert [key.shard for key, *_ in placed(other)] == [shard_of(hosts[7], SHARDS)]


def test_a_block_is_cut_where_a_window_ends() -> None:
    seconds = [61, 59, 0, 180, 60, 119]
    result = cut(cutter(), [[Sample(A, NOON + second * SECOND, 1, seq) for seq, second in enumerate(seconds)]])
    found = [(key.window - NOON, [sample.seq for sample in samples_of(piece)]) for key, piece in result.pieces]
    assert found == [(0, [1, 2]), (MINUTE, [0, 4, 5]), (3 * MINUTE, [3])]


@pytest.mark.parametrize("highest", [(1 << 16) - 1, 1 << 16, (1 << 16) + 1])
def test_places_are_in_order_whether_or_not_16_bits_number_them(highest: int) -> None:
    assert cut_algorithm._stable_order(np.array([highest, 1, 0, highest, 1])).tolist() == [2, 1, 4, 0, 3]
    # Of many rows, which other ways to sort would shuffle, those of one place stay in the order of the log.
    places = np.arange(3_000) % 3 * (highest // 2)
    in_order = [*range(0, 3_000, 3), *range(1, 3_000, 3), *range(2, 3_000, 3)]
    assert cut_algorithm._stable_order(places).tolist() == in_order


def test_a_clock_that_is_ahead_makes_nobody_late() -> None:
    """One host is nine minutes ahead; the watermark goes by the time of its record, and the others are in order."""
    ahead, honest = Sample(A, NOON + 9 * MINUTE, 1, 0), Sample((HOSTS[1], METRICS[0]), NOON + SECOND, 1, 1)
    result = cut(cutter(), [[ahead], [honest]], NOON - MINUTE, [NOON, NOON + SECOND])
    assert result.watermark == NOON + SECOND - 10 * SECOND
    assert {piece.overtaken for _, piece in result.pieces} == {MIN_WATERMARK}
    assert sorted(sample.seq for _, piece in result.pieces for sample in samples_of(piece)) == [0, 1]
    believed = cut(cutter(), [[ahead], [honest]], NOON - MINUTE, [-1, -1])
    assert believed.watermark == NOON + 9 * MINUTE - 10 * SECOND
    assert believed.too_late is not None
    assert [sample.seq for sample in samples_of(believed.too_late)] == [1]


def test_where_the_watermark_stands_nothing_is_late_and_nothing_overtaken() -> None:
    samples = [Sample(A, NOON + second * SECOND, 1, seq) for seq, second in enumerate([86_400, 0, 43_200])]
    result = cutter_of(Tiers(), SHARDS, None).cut(batch_of(samples), np.arange(3))
    assert (result.watermark, result.too_late) == (MIN_WATERMARK, None)
    assert {(piece.late, piece.overtaken, piece.watermark) for _, piece in result.pieces} == {
        (False, MIN_WATERMARK, MIN_WATERMARK)
    }
    assert sorted(each.seq for _, piece in result.pieces for each in samples_of(piece)) == [0, 1, 2]


def test_the_time_of_a_record_says_nothing_of_older_samples() -> None:
    sample = Sample(A, NOON, 1, 0)
    assert cut(cutter(), [[sample]], stamped=[NOON + 60 * MINUTE]).watermark == NOON - 10 * SECOND


@pytest.mark.parametrize(("stamp", "reached"), [(-1, NOON), (0, 0), (1, 1), (NOON - 1, NOON - 1), (NOON, NOON)])
def test_a_record_of_1970_has_a_time_and_one_without_has_none(stamp: int, reached: int) -> None:
    result = cut(cutter(delay_ms=0), [[Sample(A, NOON, 1.0, 0)]], stamped=[stamp])
    assert result.watermark == reached
