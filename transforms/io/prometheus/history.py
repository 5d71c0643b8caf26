"""Archived data in a Prometheus, or a server with its interfaces: raw samples by remote read, or resampled ones by range queries."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlencode, urlsplit

import numpy as np
import orjson

from rules.promql.labels import LabelFrame
from rules.promql.syntax.ast import VectorSelector
from rules.promql.syntax.printer import to_text
from rules.promql.values import STALE, Floats, Times
from schemas.times import format_duration, parse_duration
from transforms.io.history.samples import Collected, HistoryError, Samples, Wanted
from transforms.io.http import post, secret

MODES = ("remote-read", "query_range")
TOKEN_VARIABLE = "PROMETHEUS_TOKEN"
TIMEOUT_S = 300.0
# What one request asks for at most: bounded answers, and progress to report.
READ_MS = 7 * 86_400_000
# A server refuses more than 11,000 steps.
MOST_STEPS = 10_000
_ADVICE = {
    401: f"put a bearer token into {TOKEN_VARIABLE}, or into a file that {TOKEN_VARIABLE}_FILE names",
    403: "the token may not read",
    404: "it may lack remote read: try ?mode=query_range&step=15s",
    422: "it may hold more than it gives at once: ask for less with --start and --end",
}


def read_prometheus(
    address: str,
    options: Mapping[str, str],
    wanted: Wanted,
    collected: Collected,
    progress: Callable[[float, float], None],
) -> None:
    """Add the wanted samples of a server.

    Remote read gives samples as they are, staleness markers too. A range query gives what each selector yields at every step, as old as the
    server's lookback lets it be; a series that is gone at a step is marked stale there.

    Args:
        address: ``http://HOST:PORT``, with a path if it has one.
        options: ``mode``, one of :data:`MODES`, and ``step`` for the second.

    Raises:
        HistoryError: an address or option that is none, no beginning, or a server that does not answer as it should.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise HistoryError(f"prometheus:{address}: no address; write prometheus:http://HOST:PORT")
    if parts.username is not None or parts.password is not None:
        raise HistoryError(f"prometheus:: a password does not belong into an address; {_ADVICE[401]}")
    mode = options.get("mode", MODES[0])
    if mode not in MODES:
        raise HistoryError(f"prometheus:{address}: no mode {mode!r}; there are {', '.join(MODES)}")
    if wanted.start_ms is None:
        raise HistoryError(
            f"prometheus:{address}: say with --start from when on (and rules with @ or a negative offset need a file of data)"
        )
    end_ms = wanted.end_ms if wanted.end_ms is not None else round(time.time() * 1000)
    bounds = (wanted.start_ms + 1, end_ms)
    base = address.rstrip("/")
    if mode == "query_range":
        try:
            step_ms = parse_duration(options.get("step", "15s"))
        except ValueError as error:
            raise HistoryError(f"prometheus:{address}: step: {error}") from None
        found = _query_range(base, step_ms, bounds, wanted, progress)
    else:
        found = _remote_read(base, bounds, wanted, collected, progress)
    for samples in found:
        collected.take(samples, wanted)
    if any(name not in collected.catalogue for name in wanted.names() or ()):
        collected.catalogue.add_names(_metrics(base))


def _metrics(base: str) -> list[str]:
    """The names of all metrics, for suggestions; none where the server does not say."""
    try:
        answer = orjson.loads(
            post(f"{base}/api/v1/label/__name__/values", None, _authorization(base), TIMEOUT_S, _ADVICE)
        )
        return [str(name) for name in answer["data"]]
    except (HistoryError, ValueError, KeyError, TypeError):
        return []


def _remote_read(
    base: str, bounds: tuple[int, int], wanted: Wanted, collected: Collected, progress: Callable[[float, float], None]
) -> Iterator[Samples]:
    from schemas.codecs.base import DecodeError
    from schemas.codecs.remote_read import ReadMatcher, decode_read_response, encode_read_request

    headers = {
        "Content-Encoding": "snappy",
        "Content-Type": "application/x-protobuf",
        "X-Prometheus-Remote-Read-Version": "0.1.0",
        **_authorization(base),
    }
    start_ms, end_ms = bounds
    for selector in wanted.asked():
        matchers = [ReadMatcher(it.name, it.op.value, it.value) for it in selector]
        for first in range(start_ms, end_ms + 1, READ_MS):
            last = min(first + READ_MS - 1, end_ms)
            body = encode_read_request([matchers], first, last)
            answer = post(f"{base}/api/v1/read", body, headers, TIMEOUT_S, _ADVICE)
            try:
                series = list(decode_read_response(answer))
            except DecodeError as error:
                raise HistoryError(f"{base}: {error}") from None
            for each in series:
                if each.histograms:
                    collected.refuse(f"{base} {each.labels}", f"{each.histograms} native histograms, not supported")
            if series:
                labels = LabelFrame.of([each.labels for each in series])
                rows = np.repeat(np.arange(len(series), dtype=np.int64), [len(each.times) for each in series])
                times = np.concatenate([each.times for each in series])
                yield Samples(labels, rows, times, np.concatenate([each.values for each in series]))
            progress(last - start_ms, end_ms - start_ms)


def _query_range(
    base: str, step_ms: int, bounds: tuple[int, int], wanted: Wanted, progress: Callable[[float, float], None]
) -> Iterator[Samples]:
    headers = {"Content-Type": "application/x-www-form-urlencoded", **_authorization(base)}
    # On multiples of the step, so that neighbouring requests and repeated backtests see the same instants.
    start_ms = -(-bounds[0] // step_ms) * step_ms
    end_ms = bounds[1]
    for selector in wanted.asked():
        query = to_text(VectorSelector(None, selector))
        for first in range(start_ms, end_ms + 1, step_ms * MOST_STEPS):
            last = min(first + step_ms * (MOST_STEPS - 1), end_ms)
            wish = {"query": query, "start": first / 1000, "end": last / 1000, "step": step_ms / 1000}
            answer = post(f"{base}/api/v1/query_range", urlencode(wish).encode(), headers, TIMEOUT_S, _ADVICE)
            try:
                result = orjson.loads(answer)["data"]["result"]
                columns = [_row(each, step_ms, end_ms) for each in result]
            except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
                raise HistoryError(
                    f"{base}: no answer to a range query of step {format_duration(step_ms)}: {error!r}"
                ) from None
            if columns:
                labels = LabelFrame.of([each["metric"] for each in result])
                rows = np.repeat(np.arange(len(result), dtype=np.int64), [len(times) for times, _ in columns])
                times = np.concatenate([times for times, _ in columns])
                yield Samples(labels, rows, times, np.concatenate([values for _, values in columns]))
            progress(last - start_ms, max(end_ms - start_ms, 1))


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
