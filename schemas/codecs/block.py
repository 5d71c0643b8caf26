"""Decoding a block of records of one partition: each by its content type, all into one batch, what cannot be read into dead letters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from schemas.batch import MAX_PARTITIONS, Int64, SampleBatch
from schemas.builder import BatchBuilder, Shared
from schemas.codecs.base import MAX_TS, Codec, DecodeError
from schemas.codecs.content import content_type_of_content, unknown_content
from schemas.codecs.json_scrape import JsonScrapeCodec
from schemas.codecs.line_protocol import LineProtocolCodec
from schemas.codecs.remote_write import RemoteWriteCodec
from schemas.records import JSON_SCRAPE, LINE_PROTOCOL, REMOTE_WRITE, DeadLetter, RawRecord
from schemas.series import DEFAULT_TARGET_LABELS
from schemas.units import Precision

CODECS: Mapping[str, type[Codec]] = {
    codec.content_type: codec for codec in (JsonScrapeCodec, LineProtocolCodec, RemoteWriteCodec)
}
"""Codecs by content type."""

NAMES: Mapping[str, str] = {JSON_SCRAPE: "JSON", LINE_PROTOCOL: "line protocol", REMOTE_WRITE: "remote write"}
"""What people call the formats, by content type."""

MAX_FUTURE_MS = 600_000
_CONTENT_TYPES_KEPT = 1000


def media_type(content_type: str) -> str:
    """The content type without parameters, in lower case: ``Application/JSON; charset=utf-8`` -> ``application/json`` (RFC 9110, 8.3.1)."""
    return content_type.partition(";")[0].strip().lower()


@dataclass(frozen=True)
class DecodedBlock:
    """What became of a block's records.

    Attributes:
        batch: all samples, in the order of the records; ``seq`` set, dictionaries not compacted.
        record: for each sample the index of its record in the block.
        dead_letters: what could not be read, in order.
        records_ok: records without a dead letter.
        skipped: values that carry no number (string fields of line protocol): read, and no sample.
        shared: metrics that this decoder has just seen to be of another measurement than before, too.
    """

    batch: SampleBatch
    record: Int64
    dead_letters: list[DeadLetter]
    records_ok: int
    skipped: int
    shared: tuple[Shared, ...] = ()


class BlockDecoder:
    """Decodes blocks of records. Keeps caches of series between blocks; use one instance from one thread.

    An event time may lie at most ``max_future_ms`` after its record's own timestamp: the watermark follows the newest event time, and one
    sample from the far future would make all honest data late. A record without a timestamp of its own (-1, as from a file), and one whose
    own timestamp itself lies further than that in the future, is held to the time by which it was there (``now_ms`` of
    :meth:`decode_block`), where that is known. With ``max_future_ms=None`` any event time is taken, for replays which produce data of a time
    that is yet to come. Event times before the record's timestamp are never refused for that, so a replay of the past needs nothing.

    Args:
        target_labels: labels of the target part, see :mod:`schemas.series`.
        default_content_type: of records that have no such header; None recognises each by its content (:mod:`schemas.codecs.content`).
        max_future_ms: see above.
        precision: unit of the timestamps in line protocol, ``ns``, ``us``, ``ms`` or ``s``.
        earliest_ms: event times (ms) before it are refused; :data:`schemas.units.EARLIEST_MS` refuses timestamps of the wrong unit.

    Raises:
        ValueError: no such content type.
    """

    def __init__(
        self,
        target_labels: frozenset[str] = DEFAULT_TARGET_LABELS,
        default_content_type: str | None = None,
        max_future_ms: int | None = MAX_FUTURE_MS,
        precision: Precision = "ns",
        earliest_ms: int = 0,
    ) -> None:
        self._builder = BatchBuilder(target_labels, max(earliest_ms, 0))
        self._codecs: dict[str, Codec] = {name: codec(self._builder) for name, codec in CODECS.items()}
        self._codecs[LINE_PROTOCOL] = LineProtocolCodec(self._builder, precision)
        self._by_header: dict[str | None, Codec] = {}
        self._precision: Precision = precision
        self._by_content = default_content_type is None
        if default_content_type is not None:
            default = self._codecs.get(media_type(default_content_type))
            if default is None:
                raise ValueError(_unknown_type(default_content_type))
            self._by_header[None] = default
        self._max_future_ms = MAX_TS if max_future_ms is None else max_future_ms

    def decode_block(
        self, records: Sequence[RawRecord], topic: str, partition: int, now_ms: int | None = None
    ) -> DecodedBlock:
        """Decode records of one partition, in order. Whatever their bytes are, this does not raise; what cannot be read is a dead letter.

        Args:
            records: of the partition.
            topic, partition: where they come from.
            now_ms: the time by which they were there, ms; None if that is not known.
        """
        builder = self._builder
        dead_letters: list[DeadLetter] = []
        dead_records = 0
        latest_own_ts = MAX_TS if now_ms is None else now_ms + self._max_future_ms
        latest_without = MAX_TS if now_ms is None else min(latest_own_ts, MAX_TS)
        for index, record in enumerate(records):
            builder.begin_record(index)
            own_ts = record.timestamp_ms
            is_stamped = 0 < own_ts <= latest_own_ts
            latest_ts = min(own_ts + self._max_future_ms, MAX_TS) if is_stamped else latest_without
            try:
                bad_lines = self._codec(record).decode(record.value, own_ts, latest_ts)
            except DecodeError as error:
                dead_letters.append(_dead_letter(f"{error}{self._taken_for(record)}", topic, partition, record))
                dead_records += 1
                continue
            if bad_lines:
                dead_records += 1
                taken_for = self._taken_for(record)
                for line, text, reason in bad_lines:
                    letter = _dead_letter(f"{reason}{taken_for}", topic, partition, record)
                    dead_letters.append(replace(letter, payload=text, line=line))
        skipped, shared = builder.skipped, tuple(builder.metrics.shared)
        builder.metrics.shared.clear()
        batch, origin = builder.build()
        offsets = np.fromiter((record.offset for record in records), np.int64, len(records))
        seq = (offsets * MAX_PARTITIONS + partition)[origin]
        ok = len(records) - dead_records
        return DecodedBlock(replace(batch, seq=seq), origin, dead_letters, ok, skipped, shared)

    def _codec(self, record: RawRecord) -> Codec:
        header = record.content_type
        codec = self._by_header.get(header)
        if codec is None:
            if header is None:
                found = content_type_of_content(record.value, self._precision)
                if found is None:
                    raise DecodeError(unknown_content(record.value))
                return self._codecs[found]
            codec = self._codecs.get(media_type(header))
            if codec is None:
                raise DecodeError(_unknown_type(header))
            if len(self._by_header) >= _CONTENT_TYPES_KEPT:
                self._by_header = {None: self._by_header[None]} if None in self._by_header else {}
            self._by_header[header] = codec
        return codec

    def _taken_for(self, record: RawRecord) -> str:
        """What to add to the reason of a dead letter whose format nobody named."""
        if record.content_type is not None or not self._by_content:
            return ""
        found = content_type_of_content(record.value, self._precision)
        return f" (without a content type, taken for {NAMES[found]})" if found is not None else ""


def _dead_letter(reason: str, topic: str, partition: int, record: RawRecord) -> DeadLetter:
    return DeadLetter(reason, topic, partition, record.offset, record.value, record.content_type)


def _unknown_type(content_type: str | None) -> str:
    return f"no codec for content type {content_type!r}; known: {', '.join(sorted(CODECS))}"
