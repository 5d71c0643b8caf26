from __future__ import annotations

import struct

import cramjam
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import schemas.codecs.remote_write
from schemas.builder import BatchBuilder
from schemas.codecs.base import DecodeError
from schemas.codecs.remote_write import RemoteWriteCodec, encode_labels, encode_write_request, read_tails
from schemas.codecs.remote_write_pb2 import Label, Sample, TimeSeries, WriteRequest
from schemas.records import BadLine
from schemas.series import METRIC_NAME, metric_text, split_labels
from tests.schemas.rows import STALE, STALE_BITS, Row, decode, labels, names, row, values

UP = {METRIC_NAME: "up", "job": "node", "mode": "idle"}
TARGET, METRIC = '{job="node"}', 'up{mode="idle"}'


def request(*series: TimeSeries) -> bytes:
    return compressed(WriteRequest(timeseries=[one.SerializeToString() for one in series]).SerializeToString())


def compressed(data: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(data))


def series(found: dict[str, str], *samples: tuple[float, int], **other: list[bytes]) -> TimeSeries:
    return TimeSeries(
        labels=[Label(name=name, value=value) for name, value in found.items()],
        samples=[Sample(value=value, timestamp=ts) for value, ts in samples],
        **other,
    )


def read(data: bytes, **times: int) -> tuple[list[Row], list[BadLine], int]:
    builder = BatchBuilder()
    return decode(RemoteWriteCodec(builder), builder, data, **times)


def test_a_request_as_it_stands_on_the_wire() -> None:
    """Bytes written by hand from the specification: field 1 of the request, in it labels (1: name 1, value 2) and samples (2: value 1, ts 2)."""
    label = b"\x0a\x0e" + b"\x0a\x08__name__" + b"\x12\x02up"
    host = b"\x0a\x09" + b"\x0a\x04host" + b"\x12\x01a"
    sample = b"\x12\x10" + b"\x09" + bytes.fromhex("0200000000 00f07f") + b"\x10" + b"\x80\xd0\x95\xff\xbc\x31"
    one = label + host + sample
    metadata = b"\x1a\x04" + b"\x08\x01\x12\x00"
    data = compressed(b"\x0a" + bytes([len(one)]) + one + metadata)
    assert read(data) == ([Row('{host="a"}', "up", 1_700_000_000_000, STALE_BITS)], [], 0)


@given(
    st.lists(
        st.tuples(
            names,
            labels,
            st.lists(st.tuples(values, st.integers(0, 1 << 43) | st.integers(1 << 40, 1 << 41)), max_size=3),
        ),
        max_size=6,
    )
)
def test_encoded_requests_read_back_at_first_and_at_second_sight(
    found: list[tuple[str, dict[str, str], list[tuple[float, int]]]],
) -> None:
    data = encode_write_request(
        ({METRIC_NAME: name, **rest} if i % 2 else encode_labels({METRIC_NAME: name, **rest}), samples)
        for i, (name, rest, samples) in enumerate(found)
    )
    expected = []
    for name, rest, samples in found:
        target, metric_labels = split_labels(rest)
        expected += [row(target, metric_text(name, metric_labels), ts, value) for value, ts in samples]
    builder = BatchBuilder()
    codec = RemoteWriteCodec(builder)
    for _ in range(2):
        samples, bad, _ = decode(codec, builder, data)
        assert sorted(samples) == sorted(expected)
        assert bad == []


@pytest.mark.parametrize("value", [0.0, -0.0, 1.5, STALE, float("inf"), float("nan")])
@pytest.mark.parametrize("ts", [0, 1, 1 << 34, 1 << 35, 1_700_000_000_000, (1 << 42) - 1, 1 << 42, 9_223_372_036_853])
def test_a_known_series_reads_as_an_unknown_one(value: float, ts: int) -> None:
    builder = BatchBuilder()
    codec = RemoteWriteCodec(builder)
    decode(codec, builder, encode_write_request([(UP, [(1.0, 1_700_000_000_000)])]))
    assert list(codec._series) == [encode_labels(UP)]
    found = decode(codec, builder, encode_write_request([(UP, [(value, ts)])]))
    assert found == ([row(TARGET, METRIC, ts, value)], [], 0)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (
            TimeSeries.FromString(series({"a": "b"}, (1, 1)).SerializeToString()),
            "no metric name (label __name__): a='b'",
        ),
        (series({}, (1, 1)), "no metric name (label __name__): no labels"),
        (series({METRIC_NAME: ""}, (1, 1)), "no metric name"),
        (series({METRIC_NAME: "up", "": "x"}, (1, 1)), "a label has no name"),
        (series({**UP, "x": "y" * 999}, (1, -1)), "event time -1 ms lies before 1970"),
        (series(UP, (1, 5), (1, 1 << 60)), "lies after the year 2262"),
        (series(UP, (1, 5001)), "lies too far in the future"),
        (
            series({}, exemplars=[b"", b""]),
            "exemplars (2) are not supported; the float samples of the series (0) were taken",
        ),
        (series(UP, histograms=[b""]), "native histograms (1) are not supported"),
    ],
)
def test_a_bad_series_leaves_its_neighbours(broken: TimeSeries, reason: str) -> None:
    good = series(UP, (2, 3))
    builder = BatchBuilder()
    codec = RemoteWriteCodec(builder)
    for _ in range(2):
        found, bad, _ = decode(
            codec, builder, request(good, broken, good), latest_ts=5000 if "future" in reason else 1 << 43
        )
        assert found == [row(TARGET, METRIC, 3, 2.0)] * 2
        assert [(one.line, one.text) for one in bad] == [(2, broken.SerializeToString())]
        assert reason in bad[0].reason


def test_a_label_given_twice_is_refused() -> None:
    twice = TimeSeries(labels=[Label(name=METRIC_NAME, value="up")] * 2, samples=[Sample(value=1, timestamp=1)])
    _, (bad,), _ = read(request(twice))
    assert bad.reason == "a label name is given twice: __name__='up', __name__='up'"


def test_the_samples_beside_an_exemplar_are_taken() -> None:
    found, (bad,), _ = read(request(series(UP, (1.5, 7), exemplars=[b""])))
    assert found == [row(TARGET, METRIC, 7, 1.5)]
    assert "the float samples of the series (1) were taken" in bad.reason


def test_the_time_of_a_known_series_is_checked() -> None:
    builder = BatchBuilder()
    codec = RemoteWriteCodec(builder)
    now = 1_700_000_000_000
    decode(codec, builder, encode_write_request([(UP, [(1.0, now)])]))
    data = encode_write_request([(UP, [(1.0, now)]), (UP, [(2.0, now + 1)]), (UP, [(3.0, now)])])
    found, bad, _ = decode(codec, builder, data, latest_ts=now)
    assert found == [row(TARGET, METRIC, now, 1.0), row(TARGET, METRIC, now, 3.0)]
    assert [one.line for one in bad] == [2]


def test_two_samples_without_values_are_not_taken_for_one() -> None:
    """They end a series with as many bytes as one sample with a value."""
    builder = BatchBuilder()
    codec = RemoteWriteCodec(builder)
    ts = 1_700_000_000_000
    for _ in range(2):
        decode(codec, builder, encode_write_request([(UP, [(1.0, ts)])]))
        found, bad, _ = decode(codec, builder, encode_write_request([(UP, [(0.0, ts), (0.0, ts + 1)])]))
        assert (found, bad) == ([row(TARGET, METRIC, ts, 0.0), row(TARGET, METRIC, ts + 1, 0.0)], [])


@pytest.mark.parametrize("columns", [1, 2])
def test_known_series_keep_their_targets(columns: int) -> None:
    builder = BatchBuilder()
    codec = RemoteWriteCodec(builder)
    hosts = [({METRIC_NAME: f"up{number}", "host": f"h{number}"}, number + 0.5) for number in range(9)]
    expected = [row(f'{{host="h{n}"}}', f"up{n}", 1_700_000_000_000, n + 0.5) for n in range(9)]
    data = encode_write_request([(labels, [(value, 1_700_000_000_000)]) for labels, value in hosts])
    for _ in range(columns):
        assert decode(codec, builder, data) == (expected, [], 0)


GOOD_TAIL = b"\x12\x10\x09" + struct.pack("<d", 1.5) + b"\x10" + b"\x80\x80\x80\x80\x80\x01"


@pytest.mark.parametrize(
    ("place", "byte"),
    [*((place, 0x7F) for place in range(12, 17)), (17, 0x80), (17, 0xFF), (0, 0x13), (1, 17), (2, 0x0A), (11, 0x11)],
)
def test_only_tails_of_the_form_are_read_as_columns(place: int, byte: int) -> None:
    other = bytearray(GOOD_TAIL)
    other[place] = byte
    ts, values, good = read_tails(GOOD_TAIL + bytes(other) + GOOD_TAIL)
    assert good.tolist() == [True, False, True]
    assert (ts[0], values[0], values.dtype) == (1 << 35, 1.5, np.float64)


@pytest.mark.parametrize(
    ("tail", "refused"),
    [
        (b"\x12\x10\x09" + bytes(8) + b"\x10" + b"\xff" * 6, 1),
        (b"\x0a\x10" + bytes(16), 1),
        # A field of a later version of the protocol, with no samples before it.
        (b"\x78\x01" * 9, 0),
    ],
)
def test_a_known_prefix_with_another_end_is_parsed(tail: bytes, refused: int) -> None:
    builder = BatchBuilder()
    codec = RemoteWriteCodec(builder)
    decode(codec, builder, encode_write_request([(UP, [(1.0, 1_700_000_000_000)])]))
    data = compressed(WriteRequest(timeseries=[encode_labels(UP) + tail]).SerializeToString())
    found = decode(codec, builder, data)
    assert found == read(data)
    assert (found[0], len(found[1])) == ([], refused)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not in snappy's block format"),
        (b"no snappy", "not in snappy's block format"),
        (b"\xff\xff\xff\xff\x0f", "decompresses to 4294967295 bytes; at most 33554432 are read"),
        (compressed(bytes((32 << 20) + 1)), "decompresses to 33554433 bytes"),
        (compressed(b"\x0a\xff"), "not a WriteRequest message"),
        (compressed(b'{"samples": {}}'), "not a WriteRequest"),
        (compressed(b"\x22\x00\x22\x02up\x2a\x00"), "unknown field 4, 5; remote write 2.0 is not supported"),
    ],
)
def test_refuses_the_whole_record(data: bytes, reason: str) -> None:
    builder = BatchBuilder()
    with pytest.raises(DecodeError) as refused:
        RemoteWriteCodec(builder).decode(data)
    assert reason in str(refused.value)
    assert len(builder) == 0


def test_label_text_that_is_no_utf8_is_refused_by_series() -> None:
    data = compressed(WriteRequest(timeseries=[b"\x0a\x03\x0a\x01\xff", encode_labels(UP)]).SerializeToString())
    _, bad, _ = read(data)
    assert [(one.line, one.reason) for one in bad] == [(1, "not a TimeSeries message, or a label that is not UTF-8")]


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas.codecs.remote_write, "CACHED_SERIES", 3)
    builder = BatchBuilder()
    codec = RemoteWriteCodec(builder)
    for number in range(10):
        data = encode_write_request([({METRIC_NAME: f"m{number}"}, [(1.0, 1_700_000_000_000)])])
        assert decode(codec, builder, data)[0] == [row("{}", f"m{number}", 1_700_000_000_000, 1.0)]
        assert 1 <= len(codec._series) <= 3
