"""Prometheus remote write 1.0 (``application/x-protobuf``): a ``WriteRequest`` in protobuf, compressed with snappy's block format.

https://prometheus.io/docs/specs/prw/remote_write_spec/. Staleness markers are kept to the bit. A sender repeats its series in every request,
and mostly with one sample each, so a series is recognised by the bytes of its labels, and the samples of a request are read as columns.

``remote_write_pb2.py`` and ``.pyi`` are generated, by the oldest compiler whose output runs with protobuf 5.29 and 6::

    pip install 'grpcio-tools==1.71.*'
    python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. schemas/codecs/remote_write.proto
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

import cramjam
import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError as ProtobufError
from google.protobuf.unknown_fields import UnknownFieldSet

from schemas.batch import Float64, Int64
from schemas.builder import BatchBuilder
from schemas.codecs.base import MAX_TS, DecodeError, time_refusal
from schemas.codecs.remote_write_pb2 import Label, Sample, TimeSeries, WriteRequest
from schemas.codecs.signatures import form_of
from schemas.records import REMOTE_WRITE, BadLine
from schemas.series import METRIC_NAME, metric_text, split_labels

MAX_DECODED_BYTES = 32 << 20
"""A request that says it is longer than this once decompressed is refused, before anything is allocated for it."""

CACHED_SERIES = 500_000
"""Series recognised by their bytes (some 150 MB); the cache begins anew past it."""

# A sample at the end of its series: field 2, 16 bytes; field 1, eight bytes of value; field 2, a varint of six bytes (1971 to 2109).
TAIL = 18
_TAIL_MARKS = ((0, 0x12), (1, 16), (2, 0x09), (11, 0x10))
# The same where the value is zero, which protobuf leaves out.
_ZERO_TAIL = 9
_ZERO_MARKS = b"\x12\x07\x10"
_ZERO_VALUE = b"\x12\x10\x09" + bytes(8) + b"\x10"
_VARINT_SHIFTS = np.arange(0, 42, 7, dtype=np.int64)
_CORTEX_SOURCE = 2
# How a request begins: with its series or metadata; in version 2.0 with symbols or series.
_FIELDS = (b"\x0a", b"\x1a", b"\x22", b"\x2a")
# A literal of snappy is longer than 60 bytes if its tag says so: 60 to 63 mean one to four bytes of length.
_LONG_LITERAL = 59
_EMPTY_BLOCK = b"\x00"
_SHOWN = 200


class RemoteWriteCodec:
    """Decodes write requests; a bad series is a bad line, counted from 1, and its neighbours are decoded.

    Exemplars and native histograms have no place in a batch: a series that has any is reported as a bad line, its float samples are
    taken all the same.
    """

    content_type = REMOTE_WRITE

    def __init__(self, builder: BatchBuilder) -> None:
        self._builder = builder
        self._series = cast("dict[object, int]", builder.cache())

    def decode(self, value: bytes, default_ts: int = -1, latest_ts: int = MAX_TS) -> list[BadLine]:
        """See :class:`schemas.codecs.base.Codec`; ``default_ts`` is not used, every sample has its time."""
        series = _request(value).timeseries
        known = self._series.get
        numbers: list[int] = []
        ids: list[int] = []
        tails: list[bytes] = []
        others: list[int] = []
        for number, one in enumerate(series):
            found = known(one[:-TAIL])
            if found is not None:
                tails.append(one[-TAIL:])
            elif one[-_ZERO_TAIL:].startswith(_ZERO_MARKS) and (found := known(one[:-_ZERO_TAIL])) is not None:
                tails.append(_ZERO_VALUE + one[3 - _ZERO_TAIL :])
            else:
                others.append(number)
                continue
            ids.append(found)
            numbers.append(number)
        if ids:
            ts, values, good = read_tails(b"".join(tails))
            good &= ts <= latest_ts
            if good.all():
                self._add_columns(ids, ts, values)
            else:
                self._add_columns(np.array(ids, np.int64)[good], ts[good], values[good])
                others += np.array(numbers)[~good].tolist()
                others.sort()
        bad = []
        for number in others:
            one = series[number]
            reason = self._add_series(one, latest_ts)
            if reason is not None:
                bad.append(BadLine(number + 1, one, reason))
        return bad

    def _add_columns(self, ids: list[int] | Int64, ts: Int64, values: Float64) -> None:
        pairs = np.asarray(ids, np.int64)
        self._builder.add_samples(pairs >> 32, ts, (pairs & 0xFFFFFFFF).astype(np.int32), values)

    def _add_series(self, encoded: bytes, latest_ts: int) -> str | None:
        """Add the samples of one series; the reason why it, or something in it, is refused."""
        try:
            series = TimeSeries.FromString(encoded)
        except ProtobufError:
            return "not a TimeSeries message, or a label that is not UTF-8"
        samples = [(sample.timestamp, sample.value) for sample in series.samples]
        for ts, _ in samples:
            if not self._builder.earliest_ts <= ts <= latest_ts:
                return time_refusal(ts, latest_ts)
        if samples:
            try:
                target, metric = self._identify(series)
            except ValueError as error:
                return str(error)
            ids = np.full(len(samples), metric, np.int32)
            times, values = zip(*samples, strict=True)
            self._builder.add_samples(np.full(len(samples), target), np.array(times), ids, np.array(values))
        refused = [("exemplars", len(series.exemplars)), ("native histograms", len(series.histograms))]
        if len(samples) == 1:
            self._remember(encoded, series, target << 32 | metric)
        if any(count for _, count in refused):
            what = " and ".join(f"{kind} ({count})" for kind, count in refused if count)
            return f"{what} are not supported; the float samples of the series ({len(samples)}) were taken"
        return None

    def _identify(self, series: TimeSeries) -> tuple[int, int]:
        labels = {label.name: label.value for label in series.labels}
        if len(labels) < len(series.labels):
            raise ValueError(f"a label name is given twice: {_shown(series)}")
        if "" in labels:
            raise ValueError(f"a label has no name: {_shown(series)}")
        name = labels.pop(METRIC_NAME, "")
        if not name:
            raise ValueError(f"no metric name (label {METRIC_NAME}): {_shown(series)}")
        target, rest = split_labels(labels, self._builder.target_labels)
        return self._builder.targets.id(target), self._builder.metrics.id(metric_text(name, rest))

    def _remember(self, encoded: bytes, series: TimeSeries, ids: int) -> None:
        """Keep the bytes before the last sample, if they are the labels and nothing else."""
        length = _ZERO_TAIL if encoded[-_ZERO_TAIL:].startswith(_ZERO_MARKS) else TAIL
        labels = encoded[:-length]
        series.ClearField("samples")
        if series.SerializeToString() == labels:
            if len(self._series) >= CACHED_SERIES:
                self._series.clear()
            self._series[labels] = ids


def is_request(value: bytes) -> bool:
    """Whether bytes are a write request as a whole: of any version, in a snappy block."""
    # A block is its length and then a literal, a request one of its fields: what begins otherwise need not be decompressed.
    at = 0
    while at < min(4, len(value)) and value[at] >= 0x80:
        at += 1
    tag = value[at + 1 : at + 2]
    if not tag:
        return value == _EMPTY_BLOCK
    size = tag[0] >> 2
    at += 2 + max(size - _LONG_LITERAL, 0)
    if tag[0] & 3 or value[at : at + 1] not in _FIELDS:
        return False
    try:
        if cramjam.snappy.decompress_raw_len(value) > MAX_DECODED_BYTES:
            return True
        WriteRequest.FromString(bytes(cramjam.snappy.decompress_raw(value)))
    except (cramjam.DecompressionError, ProtobufError):
        return False
    return True


def is_plain_request(value: bytes) -> bool:
    """Whether bytes are a write request without the compression that the protocol asks for."""
    if value[:1] not in _FIELDS:
        return False
    try:
        series = WriteRequest.FromString(value).timeseries
        return any(TimeSeries.FromString(one).labels for one in series[:1])
    except ProtobufError:
        return False


def _not_snappy(value: bytes, error: Exception) -> str:
    form = "protobuf that is not compressed" if is_plain_request(value) else form_of(value)
    if form is None:
        return f"not in snappy's block format: {error}"
    return f"{form}: remote write is protobuf in snappy's block format"


def _request(value: bytes) -> WriteRequest:
    try:
        length = cramjam.snappy.decompress_raw_len(value)
        if length > MAX_DECODED_BYTES:
            raise DecodeError(
                f"decompresses to {length} bytes; at most {MAX_DECODED_BYTES} are read: send smaller batches"
            )
        data = bytes(cramjam.snappy.decompress_raw(value))
    except cramjam.DecompressionError as error:
        raise DecodeError(_not_snappy(value, error)) from None
    try:
        request: WriteRequest = WriteRequest.FromString(data)
    except ProtobufError:
        raise DecodeError("not a WriteRequest message") from None
    unknown = {field.field_number for field in UnknownFieldSet(request)} - {_CORTEX_SOURCE}
    if unknown:
        fields = ", ".join(map(str, sorted(unknown)))
        raise DecodeError(
            f"not a WriteRequest of remote write 1.0: unknown field {fields}; remote write 2.0 is not supported"
        )
    return request


def read_tails(tails: bytes) -> tuple[Int64, Float64, npt.NDArray[np.bool_]]:
    """Times, values, and which rows are samples of the expected form.

    Args:
        tails: encoded samples of :data:`TAIL` bytes each, as they stand in a ``TimeSeries``: times of 1971 to 2109, values other than zero.
    """
    rows = np.frombuffer(tails, np.uint8).reshape(-1, TAIL)
    good = (rows[:, 12:17] >= 0x80).all(axis=1) & (rows[:, 17] < 0x80)
    for column, mark in _TAIL_MARKS:
        good &= rows[:, column] == mark
    values = np.ascontiguousarray(rows[:, 3:11]).view("<f8").reshape(-1)
    ts = ((rows[:, 12:] & 0x7F).astype(np.int64) << _VARINT_SHIFTS).sum(axis=1)
    return ts, values, good


def _shown(series: TimeSeries) -> str:
    text = ", ".join(f"{label.name}={label.value!r}" for label in series.labels) or "no labels"
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def encode_labels(labels: Mapping[str, str]) -> bytes:
    """The labels of a series (``__name__`` among them) as :func:`encode_write_request` takes them, sorted by name as the specification asks."""
    series = TimeSeries(labels=[Label(name=name, value=value) for name, value in sorted(labels.items())])
    return bytes(series.SerializeToString())


def encode_write_request(series: Iterable[tuple[Mapping[str, str] | bytes, Iterable[tuple[float, int]]]]) -> bytes:
    """A compressed write request of series: labels and samples as (value, ms).

    Labels may be the bytes of :func:`encode_labels`, to encode them once.
    """
    encoded = [
        (labels if isinstance(labels, bytes) else encode_labels(labels))
        + TimeSeries(samples=[Sample(value=value, timestamp=ts) for value, ts in samples]).SerializeToString()
        for labels, samples in series
    ]
    return bytes(cramjam.snappy.compress_raw(WriteRequest(timeseries=encoded).SerializeToString()))
