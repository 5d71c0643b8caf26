from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.batch import (
    MAX_OFFSET,
    MAX_PARTITIONS,
    MIN_WATERMARK,
    SampleBatch,
    compact_dictionary,
    concat,
    decode,
    encode,
    merge_dictionaries,
    read_attributes,
    read_newest,
    sequence,
    to_arrow,
    write_ipc,
)
from tests.schemas.rows import STALE, rows, text, times, values


def batch(
    samples: list[tuple[str, str, int, float]], watermark: int = MIN_WATERMARK, late: bool = False
) -> SampleBatch:
    targets = list(dict.fromkeys(sample[0] for sample in samples))
    metrics = list(dict.fromkeys(sample[1] for sample in samples))
    return SampleBatch(
        targets=targets,
        metrics=metrics,
        target=np.array([targets.index(sample[0]) for sample in samples], np.int32),
        metric=np.array([metrics.index(sample[1]) for sample in samples], np.int32),
        ts=np.array([sample[2] for sample in samples], np.int64),
        value=np.array([sample[3] for sample in samples], np.float64),
        seq=np.arange(len(samples), dtype=np.int64),
        watermark=watermark,
        late=late,
    )


samples = st.lists(st.tuples(text, text, times, values), max_size=12)


@given(samples, st.integers(MIN_WATERMARK, 1 << 50), st.booleans())
def test_wire_form_reads_back(found: list[tuple[str, str, int, float]], watermark: int, late: bool) -> None:
    before = batch(found, watermark, late)
    after = decode(encode(before))
    assert rows(after) == rows(before)
    assert after.seq.tolist() == before.seq.tolist()
    assert (after.watermark, after.late) == (watermark, late)


@given(st.lists(st.tuples(text, text, times, values), min_size=1, max_size=12))
def test_the_newest_event_time_is_read_from_the_wire_form(found: list[tuple[str, str, int, float]]) -> None:
    assert read_newest(encode(batch(found))) == max(ts for _, _, ts, _ in found)


@pytest.mark.parametrize(("watermark", "late"), [(7, True), (-3, False), (MIN_WATERMARK, False)])
def test_watermark_and_lateness_are_read_without_the_rows(watermark: int, late: bool) -> None:
    assert read_attributes(encode(batch([("{}", "up", 1, 1.0)], watermark, late))) == (watermark, late)


def test_wire_form_keeps_the_staleness_marker() -> None:
    assert rows(decode(encode(batch([("{}", "up", 1, STALE)]))))[0].bits == 0x7FF0000000000002


def test_wire_form_holds_target_time_and_position_once_a_scrape() -> None:
    scrape = [("{}", f"m{index}", 1, float(index)) for index in range(10_000)]
    one = batch(scrape)
    one = replace(one, seq=np.zeros_like(one.seq))
    apart = replace(one, seq=np.arange(len(one)))
    assert len(encode(one)) < one.value.nbytes + one.metric.nbytes + 60 * len(one.metrics)
    assert len(encode(apart)) > len(encode(one)) + 4 * len(one)


@given(samples, st.data())
def test_compact_keeps_the_samples_and_drops_unused_entries(
    found: list[tuple[str, str, int, float]], data: st.DataObject
) -> None:
    whole = batch(found)
    kept = np.array(sorted(data.draw(st.sets(st.integers(0, len(found) - 1)) if found else st.just(set()))), np.intp)
    part = whole.take(kept)
    compact = part.compact()
    assert rows(compact) == rows(part) == [rows(whole)[i] for i in kept]
    assert compact.seq.tolist() == part.seq.tolist() == kept.tolist()
    assert set(compact.targets) == {row.target for row in rows(part)}
    assert set(compact.metrics) == {row.metric for row in rows(part)}


@given(st.lists(samples, min_size=1, max_size=4))
def test_concat_is_all_samples_in_order_over_one_dictionary(parts: list[list[tuple[str, str, int, float]]]) -> None:
    whole = concat([batch(part) for part in parts])
    assert rows(whole) == [row for part in parts for row in rows(batch(part))]
    assert len(set(whole.targets)) == len(whole.targets)
    assert len(set(whole.metrics)) == len(whole.metrics)


@pytest.mark.parametrize(("late", "all_late"), [([True, True], True), ([True, False], False)])
def test_concat_takes_the_latest_watermark_and_is_late_if_all_are(late: list[bool], all_late: bool) -> None:
    whole = concat(
        [batch([("{}", "up", 1, 1.0)], watermark, is_late) for watermark, is_late in zip([5, 3], late, strict=True)]
    )
    assert (whole.watermark, whole.late) == (5, all_late)


def test_what_was_overtaken_goes_along_and_concat_takes_the_latest() -> None:
    one = replace(batch([("{}", "up", 1, 1.0)]), overtaken=4)
    assert decode(encode(one)).overtaken == 4
    assert concat([replace(one, overtaken=3), one, batch([])]).overtaken == 4


def test_a_batch_that_does_not_say_what_was_overtaken_is_read() -> None:
    with pa.ipc.open_stream(encode(replace(batch([("{}", "up", 1, 1.0)]), overtaken=4))) as reader:
        stored = reader.read_next_batch()
    rest = {key: value for key, value in stored.schema.metadata.items() if key != b"overtaken"}
    assert decode(write_ipc(stored.replace_schema_metadata(rest))).overtaken == MIN_WATERMARK


def test_dictionaries_without_columns() -> None:
    entries, index = merge_dictionaries([])
    assert (entries, index.tolist(), index.dtype) == ([], [], np.int32)
    assert compact_dictionary(["a", "b"], np.empty(0, np.int32))[0] == []


@given(st.integers(0, MAX_OFFSET - 1), st.integers(0, MAX_PARTITIONS - 1), st.integers(0, MAX_OFFSET - 1))
def test_sequence_orders_by_offset_and_fits_64_bits(offset: int, partition: int, other: int) -> None:
    assert (sequence(partition, offset) < sequence(0, other)) == (offset < other)
    assert 0 <= sequence(partition, offset) < 1 << 63


@pytest.mark.parametrize("data", [b"", b"no arrow", encode(batch([("{}", "up", 1, 1.0)]))[:40]])
def test_decode_refuses_what_is_no_stream(data: bytes) -> None:
    with pytest.raises((pa.ArrowInvalid, OSError)):
        decode(data)
    with pytest.raises((pa.ArrowInvalid, OSError)):
        read_newest(data)


def with_remainders() -> SampleBatch:
    """Samples of one metric from two measurements, and of two times in one millisecond."""
    one = batch([("{}", "a_b_c", 1, 1.0), ("{}", "up", 1, 2.0), ("{}", "other", 1, 3.0)])
    metrics, origins = ["unused", "a_b_c", "a_b_c", "up"], ["measurement z", "measurement a", "measurement a_b", ""]
    metric = np.array([1, 2, 3], np.int32)
    return replace(one, metrics=metrics, origins=origins, metric=metric, fine=np.array([0, 7, 999_999], np.int32))


def named(found: SampleBatch) -> list[tuple[str, str, int]]:
    """Of each sample the metric, its origin and the nanoseconds."""
    origins = found.origins or [""] * len(found.metrics)
    fine = np.zeros(len(found), np.int32) if found.fine is None else found.fine
    return [(found.metrics[metric], origins[metric], each) for metric, each in zip(found.metric, fine, strict=True)]


def test_origins_and_nanoseconds_go_along() -> None:
    whole = with_remainders()
    wanted = [("a_b_c", "measurement a", 0), ("a_b_c", "measurement a_b", 7), ("up", "", 999_999)]
    assert named(whole) == named(decode(encode(whole))) == named(whole.compact()) == wanted
    assert whole.compact().metrics == ["a_b_c", "a_b_c", "up"]
    assert named(whole.take(slice(1, None))) == wanted[1:]
    plain = batch([("{}", "up", 3, 4.0)])
    assert named(concat([plain, whole, plain])) == [("up", "", 0), *wanted, ("up", "", 0)]
    assert len(concat([plain, whole, plain]).metrics) == 4
    assert getattr(concat([plain, whole]).fine, "dtype", None) == np.int32


def test_what_says_nothing_costs_nothing() -> None:
    last = with_remainders().take(slice(2, 3)).compact()
    assert (list(last.origins), named(last)) == ([], [("up", "", 999_999)])
    first = with_remainders().take(slice(0, 1)).compact()
    assert (first.fine, list(first.origins)) == (None, ["measurement a"])
    both = concat([batch([("{}", "up", 3, 4.0)])] * 2)
    assert (both.fine, both.origins) == (None, ())
    assert encode(both) == encode(replace(both, origins=[""]))


def test_two_times_of_one_millisecond_are_two_runs() -> None:
    whole = with_remainders()
    one = replace(whole, seq=np.zeros(3, np.int64))
    assert named(decode(encode(one))) == named(one)


def test_rows_of_arrow_have_each_metric_once() -> None:
    rows_ = to_arrow(with_remainders())
    assert rows_.column("metric").dictionary.to_pylist() == ["unused", "a_b_c", "up"]
    assert rows_.to_pydict() == {
        "target": ["{}"] * 3,
        "metric": ["a_b_c", "a_b_c", "up"],
        "ts": [1, 1, 1],
        "value": [1.0, 2.0, 3.0],
        "seq": [0, 1, 2],
    }
