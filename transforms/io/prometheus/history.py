"""The samples of a Prometheus, or a server with its interfaces: raw samples by remote read, or resampled ones by range queries."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlencode, urlsplit

import numpy as np
import orjson

from rules.promql.labels import LabelFrame
from rules.promql.syntax.ast import VectorSelector
from rules.promql.syntax.printer import to_text
from rules.promql.values import STALE, Floats, Times
from schemas.times import format_duration, parse_duration
from transforms.io.history.reader import Progress, Remarks, StoreReader, Strict
from transforms.io.history.samples import HistoryError, Samples, Wanted
from transforms.io.http import post, secret

MODES = ("remote-read", "query_range")
TOKEN_VARIABLE = "PROMETHEUS_TOKEN"
TIMEOUT_S = 300.0
# What one request asks for at most: bounded answers, and progress to report.
READ_MS = 7 * 86_400_000
# A server refuses more than 11,000 steps.
MOST_STEPS = 10_000
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_REMOTE_READ = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Read-Version": "0.1.0",
}
_ADVICE = {
    401: f"put a bearer token into {TOKEN_VARIABLE}, or into a file that {TOKEN_VARIABLE}_FILE names",
    403: "the token may not read",
    404: "it may lack remote read: try ?mode=query_range&step=15s",
    422: "it may hold more than it gives at once: ask for less with --start and --end",
}


class PrometheusReader(StoreReader):
    """A server.

    Remote read gives samples as they are, staleness markers too. A range query gives what each selector yields at every step, as old as the
    server's lookback lets it be; a series that is gone at a step is marked stale there.

    Args:
        address: ``http://HOST:PORT``, with a path if it has one.
        options: ``mode``, one of :data:`MODES`, and ``step`` for the second.
        remarks: is called for series with native histograms, which are not supported; by default they are an error.

    Raises:
        HistoryError: an address or option that is none.
    """

    def __init__(self, address: str, options: Mapping[str, str], remarks: Remarks | None = None) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise HistoryError(f"prometheus:{address}: no address; write prometheus:http://HOST:PORT")
        if parts.username is not None or parts.password is not None:
            raise HistoryError(f"prometheus:: a password does not belong into an address; {_ADVICE[401]}")
        self._mode = options.get("mode", MODES[0])
        if self._mode not in MODES:
            raise HistoryError(f"prometheus:{address}: no mode {self._mode!r}; there are {', '.join(MODES)}")
        try:
            self._step_ms = parse_duration(options.get("step", "15s"))
        except ValueError as error:
            raise HistoryError(f"prometheus:{address}: step: {error}") from None
        self._base = address.rstrip("/")
        self._remarks = remarks or Strict()

    def read(self, wanted: Wanted, progress: Progress = lambda done, total: None) -> Iterator[Samples]:
        """See :meth:`StoreReader.read`.

        Raises:
            HistoryError: no beginning is wanted.
        """
        if wanted.start_ms is None:
            raise HistoryError(
                f"prometheus:{self._base}: say with --start from when on (and rules with @ or a negative offset need a file of data)"
            )
        end_ms = wanted.end_ms if wanted.end_ms is not None else round(time.time() * 1000)
        read = self._query_range if self._mode == "query_range" else self._remote_read
        yield from read(wanted.start_ms + 1, end_ms, wanted, progress)

    def labels(self, wanted: Wanted) -> LabelFrame:
        """See :meth:`StoreReader.labels`."""
        pairs = [("match[]", to_text(VectorSelector(None, selector))) for selector in wanted.asked()]
        bounds = {"start": wanted.start_ms, "end": wanted.end_ms}
        pairs += [(name, str(when / 1000)) for name, when in bounds.items() if when is not None]
        try:
            answer = orjson.loads(self._ask("series", urlencode(pairs).encode(), _FORM))
            return LabelFrame.of([{str(name): str(value) for name, value in each.items()} for each in answer["data"]])
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise HistoryError(f"{self._base}: no answer of series: {error!r}") from None

    def metrics(self) -> list[str]:
        """See :meth:`StoreReader.metrics`."""
        try:
            answer = orjson.loads(self._ask("label/__name__/values", None, {}))
            return [str(name) for name in answer["data"]]
        except (HistoryError, ValueError, KeyError, TypeError):
            return []

    def _ask(self, path: str, body: bytes | None, headers: Mapping[str, str]) -> bytes:
        return post(f"{self._base}/api/v1/{path}", body, {**headers, **_authorization(self._base)}, TIMEOUT_S, _ADVICE)

    def _remote_read(self, start_ms: int, end_ms: int, wanted: Wanted, progress: Progress) -> Iterator[Samples]:
        from schemas.codecs.base import DecodeError
        from schemas.codecs.remote_read import ReadMatcher, decode_read_response, encode_read_request

        for selector in wanted.asked():
            matchers = [ReadMatcher(it.name, it.op.value, it.value) for it in selector]
            for first in range(start_ms, end_ms + 1, READ_MS):
                last = min(first + READ_MS - 1, end_ms)
                answer = self._ask("read", encode_read_request([matchers], first, last), _REMOTE_READ)
                try:
                    series = list(decode_read_response(answer))
                except DecodeError as error:
                    raise HistoryError(f"{self._base}: {error}") from None
                for each in series:
                    if each.histograms:
                        place = f"{self._base} {each.labels}"
                        self._remarks.refuse(place, f"{each.histograms} native histograms, not supported")
                yield from _samples([each.labels for each in series], [(each.times, each.values) for each in series])
                progress(last - start_ms, end_ms - start_ms)

    def _query_range(self, start_ms: int, end_ms: int, wanted: Wanted, progress: Progress) -> Iterator[Samples]:
        step_ms = self._step_ms
        # On multiples of the step, so that neighbouring requests and repeated backtests see the same instants.
        start_ms = -(-start_ms // step_ms) * step_ms
        for selector in wanted.asked():
            query = to_text(VectorSelector(None, selector))
            for first in range(start_ms, end_ms + 1, step_ms * MOST_STEPS):
                last = min(first + step_ms * (MOST_STEPS - 1), end_ms)
                wish = {"query": query, "start": first / 1000, "end": last / 1000, "step": step_ms / 1000}
                answer = self._ask("query_range", urlencode(wish).encode(), _FORM)
                try:
                    result = orjson.loads(answer)["data"]["result"]
                    columns = [_row(each, step_ms, end_ms) for each in result]
                except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
                    raise HistoryError(
                        f"{self._base}: no answer to a range query of step {format_duration(step_ms)}: {error!r}"
                    ) from None
                yield from _samples([each["metric"] for each in result], columns)
                progress(last - start_ms, max(end_ms - start_ms, 1))


def _samples(labels: Sequence[Mapping[str, str]], columns: Sequence[tuple[Times, Floats]]) -> Iterator[Samples]:
    if columns:
        rows = np.repeat(np.arange(len(columns), dtype=np.int64), [len(times) for times, _ in columns])
        times, values = (np.concatenate([each[at] for each in columns]) for at in (0, 1))
        yield Samples(LabelFrame.of(labels), rows, times, values)


def _row(each: Mapping[str, list[tuple[float, str]]], step_ms: int, end_ms: int) -> tuple[Times, Floats]:
    """Times and values of a series, with a staleness marker at the first step of each gap.

    The marker after the last step is overwritten where the next request finds the series still there.
    """
    times = np.array([round(when * 1000) for when, _ in each["values"]], np.int64)
    values = np.array([float(text) for _, text in each["values"]])
    ends = np.flatnonzero(np.append(np.diff(times) > step_ms, times[-1] + step_ms <= end_ms))
    order = np.argsort(np.concatenate((times, times[ends] + step_ms)), kind="stable")
    return (
        np.concatenate((times, times[ends] + step_ms))[order],
        np.concatenate((values, np.full(len(ends), STALE)))[order],
    )


def _authorization(base: str) -> dict[str, str]:
    token = secret(TOKEN_VARIABLE, f"prometheus:{base}")
    return {} if token is None else {"Authorization": f"Bearer {token}"}
