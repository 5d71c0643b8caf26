"""Requests and answers of remote read."""

from __future__ import annotations

import contextlib

import cramjam
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codecs.base import DecodeError
from schemas.codecs.remote_read import ReadMatcher, decode_read_response, encode_read_request
from schemas.codecs.remote_read_pb2 import QueryResult, ReadRequest, ReadResponse
from schemas.codecs.remote_write_pb2 import Label, Sample, TimeSeries

STALE = np.array([0x7FF0000000000002], np.uint64).view(np.float64)[0]

labels = st.dictionaries(st.text(min_size=1, max_size=200), st.text(max_size=200), max_size=5)
samples = st.lists(
    st.tuples(
        st.one_of(st.integers(1_000_000_000_000, 2_000_000_000_000), st.integers(0, 1 << 50)),
        st.one_of(st.floats(), st.sampled_from([0.0, -0.0, STALE])),
    ),
    max_size=12,
)


def response(*results: list[tuple[dict[str, str], list[tuple[int, float]]]]) -> bytes:
    encoded = [
        QueryResult(
            timeseries=[
                TimeSeries(
                    labels=[Label(name=name, value=value) for name, value in named.items()],
                    samples=[Sample(timestamp=when, value=value) for when, value in points],
                ).SerializeToString()
                for named, points in series
            ]
        )
        for series in results
    ]
    return bytes(cramjam.snappy.compress_raw(ReadResponse(results=encoded).SerializeToString()))


@given(st.lists(st.lists(st.tuples(labels, samples), max_size=3), max_size=3))
def test_an_answer_is_read_to_the_bit(results: list[list[tuple[dict[str, str], list[tuple[int, float]]]]]) -> None:
    found = list(decode_read_response(response(*results)))
    wanted = [each for series in results for each in series]
    assert len(found) == len(wanted)
    for read, (named, points) in zip(found, wanted, strict=True):
        assert read.labels == named
        assert read.times.tolist() == [when for when, _ in points]
        assert read.values.tobytes() == np.array([value for _, value in points], np.float64).tobytes()


def test_a_request_says_what_is_asked_for() -> None:
    data = encode_read_request([[ReadMatcher("a", "=~", "x.+"), ReadMatcher("b", "!=", "y")]], 5, 9)
    (query,) = ReadRequest.FromString(bytes(cramjam.snappy.decompress_raw(data))).queries
    assert (query.start_timestamp_ms, query.end_timestamp_ms) == (5, 9)
    assert [(it.type, it.name, it.value) for it in query.matchers] == [(2, "a", "x.+"), (1, "b", "y")]


def test_native_histograms_are_counted() -> None:
    encoded = TimeSeries(labels=[Label(name="a", value="b")], histograms=[b"", b""]).SerializeToString()
    answer = ReadResponse(results=[QueryResult(timeseries=[encoded])]).SerializeToString()
    (found,) = decode_read_response(bytes(cramjam.snappy.compress_raw(answer)))
    assert (found.histograms, len(found.times)) == (2, 0)


@pytest.mark.parametrize("body", [b"", b"not snappy", bytes(cramjam.snappy.compress_raw(b"\xff\xff"))])
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    with pytest.raises(DecodeError, match="not an answer"):
        list(decode_read_response(body))


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    answer = ReadResponse(results=[QueryResult(timeseries=[data])]).SerializeToString()
    with contextlib.suppress(DecodeError):
        list(decode_read_response(bytes(cramjam.snappy.compress_raw(answer))))
