"""JSON scrape documents (``application/json``): what one scrape of one target yielded, or an array of such.

::

    {"labels": {"job": "node", "host": "web-1"},
     "timestamp": 1700000000000,
     "samples": {"cpu_seconds_total{mode=\\"idle\\"}": 12.5, "load1": 0.4, "temp": "NaN"}}

``scrape.schema.json`` beside this module is the document's JSON Schema, docs/formats.md the mapping to series.
The scrapes of a target repeat their keys, so the ids of a whole tuple of keys are cached: a known scrape costs no Python work per sample.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple, NoReturn, cast

import numpy as np
import orjson

from schemas.batch import Int32, SampleBatch
from schemas.builder import BatchBuilder
from schemas.codecs.base import MAX_TS, DecodeError, time_refusal
from schemas.codecs.json_repeats import Repeating, parse_exactly
from schemas.codecs.json_texts import leading_texts
from schemas.codecs.notation import parse_series
from schemas.codecs.signatures import form_of
from schemas.records import JSON_SCRAPE, BadLine
from schemas.series import LABELS_ORIGIN, METRIC_NAME, labels_text, metric_text, parse_labels

STALE_NAN_BITS = 0x7FF0000000000002
"""The NaN by which Prometheus marks that a series has ended (``model/value/value.go``)."""

CACHED_TARGETS = 200_000
CACHED_KEYS = 500_000
"""Sample keys held by the cache of key tuples, all tuples together; that cache begins anew past it, as does the cache of targets past its own."""

_STALE_NAN: float = struct.unpack("<d", struct.pack("<Q", STALE_NAN_BITS))[0]
_SPECIAL = {"NaN": math.nan, "+Inf": math.inf, "-Inf": -math.inf, "StaleNaN": _STALE_NAN}
_NUMBERS = frozenset({int, float})
_DOCUMENT_KEYS = frozenset({"labels", "timestamp", "samples"})
_SHOWN = 200

Labels = tuple[tuple[str, str], ...]


class _Target(NamedTuple):
    """The ``labels`` of a document: ``id`` of their target part, those which belong to the metric part of every sample, and the commas in JSON."""

    id: int
    labels: Mapping[str, str]
    common: Labels
    commas: int


class _Group(NamedTuple):
    """Samples of a document that share the target labels found in their keys; ``rows`` is None for all samples, in their order."""

    moved: Labels
    rows: tuple[int, ...] | None
    metrics: Int32


_Document = tuple[_Target, int, list[_Group], "Collection[float]", int]
"""A document that can be added: target, event time, samples, and the commas that its text has, unless a key is given twice or a comma is escaped."""


class JsonScrapeCodec:
    """Decodes scrape documents; of an array a bad document is a bad line, counted from 1, and its neighbours are decoded.

    Documents one behind the other are taken as an array of them.
    """

    content_type = JSON_SCRAPE

    def __init__(self, builder: BatchBuilder) -> None:
        self._builder = builder
        self._targets = cast("dict[object, _Target]", builder.cache())
        self._layouts = cast("dict[object, tuple[list[_Group], int]]", builder.cache())
        self._series = cast("dict[object, tuple[Labels, int]]", builder.cache())
        self._held = 0

    def decode(self, value: bytes, default_ts: int = -1, latest_ts: int = MAX_TS) -> list[BadLine]:
        """See :class:`schemas.codecs.base.Codec`."""
        try:
            document = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            document, left = _several(value, error)
            if type(document) is not list:
                self._put(self._read(document, default_ts, latest_ts))
                return []
            read, bad = self._read_each(document, value, default_ts, latest_ts)
            for each in read:
                self._put(each)
            behind = "not JSON, behind documents that are"
            return bad if left is None else [*bad, BadLine(len(document) + 1, left, behind)]
        if type(document) is not list:
            self._add(document, value, default_ts, latest_ts)
            return []
        return self._add_all(document, value, default_ts, latest_ts)

    def _add_all(self, documents: list[Any], value: bytes, default_ts: int, latest_ts: int) -> list[BadLine]:
        """Add the documents of an array; those that cannot be read are bad lines."""
        read, bad = self._read_each(documents, value, default_ts, latest_ts)
        commas = len(documents) - 1 + sum(each[-1] for each in read)
        if (bad or commas != value.count(b",")) and (exact := parse_exactly(value)) is not None:
            read, bad = self._read_each(exact, value, default_ts, latest_ts)
        for each in read:
            self._put(each)
        return bad

    def _read_each(
        self, documents: list[Any], value: bytes, default_ts: int, latest_ts: int
    ) -> tuple[list[_Document], list[BadLine]]:
        read: list[_Document] = []
        bad: list[BadLine] = []
        for number, element in enumerate(documents, 1):
            try:
                read.append(self._read(element, default_ts, latest_ts))
            except DecodeError as error:
                bad.append(BadLine(number, _element_text(element, value), str(error)))
        return read, bad

    def _add(self, document: Any, value: bytes, default_ts: int, latest_ts: int) -> None:
        read = self._read(document, default_ts, latest_ts)
        if read[-1] != value.count(b",") and (exact := parse_exactly(value)) is not None:
            read = self._read(exact, default_ts, latest_ts)
        self._put(read)

    def _put(self, read: _Document) -> None:
        target, ts, layout, values, _ = read
        for moved, rows, known in layout:
            place, metrics = self._moved(target, moved, known) if moved else (target.id, known)
            if rows is None:
                self._builder.add_run(place, ts, metrics, values)
            else:
                every = list(values)
                self._builder.add_run(place, ts, metrics, [every[row] for row in rows])

    def _read(self, document: Any, default_ts: int, latest_ts: int) -> _Document:
        if type(document) is not dict:
            _refuse_other(document, "a scrape document is wanted, an object")
        if not document.keys() <= _DOCUMENT_KEYS:
            unknown = ", ".join(sorted(map(_shown, document.keys() - _DOCUMENT_KEYS)))
            raise DecodeError(f"no such key in a scrape document: {unknown}; known: labels, samples, timestamp")
        ts = document.get("timestamp", default_ts)
        if type(ts) is not int:
            ts = _integer(ts)
        if not self._builder.earliest_ts <= ts <= latest_ts:
            if ts < 0 and "timestamp" not in document:
                raise DecodeError("timestamp: missing, and the record has no time of its own")
            raise DecodeError(f"timestamp: {time_refusal(ts, latest_ts)}")
        samples = document.get("samples")
        target = self._target(document.get("labels", {}))
        values: Any
        if type(samples) is dict:
            keys, values = tuple(samples), samples.values()
        elif type(samples) is Repeating:
            keys, values = (tuple(column) for column in zip(*samples.pairs, strict=True))
        else:
            raise DecodeError(f"samples: an object is wanted, not {_shown(samples)}")
        layout, commas = self._layout(keys, target.common)
        if not _NUMBERS.issuperset(map(type, values)):
            values = [_number(key, value) for key, value in zip(keys, values, strict=True)]
        commas += target.commas + len(document)
        return target, ts, layout, values, commas

    def _target(self, labels: Any) -> _Target:
        if type(labels) is not dict:
            _refuse_other(labels, "an object is wanted", "labels: ")
        try:
            raw = orjson.dumps(labels)
        except orjson.JSONEncodeError:
            raise DecodeError("labels: the value of every label must be a string, not an array or an object") from None
        found = self._targets.get(raw)
        if found is None:
            found = self._new_target(labels, raw.count(b","))
            if len(self._targets) >= CACHED_TARGETS:
                self._targets.clear()
            self._targets[raw] = found
        return found

    def _new_target(self, labels: dict[str, Any], commas: int) -> _Target:
        for name, value in labels.items():
            if type(value) is not str:
                raise DecodeError(f"labels[{_shown(name)}]: a string is wanted, not {_shown(value)}")
            if name == METRIC_NAME:
                raise DecodeError("labels: __name__ does not belong here; metric names are the keys of samples")
            if not name:
                raise DecodeError("labels: a label needs a name")
        ours = self._builder.target_labels
        target = {name: value for name, value in labels.items() if name in ours}
        common = tuple(sorted(label for label in labels.items() if label[0] not in ours))
        return _Target(self._builder.targets.id(labels_text(target.items())), target, common, commas)

    def _moved(self, target: _Target, moved: Labels, metrics: Int32) -> tuple[int, Int32]:
        """The target and the metrics of samples whose keys name target labels; the metrics' origins say whose place those take in the document."""
        labels = {**target.labels, **dict(moved)}
        lost = [label for label in target.labels.items() if labels[label[0]] != label[1]]
        if lost:
            known = self._builder.metrics
            origin = LABELS_ORIGIN + labels_text(lost)
            ids = [known.id_from(known.texts[metric], _joined(known.origins[metric], origin)) for metric in metrics]
            metrics = np.array(ids, np.int32)
        return self._builder.targets.id(labels_text(labels.items())), metrics

    def _layout(self, keys: tuple[str, ...], common: Labels) -> tuple[list[_Group], int]:
        """The layout of samples with these keys, and the commas in and between them in JSON, less one: of the document's own keys."""
        cached: object = (common, keys) if common else keys
        found = self._layouts.get(cached)
        if found is None:
            commas = sum(key.count(",") for key in keys) + max(len(keys) - 1, 0) - 1
            found = self._new_layout(keys, common), commas
            self._held = len(keys) + (self._held if self._layouts else 0)
            if self._held > CACHED_KEYS:
                self._layouts.clear()
                self._held = len(keys)
            self._layouts[cached] = found
        return found

    def _new_layout(self, keys: tuple[str, ...], common: Labels) -> list[_Group]:
        rows: dict[Labels, list[int]] = {}
        metrics: dict[Labels, list[int]] = {}
        for row, key in enumerate(keys):
            moved, metric = self._key(key, common)
            rows.setdefault(moved, []).append(row)
            metrics.setdefault(moved, []).append(metric)
        whole = len(rows) == 1
        return [
            _Group(moved, None if whole else tuple(rows[moved]), np.array(metrics[moved], np.int32)) for moved in rows
        ]

    def _key(self, key: str, common: Labels) -> tuple[Labels, int]:
        cached: object = (common, key) if common else key
        found = self._series.get(cached)
        if found is None:
            try:
                name, labels = parse_series(key)
            except ValueError as error:
                raise DecodeError(f"samples[{_shown(key)}]: {error}") from None
            ours = self._builder.target_labels
            moved = tuple(sorted(label for label in labels.items() if label[0] in ours))
            rest = {**dict(common), **{label: value for label, value in labels.items() if label not in ours}}
            lost = [label for label in common if rest[label[0]] != label[1]]
            text, known = metric_text(name, rest.items()), self._builder.metrics
            found = moved, known.id_from(text, LABELS_ORIGIN + labels_text(lost)) if lost else known.id(text)
            if len(self._series) >= CACHED_KEYS:
                self._series.clear()
            self._series[cached] = found
        return found


def _several(value: bytes, error: Exception) -> tuple[Any, bytes | None]:
    """What is JSON in a record that is not as a whole: a document behind a byte order mark, or several, arrays taken apart; and what is left.

    Raises:
        DecodeError: it begins with nothing that is.
    """
    documents, rest = leading_texts(value)
    if not documents:
        raise DecodeError(f"not JSON: {form_of(value) or error}") from None
    found = [parse_exactly(each.text) or orjson.loads(each.text) for each in documents]
    if len(found) == 1 and rest is None:
        return found[0], None
    return [one for each in found for one in (each if type(each) is list else [each])], rest.text if rest else None


def _number(key: str, value: Any) -> float:
    if type(value) in _NUMBERS:
        return cast("float", value)
    if type(value) is str and value in _SPECIAL:
        return _SPECIAL[value]
    raise DecodeError(f"samples[{_shown(key)}]: a number is wanted, not {_shown(value)}")


def _refuse_other(value: Any, wanted: str, where: str = "") -> NoReturn:
    """Refuse what is no object, or one that gives a key twice.

    Raises:
        DecodeError: always.
    """
    if type(value) is Repeating:
        raise DecodeError(f"{where}{_shown(value.repeated())} is given twice")
    raise DecodeError(f"{where}{wanted}, not {_shown(value)}")


def _joined(first: str, second: str) -> str:
    return f"{first} {second}" if first else second


def _integer(value: Any) -> int:
    if type(value) is float and value.is_integer():
        return int(value)
    raise DecodeError(f"timestamp: whole milliseconds since 1970 are wanted, not {_shown(value)}")


def _shown(value: Any) -> str:
    if type(value) is list:
        return "an array"
    if isinstance(value, dict):
        return "an object"
    text = orjson.dumps(value).decode()
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def _element_text(element: Any, record: bytes) -> bytes:
    try:
        return orjson.dumps(element)
    except orjson.JSONEncodeError:
        # Nested deeper than the encoder goes: the record holds the element at any rate.
        return record


def encode_scrape(batch: SampleBatch) -> Iterator[bytes]:
    """Scrape documents of a batch's samples, one for each target and event time, ordered by ``seq`` of their first sample.

    Decoding them with the same target labels gives the same samples: floats to the bit, staleness markers as ``"StaleNaN"``, any other NaN as
    ``"NaN"``, its payload dropped. Samples of one series and event time go into one document each, in the order of their ``seq``.
    """
    targets = {target: parse_labels(batch.targets[target]) for target in np.unique(batch.target).tolist()}
    documents: dict[tuple[int, int, int], dict[str, object]] = {}
    repeats: dict[tuple[int, int, int], int] = {}
    order = np.argsort(batch.seq, kind="stable")
    special = ~np.isfinite(batch.value)
    texts = dict(zip(np.flatnonzero(special).tolist(), map(special_text, batch.value[special]), strict=True))
    metrics, metric = batch.unified()
    columns = (batch.target[order], metric[order], batch.ts[order], batch.value[order], order)
    for target, metric, ts, value, row in zip(*(column.tolist() for column in columns), strict=True):
        series = (target, metric, ts)
        repeat = repeats.get(series, 0)
        repeats[series] = repeat + 1
        samples = documents.setdefault((target, ts, repeat), {})
        samples[metrics[metric]] = texts.get(row, value)
    for (target, ts, _), samples in documents.items():
        yield orjson.dumps({"labels": targets[target], "timestamp": ts, "samples": samples})


def special_text(value: float) -> str:
    """A float that is not finite, as scrape documents have it: ``NaN``, ``StaleNaN`` (the staleness marker), ``+Inf`` or ``-Inf``."""
    if math.isnan(value):
        return "StaleNaN" if np.float64(value).view(np.uint64) == STALE_NAN_BITS else "NaN"
    return "+Inf" if value > 0 else "-Inf"
