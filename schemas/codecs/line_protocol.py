"""InfluxDB line protocol (``application/vnd.influx.line-protocol``), as Telegraf writes it.

Each numeric field of a line is a sample of the metric ``measurement_field`` (the field ``value``: ``measurement`` alone); tags are its labels,
a boolean is 1 or 0. A string field carries no number: it is counted as skipped, and is no sample.

Two ways lead through a line and agree, which a property test holds them to: :mod:`schemas.codecs.line_syntax` reads anything;
of a plain line (no escapes in its fields) the head is looked up, and the fields are rewritten to a JSON object, which orjson parses at C speed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, ValuesView
from typing import cast

import numpy as np
import orjson

from schemas.batch import Int32
from schemas.builder import BatchBuilder
from schemas.codecs.base import MAX_TS, DecodeError, time_refusal
from schemas.codecs.line_syntax import NANOSECONDS, Point, decode_text, parse_head, parse_line
from schemas.codecs.signatures import form_of
from schemas.records import LINE_PROTOCOL, BadLine
from schemas.series import MEASUREMENT_ORIGIN, METRIC_NAME, metric_text, split_labels
from schemas.units import Precision

CACHED_HEADS = 500_000
CACHED_SHAPES = 100_000
CACHED_FIELD_SETS = 64
"""Bounds of the caches, in entries: ``measurement,tags`` texts; measurements with their metric labels; sets of fields of each of those."""

BYTE_ORDER_MARK = "\ufeff"
"""Some editors put it before a text; before a line it is no part of the measurement."""

_NS_PER_MS = 1_000_000
_STRING = '""'
# In a head every backslash before a space escapes it, whatever stands before the backslash.
_HEAD_END = re.compile(r" (?<!\\ )")
# JSON knows no negative integer zero, line protocol does (the float -0), and no integer -0.0 (which -0i would become).
_NEGATIVE_ZERO = re.compile(r"=-0i?(?:[, ]|\Z)")
_PLAIN_FIELD = re.compile(r"[^\x00-\x1f\x7f ,=\"\\\ud800-\udfff]+\Z")
# From here on the distance between neighbouring floats hides whether an integer is in the range of 64 bits.
_LARGE = 9.2e18
_MAX_DIGITS = 19

Labels = tuple[tuple[str, str], ...]


class _Shape:
    """What lines of one measurement and one set of metric labels share: the metric ids of their fields."""

    def __init__(self, measurement: str, labels: Labels) -> None:
        self.measurement = measurement
        self.labels = labels
        self.origin = MEASUREMENT_ORIGIN + measurement
        self.field_sets: dict[tuple[str, ...], Int32] = {}

    def metrics(self, fields: tuple[str, ...], builder: BatchBuilder) -> Int32:
        """Metric ids of these fields."""
        found = self.field_sets.get(fields)
        if found is None:
            names = [self.measurement if field == "value" else f"{self.measurement}_{field}" for field in fields]
            metrics = builder.metrics
            ids = [metrics.id_from(metric_text(name, self.labels), self.origin) for name in names]
            found = np.array(ids, np.int32)
            if len(self.field_sets) >= CACHED_FIELD_SETS:
                self.field_sets.clear()
            self.field_sets[fields] = found
        return found


class LineProtocolCodec:
    """Decodes line protocol; timestamps are in ``precision`` and are cut to whole milliseconds, downwards."""

    content_type = LINE_PROTOCOL

    def __init__(self, builder: BatchBuilder, precision: Precision = "ns") -> None:
        self._builder = builder
        self._precision: Precision = precision
        self._earliest_ts = builder.earliest_ts
        factor = NANOSECONDS[precision]
        # A timestamp in whole milliseconds is its first digits, or a multiple of it.
        self._whole_ms = min(len(str(factor)) - len(str(_NS_PER_MS)), 0) or None
        self._ms = max(factor // _NS_PER_MS, 1)
        self._ns = factor
        # Lines of one interval mostly share their timestamp.
        self._last_time, self._last_ts, self._last_fine = "0", 0, 0
        self._heads = cast("dict[object, tuple[int, _Shape]]", builder.cache())
        self._shapes = cast("dict[object, _Shape]", builder.cache())

    def decode(self, value: bytes, default_ts: int = -1, latest_ts: int = MAX_TS) -> list[BadLine]:
        """See :class:`schemas.codecs.base.Codec`; a bad line, never the whole record, is refused, unless its bytes are known to be another form's."""
        text = decode_text(value)
        bad: list[BadLine] = []
        if '"' not in text and "=-0" not in text and not _has_escapes(text):
            # No strings, so lines are what newlines separate; and one rewriting serves them all.
            lines = zip(text.split("\n"), _rewrite(text).split("\n"), strict=True)
            for number, (line, rewritten) in enumerate(lines, 1):
                head, _, rest = rewritten.partition(" ")
                if line and not self._add_plain(head, rest, 0, default_ts, latest_ts):
                    self._add_any(line, 0, number, default_ts, latest_ts, bad)
            return _checked(bad, value) if bad else bad
        position, number = 0, 1
        while position < len(text):
            end = text.find("\n", position)
            line = text[position : len(text) if end < 0 else end]
            parts = _plain_parts(line)
            if parts is not None and self._add_plain(*parts, default_ts, latest_ts):
                end = position + len(line) + 1
            else:
                end = self._add_any(text, position, number, default_ts, latest_ts, bad)
            number += text.count("\n", position, end)
            position = end
        return _checked(bad, value) if bad else bad

    def _add_plain(self, head: str, rest: str, strings: int, default_ts: int, latest_ts: int) -> bool:
        """Add a rewritten line; False, and nothing added, if it must be parsed. ``strings`` of its values are ``""``."""
        known = self._heads.get(head)
        if known is None:
            known = self._new_head(head)
            if known is None:
                return False
        fields, _, time = rest.partition(" ")
        if not time:
            ts, fine = default_ts, 0
        elif time == self._last_time:
            ts, fine = self._last_ts, self._last_fine
        elif len(time) <= _MAX_DIGITS and time.isascii() and time.isdigit():
            ts = int(time[: self._whole_ms] or 0) * self._ms
            fine = int(time[self._whole_ms :]) * self._ns if self._whole_ms else 0
            self._last_time, self._last_ts, self._last_fine = time, ts, fine
        else:
            return False
        if not self._earliest_ts <= ts <= latest_ts:
            return False
        # 12i is the JSON number 12.0; 1.5i becomes 1.5.0, which is none.
        body = (fields + ',"').replace('i,"', '.0,"')
        try:
            document: dict[str, float | str] = orjson.loads('{"' + body[:-2] + "}")
        except orjson.JSONDecodeError:
            return False
        if len(document) != body.count(","):
            # A key given twice, or a comma inside a key.
            return False
        if strings:
            if not all(map(_PLAIN_FIELD.match, document)):
                return False
            document = {key: value for key, value in document.items() if value != ""}
        values = cast("ValuesView[float]", document.values())
        try:
            # At C speed: raises for what is no number, and bounds the largest of them.
            in_range = math.hypot(*values) < _LARGE
        except TypeError:
            return False
        if not in_range:
            return False
        target, shape = known
        keys = tuple(document)
        metrics = shape.field_sets.get(keys)
        if metrics is None:
            if not all(map(_PLAIN_FIELD.match, keys)):
                return False
            metrics = shape.metrics(keys, self._builder)
        if strings:
            self._builder.skip(strings)
        self._builder.add_run(target, ts, metrics, values, fine)
        return True

    def _add_any(self, text: str, start: int, number: int, default_ts: int, latest_ts: int, bad: list[BadLine]) -> int:
        """Parse the line at ``start`` and add it, or say in ``bad`` why not; returns where the next line begins."""
        begin = start + text.startswith(BYTE_ORDER_MARK, start)
        result, end = parse_line(text, begin, number, self._precision)
        if isinstance(result, Point):
            reason = self._add_point(result, default_ts, latest_ts)
            if reason is not None:
                source = text[start:end].rstrip("\r\n")
                bad.append(BadLine(number, source.encode(), reason))
        elif result is not None:
            bad.append(result)
        return end

    def _add_point(self, point: Point, default_ts: int, latest_ts: int) -> str | None:
        """Add a parsed line; the reason why not, if it is refused."""
        if point.time is None and default_ts < 0:
            return "no timestamp, and the record has no time of its own"
        ts, fine = (default_ts, 0) if point.time is None else divmod(point.time, _NS_PER_MS)
        if not self._earliest_ts <= ts <= latest_ts:
            raw = None if point.time is None else point.time // NANOSECONDS[self._precision]
            return time_refusal(ts, latest_ts, raw, self._precision, "--precision")
        if any(key == METRIC_NAME for key, _ in point.tags):
            return f"tag {METRIC_NAME}: the name of the metric is made of measurement and field"
        target, shape = self._identify(point.measurement, point.tags)
        numeric = [field for field in point.fields if field.type != "string"]
        self._builder.skip(len(point.fields) - len(numeric))
        if numeric:
            metrics = shape.metrics(tuple([field.key for field in numeric]), self._builder)
            self._builder.add_run(target, ts, metrics, [float(field.value) for field in numeric], fine)
        return None

    def _new_head(self, head: str) -> tuple[int, _Shape] | None:
        parsed = parse_head(_restore(head))
        # A byte order mark is no part of a measurement.
        if parsed is None or head.startswith(BYTE_ORDER_MARK) or any(key == METRIC_NAME for key, _ in parsed[1]):
            return None
        if len(self._heads) >= CACHED_HEADS:
            self._heads.clear()
        known = self._heads[head] = self._identify(*parsed)
        return known

    def _identify(self, measurement: str, tags: Iterable[tuple[str, str]]) -> tuple[int, _Shape]:
        target, labels = split_labels(dict(tags), self._builder.target_labels)
        return self._builder.targets.id(target), self._shape(measurement, tuple(sorted(labels)))

    def _shape(self, measurement: str, labels: Labels) -> _Shape:
        found = self._shapes.get((measurement, labels))
        if found is None:
            if len(self._shapes) >= CACHED_SHAPES:
                self._shapes.clear()
            found = self._shapes[measurement, labels] = _Shape(measurement, labels)
        return found


def _checked(bad: list[BadLine], value: bytes) -> list[BadLine]:
    """Bad lines, unless they are all the lines there are, because the record is of another form.

    Raises:
        DecodeError: it is.
    """
    form = form_of(value)
    if form is not None and len(bad) >= sum(bool(line.strip()) for line in value.split(b"\n")):
        raise DecodeError(f"{form}: line protocol is text")
    return bad


def _rewrite(text: str) -> str:
    """Fields without quotes as the inside of a JSON object, but for the quote before the first key; heads as texts that are as distinct."""
    return text.replace("=", '":').replace(",", ',"')


def _restore(head: str) -> str:
    """What :func:`_rewrite` made of a text without quotes, made good."""
    return head.replace(',"', ",").replace('":', "=")


def _has_escapes(text: str) -> bool:
    # Tabs and carriage returns are white space in JSON, and none in line protocol.
    return "\\" in text or "\t" in text or "\r" in text


def _plain_parts(line: str) -> tuple[str, str, int] | None:
    """Head and rest of a line, rewritten, its strings emptied, and their number; None if it must be parsed."""
    found = _HEAD_END.search(line)
    if found is None:
        return None
    head, rest = line[: found.start()], line[found.end() :]
    if '"' in head or _has_escapes(rest) or ("=-0" in rest and _NEGATIVE_ZERO.search(rest)):
        return None
    parts = rest.split('"')
    if len(parts) > 1:
        if not len(parts) % 2 or not rest.isascii():
            return None
        rest = _STRING.join(parts[::2])
    return _rewrite(head), _rewrite(rest), len(parts) // 2
