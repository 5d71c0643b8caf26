"""Prometheus remote read: requests for raw samples, and the answers, both in protobuf under snappy's block format.

https://prometheus.io/docs/prometheus/latest/querying/remote_read_api/, with the default response type (``SAMPLES``). Staleness markers are
kept to the bit. ``remote_read_pb2.py`` and ``.pyi`` are generated as those of remote write are (:mod:`schemas.codecs.remote_write`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import cramjam
import numpy as np
from google.protobuf.message import DecodeError as ProtobufError

from schemas.batch import Float64, Int64
from schemas.codecs.base import DecodeError
from schemas.codecs.remote_read_pb2 import LabelMatcher, Query, ReadRequest, ReadResponse
from schemas.codecs.remote_write import TAIL, read_tails
from schemas.codecs.remote_write_pb2 import TimeSeries

_TYPES = {"=": LabelMatcher.EQ, "!=": LabelMatcher.NEQ, "=~": LabelMatcher.RE, "!~": LabelMatcher.NRE}
_LABEL_FIELD = 0x0A


class ReadMatcher(NamedTuple):
    """A condition on a label; ``op`` is one of ``=``, ``!=``, ``=~``, ``!~``."""

    name: str
    op: str
    value: str


class ReadSeries(NamedTuple):
    """A series of an answer: ascending times in ms, and values; ``histograms`` counts native histograms, whose samples are not here."""

    labels: dict[str, str]
    times: Int64
    values: Float64
    histograms: int


def encode_read_request(queries: Iterable[Sequence[ReadMatcher]], start_ms: int, end_ms: int) -> bytes:
    """A compressed request for the samples of some selectors in ``[start_ms, end_ms]``."""
    asked = [
        Query(
            start_timestamp_ms=start_ms,
            end_timestamp_ms=end_ms,
            matchers=[LabelMatcher(type=_TYPES[it.op], name=it.name, value=it.value) for it in matchers],
        )
        for matchers in queries
    ]
    return bytes(cramjam.snappy.compress_raw(ReadRequest(queries=asked).SerializeToString()))


def decode_read_response(body: bytes) -> Iterator[ReadSeries]:
    """The series of a compressed answer, those of all its queries one after another.

    Raises:
        DecodeError: it is none.
    """
    try:
        response = ReadResponse.FromString(bytes(cramjam.snappy.decompress_raw(body)))
        for result in response.results:
            for encoded in result.timeseries:
                yield _series(encoded)
    except (cramjam.DecompressionError, ProtobufError, IndexError) as error:
        raise DecodeError(f"not an answer to a remote read: {error}") from None


def _series(encoded: bytes) -> ReadSeries:
    start = _end_of_labels(encoded)
    samples = encoded[start:]
    if samples and len(samples) % TAIL == 0:
        times, values, good = read_tails(samples)
        if good.all():
            return ReadSeries(_labels(TimeSeries.FromString(encoded[:start])), times, values, 0)
    series = TimeSeries.FromString(encoded)
    times = np.array([sample.timestamp for sample in series.samples], np.int64)
    values = np.array([sample.value for sample in series.samples], np.float64)
    return ReadSeries(_labels(series), times, values, len(series.histograms))


def _labels(series: TimeSeries) -> dict[str, str]:
    return {label.name: label.value for label in series.labels}


def _end_of_labels(encoded: bytes) -> int:
    """Where the first field that is no label begins; labels come first in what Prometheus writes."""
    at = 0
    while at < len(encoded) and encoded[at] == _LABEL_FIELD:
        at += 1
        length, shift = 0, 0
        while True:
            byte = encoded[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        at += length
    return at
