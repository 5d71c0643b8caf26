"""The samples of a bucket of InfluxDB 2, read by Flux: fields as line protocol means them, or the rollups that a job wrote."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from io import StringIO
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

import numpy as np
import orjson

from rules.promql.labels import METRIC_NAME, LabelFrame
from rules.promql.values import Floats, Times
from transforms.io.errors import SinkError
from transforms.io.history.options import ROLLUP_VALUES
from transforms.io.history.reader import Progress, Remarks, StoreReader, Strict
from transforms.io.history.samples import HistoryError, Samples, Wanted
from transforms.io.http import post
from transforms.io.influxdb.flux import NO_LABELS, flux
from transforms.io.influxdb.settings import InfluxSettings

# What one request asks for at most.
READ_MS = 7 * 86_400_000
_OWN_OPTIONS = ("bucket", "value")
_NUMBERS = ("double", "long", "unsignedLong", "boolean")
_ADVICE = {
    401: "the token is wrong or no longer valid: check INFLUX_TOKEN, or the file that INFLUX_TOKEN_FILE names",
    403: "the token may not read this bucket",
    404: "correct the organization's or the bucket's name (?org=NAME&bucket=NAME)",
}


class _Table(NamedTuple):
    """One table of Flux' answer: a field of a series."""

    measurement: str
    tags: tuple[tuple[str, str], ...]
    field: str
    times: Times
    values: Floats


@dataclass(slots=True)
class _Rows:
    """Rows of a table as they come."""

    first: dict[str, str]
    times: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)


class InfluxReader(StoreReader):
    """A bucket.

    Each numeric field is a series of the metric ``measurement_field`` (the field ``value``: ``measurement`` alone), as in line protocol. With
    ``value=`` the bucket holds rollups of a job's output, and each is a sample of that value at the time of the last sample it holds.

    Args:
        source: ``influxdb://HOST:PORT?org=NAME&bucket=NAME[&value=avg]`` and the options of :class:`InfluxSettings`.
        remarks: takes notes of measurements, and times in nanoseconds, that become one series, or one time in milliseconds.

    Raises:
        HistoryError: options that are not valid, or no token.
    """

    def __init__(self, source: str, remarks: Remarks | None = None) -> None:
        parts = urlsplit(source)
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        own = {name: options.pop(name) for name in _OWN_OPTIONS if name in options}
        if not own.get("bucket"):
            raise HistoryError(f"{source}: name the bucket: {parts.scheme}://HOST:PORT?org=NAME&bucket=NAME")
        value = own.get("value")
        if value is not None and value not in ROLLUP_VALUES:
            raise HistoryError(f"{source}: a rollup has no {value!r}; it has {', '.join(ROLLUP_VALUES)}")
        try:
            settings = InfluxSettings.parse(parts._replace(query=urlencode(options)).geturl())
            self._token = settings.token(os.environ)
        except (ValueError, SinkError) as error:
            raise HistoryError(str(error)) from None
        self._source, self._settings, self._bucket, self._value = source, settings, own["bucket"], value
        self._remarks = remarks or Strict()

    def read(self, wanted: Wanted, progress: Progress = lambda done, total: None) -> Iterator[Samples]:
        """See :meth:`StoreReader.read`."""
        selectors = None if wanted.selectors is None else wanted.asked()
        for first, last in _ranges(wanted, self._early_ms, progress):
            tables = self._ask(flux(self._bucket, selectors, first, last, self._value))
            if self._value is None:
                self._note(tables)
                columns = [_plain(each) for each in tables]
            else:
                columns = _rollups(tables, self._value)
            if columns:
                rows = np.repeat(np.arange(len(columns), dtype=np.int64), [len(times) for _, times, _ in columns])
                times, values = (np.concatenate([each[at] for each in columns]) for at in (1, 2))
                yield Samples(LabelFrame.of([labels for labels, _, _ in columns]), rows, times, values)

    def labels(self, wanted: Wanted) -> LabelFrame:
        """See :meth:`StoreReader.labels`."""
        return LabelFrame.of([self._labels(each) for each in self._picked(wanted, "last")])

    def extent(self, wanted: Wanted) -> tuple[int, int] | None:
        """See :meth:`StoreReader.extent`."""
        ends = []
        for pick in ("first", "last"):
            found = self._picked(wanted, pick)
            # A rollup stands at the start of its window; the time of its last sample is its value.
            ends += [each.times if self._value is None else each.values.astype(np.int64) for each in found]
        times = np.concatenate([np.empty(0, np.int64), *ends])
        return (int(times.min()), int(times.max())) if len(times) else None

    def metrics(self) -> list[str]:
        """See :meth:`StoreReader.metrics`: InfluxDB is not asked."""
        return []

    @property
    def _early_ms(self) -> int:
        # A rollup stands at the start of its window, and may hold samples of up to a day after that.
        return 0 if self._value is None else 86_400_000

    def _picked(self, wanted: Wanted, pick: str) -> list[_Table]:
        selectors = None if wanted.selectors is None else wanted.asked()
        first_ms = 0 if wanted.start_ms is None else wanted.start_ms + 1 - self._early_ms
        return self._ask(flux(self._bucket, selectors, first_ms, _end_ms(wanted), self._value, pick))

    def _ask(self, query: str) -> list[_Table]:
        settings = self._settings
        request = {"type": "flux", "query": query, "dialect": {"header": True, "annotations": ["datatype"]}}
        headers = {
            "Authorization": f"Token {self._token}",
            "Content-Type": "application/json",
            "Accept": "application/csv",
        }
        url = f"{settings.url}/api/v2/query?{urlencode({'org': settings.org})}"
        body = post(url, orjson.dumps(request), headers, settings.timeout_ms / 1000, _ADVICE, settings.ca_file)
        try:
            return list(read_tables(body.decode(), self._source))
        except (csv.Error, UnicodeDecodeError, IndexError, KeyError) as error:
            raise HistoryError(f"{settings.url}: no answer in annotated CSV: {error!r}") from None

    def _labels(self, table: _Table) -> dict[str, str]:
        return _plain(table)[0] if self._value is None else {**dict(table.tags), METRIC_NAME: table.measurement}

    def _note(self, tables: list[_Table]) -> None:
        for table in tables:
            labels, times, _ = _plain(table)
            notes = self._remarks.notes
            notes.name(labels, f"field {table.field} of measurement {table.measurement}", times)
            notes.one_time(f"bucket {self._bucket}, {table.measurement}", len(times) - len(np.unique(times)))


def read_tables(text: str, source: str) -> Iterator[_Table]:
    """The tables of an answer in annotated CSV, as InfluxDB's reference describes it.

    Raises:
        HistoryError: the answer is an error, which Flux may send after its first rows.
    """
    heads: list[str] = []
    types: list[str] = []
    numeric = False
    rows: dict[str, _Rows] = {}
    for cells in csv.reader(StringIO(text, newline="")):
        if not cells:
            heads = []
        elif cells[0] == "#datatype":
            heads, types = [], cells
        elif cells[0].startswith("#"):
            continue
        elif not heads:
            yield from _finished(rows)
            rows, heads = {}, cells
            numeric = "_value" in heads and types[heads.index("_value")] in _NUMBERS
            columns = [heads.index(each) for each in ("table", "_time", "_value")] if numeric else []
        elif heads[1:] == ["error", "reference"]:
            raise HistoryError(f"{source}: the query fails: {cells[1]}")
        elif numeric:
            table, when, value = (cells[at] for at in columns)
            found = rows.get(table)
            if found is None:
                found = rows[table] = _Rows(dict(zip(heads, cells, strict=False)))
            found.times.append(when)
            found.values.append(value)
    yield from _finished(rows)


def _finished(rows: Mapping[str, _Rows]) -> Iterator[_Table]:
    for each in rows.values():
        tags = tuple((name, text) for name, text in each.first.items() if name not in NO_LABELS and text)
        # Flux writes UTC with a Z, which numpy does not read.
        times = np.array([text.removesuffix("Z") for text in each.times], "datetime64[ns]").astype(np.int64)
        truth = {"true": "1", "false": "0"}
        values = np.array([truth.get(text, text) for text in each.values], np.float64)
        yield _Table(each.first["_measurement"], tags, each.first["_field"], times // 1_000_000, values)


def _plain(table: _Table) -> tuple[dict[str, str], Times, Floats]:
    name = table.measurement if table.field == "value" else f"{table.measurement}_{table.field}"
    return {**dict(table.tags), METRIC_NAME: name}, table.times, table.values


def _rollups(tables: list[_Table], value: str) -> list[tuple[dict[str, str], Times, Floats]]:
    series: dict[tuple[str, tuple[tuple[str, str], ...]], dict[str, _Table]] = {}
    for each in tables:
        series.setdefault((each.measurement, each.tags), {})[each.field] = each
    found = []
    for (measurement, tags), fields in series.items():
        needed = [fields.get(name) for name in (("sum", "count", "last_ts") if value == "avg" else (value, "last_ts"))]
        # A point of a job has all fields; what has not is none of its rollups.
        if any(each is None for each in needed):
            continue
        points = [dict(zip(each.times.tolist(), each.values.tolist(), strict=True)) for each in needed if each]
        shared = sorted(set(points[0]).intersection(*points[1:]))
        columns = [np.array([each[when] for when in shared]) for each in points]
        values = columns[0] / columns[1] if value == "avg" else columns[0]
        found.append(({**dict(tags), METRIC_NAME: measurement}, columns[-1].astype(np.int64), values))
    return found


def _end_ms(wanted: Wanted) -> int:
    return wanted.end_ms if wanted.end_ms is not None else round(datetime.now(timezone.utc).timestamp() * 1000)


def _ranges(wanted: Wanted, early_ms: int, progress: Progress) -> Iterator[tuple[int, int]]:
    end_ms = _end_ms(wanted)
    if wanted.start_ms is None:
        yield 0, end_ms
        return
    start_ms = wanted.start_ms + 1 - early_ms
    for first in range(start_ms, end_ms + 1, READ_MS):
        last = min(first + READ_MS - 1, end_ms)
        yield first, last
        progress(last - start_ms, max(end_ms - start_ms, 1))
