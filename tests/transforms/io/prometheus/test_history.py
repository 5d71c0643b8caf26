"""Archived data in a Prometheus, played by a server that answers what a test gives; tests/e2e asks a real one."""

from __future__ import annotations

import itertools
from urllib.parse import parse_qs

import cramjam
import orjson
import pytest

from rules.promql.values import is_stale
from schemas.codecs.remote_read_pb2 import QueryResult, ReadRequest, ReadResponse
from schemas.codecs.remote_write_pb2 import Label, Sample, TimeSeries
from tests.transforms.io.history.given import MINUTE, read, selectors, series_of
from tests.transforms.io.history.serving import Request, serving
from transforms.io.history.read import HistoryError
from transforms.io.history.samples import Wanted
from transforms.io.prometheus.history import PrometheusReader

START = 1_767_225_600_000
DAY = 86_400_000


def matrix(request: Request) -> tuple[int, bytes]:
    """A sample a minute but for the third."""
    wish = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
    first, last, step = (round(float(wish[name]) * 1000) for name in ("start", "end", "step"))
    values = [[when / 1000, "1"] for when in range(first, last + 1, step) if when != START + 2 * MINUTE]
    return 200, orjson.dumps(
        {"status": "success", "data": {"result": [{"metric": {"__name__": "up"}, "values": values}]}}
    )


def raw(request: Request) -> tuple[int, bytes]:
    """A sample a day."""
    (query,) = ReadRequest.FromString(bytes(cramjam.snappy.decompress_raw(request.body))).queries
    days = range(-(-query.start_timestamp_ms // DAY) * DAY, query.end_timestamp_ms + 1, DAY)
    series = TimeSeries(
        labels=[Label(name="__name__", value=query.matchers[0].value)],
        samples=[Sample(timestamp=when, value=when / DAY) for when in days],
    )
    answer = ReadResponse(results=[QueryResult(timeseries=[series.SerializeToString()])])
    return 200, bytes(cramjam.snappy.compress_raw(answer.SerializeToString()))


def test_remote_read_asks_for_what_the_rules_see_and_no_more() -> None:
    with serving(raw) as server:
        words = ["--data", f"prometheus:http://{server.address}", "--start", str(START), "--end", str(START + 16 * DAY)]
        history = read(words, "up", "r", back_ms=2 * DAY, recorded=["r"])
        assert {request.path for request in server.requests} == {"/api/v1/read"}
        asked = [
            query
            for request in server.requests
            for query in ReadRequest.FromString(bytes(cramjam.snappy.decompress_raw(request.body))).queries
        ]
    assert {(it.name, it.value) for query in asked for it in query.matchers} == {("__name__", "up")}
    assert asked[0].start_timestamp_ms == START - 2 * DAY
    assert asked[-1].end_timestamp_ms == START + 16 * DAY
    assert all(after.start_timestamp_ms == before.end_timestamp_ms + 1 for before, after in itertools.pairwise(asked))
    (points,) = series_of(history.storage).values()
    assert [when for when, _ in points] == [START + day * DAY for day in range(-2, 17)]


def test_a_range_query_marks_where_a_series_is_gone() -> None:
    with serving(matrix) as server:
        source = f"prometheus:http://{server.address}/prefix?mode=query_range&step=1m"
        history = read(["--data", source, "--start", str(START), "--end", str(START + 5 * MINUTE)], 'up{job!="b"}')
        (request,) = server.requests
    assert request.path == "/prefix/api/v1/query_range"
    assert parse_qs(request.body.decode())["query"] == ['{__name__="up",job!="b"}']
    storage = history.storage
    assert storage.timestamps.tolist() == [START + minute * MINUTE for minute in range(6)]
    assert is_stale(storage.values).tolist() == [False, False, True, False, False, False]


def test_a_series_that_is_gone_at_the_end_is_marked_there() -> None:
    with serving(matrix) as server:
        source = f"prometheus:http://{server.address}?mode=query_range&step=1m"
        history = read(["--data", source, "--start", str(START), "--end", str(START + 2 * MINUTE)], "up")
    assert is_stale(history.storage.values).tolist() == [False, False, True]


def test_a_series_goes_on_across_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transforms.io.prometheus.history.MOST_STEPS", 4)
    with serving(matrix) as server:
        source = f"prometheus:http://{server.address}?mode=query_range&step=1m"
        history = read(["--data", source, "--start", str(START + 3 * MINUTE), "--end", str(START + 14 * MINUTE)], "up")
        assert len(server.requests) == 3
    assert not is_stale(history.storage.values).any()
    assert len(history.storage.timestamps) == 12


def test_the_token_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_TOKEN", "secret")
    with serving(raw) as server:
        read(["--data", f"prometheus:http://{server.address}", "--start", str(START)], "up")
        assert {request.headers["authorization"] for request in server.requests} == {"Bearer secret"}


@pytest.mark.parametrize(
    ("status", "message"),
    [(401, "answers 401: no.*PROMETHEUS_TOKEN"), (404, "mode=query_range"), (500, "answers 500: no")],
)
def test_a_refusal_says_what_to_do(status: int, message: str) -> None:
    with serving(lambda _: (status, b"no")) as server, pytest.raises(HistoryError, match=message):
        read(["--data", f"prometheus:http://{server.address}", "--start", str(START)], "up")


@pytest.mark.parametrize("query", ["", "?mode=query_range"])
def test_an_answer_that_is_none(query: str) -> None:
    with serving(lambda _: (200, b"<html>")) as server, pytest.raises(HistoryError, match=r"no.* answer to a"):
        read(["--data", f"prometheus:http://{server.address}{query}", "--start", str(START)], "up")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("prometheus:127.0.0.1:9090", "no address"),
        ("prometheus:http://me:secret@127.0.0.1:9090", "does not belong into an address"),
        ("prometheus:http://127.0.0.1:9090?mode=push", "no mode 'push'; there are remote-read"),
        ("prometheus:http://127.0.0.1:9090?mode=query_range&step=often", "step: not a duration"),
        ("prometheus:http://127.0.0.1:9090?match=up", "no option match"),
    ],
)
def test_what_is_wrong_with_a_source(source: str, message: str) -> None:
    with pytest.raises(HistoryError, match=message) as caught:
        read(["--data", source, "--start", str(START)], "up")
    assert "secret" not in str(caught.value)


def test_a_server_is_asked_from_some_time_on() -> None:
    with pytest.raises(HistoryError, match="--start"):
        read(["--data", "prometheus:http://127.0.0.1:9090"], "up")


def test_a_server_that_is_not_there() -> None:
    with serving(raw) as server:
        gone = server.address
    with pytest.raises(HistoryError, match="is the server up"):
        read(["--data", f"prometheus:http://{gone}", "--start", str(START)], "up")


def test_the_server_is_an_engine_s_store() -> None:
    with serving(raw) as server:
        reader = PrometheusReader(f"http://{server.address}", {})
        (matchers,) = selectors("up")
        found = reader.select(matchers, START, START + 3 * DAY, stale=True)
        (request,) = server.requests
    (query,) = ReadRequest.FromString(bytes(cramjam.snappy.decompress_raw(request.body))).queries
    assert (query.start_timestamp_ms, query.end_timestamp_ms) == (START + 1, START + 3 * DAY)
    assert found.labels.rows() == [{"__name__": "up"}]
    assert found.timestamps.tolist() == [START + day * DAY for day in (1, 2, 3)]


def test_labels_come_without_samples() -> None:
    labels = [{"__name__": "up", "job": "a"}, {"__name__": "up", "job": "b"}]
    with serving(lambda _: (200, orjson.dumps({"status": "success", "data": labels}))) as server:
        reader = PrometheusReader(f"http://{server.address}", {})
        found = reader.labels(Wanted(selectors('up{job!="c"}', "down"), start_ms=START, end_ms=START + 500))
        (request,) = server.requests
    assert found.rows() == labels
    assert request.path == "/api/v1/series"
    assert parse_qs(request.body.decode()) == {
        "match[]": ['{__name__="up",job!="c"}', '{__name__="down"}'],
        "start": [str(START / 1000)],
        "end": [str(START / 1000 + 0.5)],
    }


def test_native_histograms_are_an_error_of_a_selection_and_a_note_of_archived_data(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def with_histogram(request: Request) -> tuple[int, bytes]:
        status, body = raw(request)
        answer = ReadResponse.FromString(bytes(cramjam.snappy.decompress_raw(body)))
        # Field 4 of a series: a histogram, empty.
        answer.results[0].timeseries[0] += b"\x22\x00"
        return status, bytes(cramjam.snappy.compress_raw(answer.SerializeToString()))

    with serving(with_histogram) as server:
        words = ["--data", f"prometheus:http://{server.address}", "--start", str(START), "--end", str(START + DAY)]
        assert len(read(words, "up").storage.timestamps) == 2
        assert "1 native histograms, not supported" in capsys.readouterr().err
        with pytest.raises(HistoryError, match="native histograms"):
            PrometheusReader(f"http://{server.address}", {}).select(selectors("up")[0], START, START + DAY, stale=True)


def test_an_open_end_reads_nothing_twice() -> None:
    with serving(raw) as server:
        words = ["--data", f"prometheus:http://{server.address}", "--start", str(START)]
        read(words, 'up{job!="c"}')
        asked = [
            query.start_timestamp_ms
            for request in server.requests
            if request.path.endswith("/read")
            for query in ReadRequest.FromString(bytes(cramjam.snappy.decompress_raw(request.body))).queries
        ]
    assert len(asked) == len(set(asked))


def test_a_metric_that_is_not_there_is_reported_from_those_that_are() -> None:
    def nothing(request: Request) -> tuple[int, bytes]:
        if request.path.endswith("/values"):
            return 200, orjson.dumps({"status": "success", "data": ["node_load1", "up"]})
        return 200, orjson.dumps({"status": "success", "data": {"result": []}})

    def silent(request: Request) -> tuple[int, bytes]:
        return nothing(request) if not request.path.endswith("/values") else (500, b"no")

    for serve, reported in (
        (nothing, "the data hold no metric node_laod1; did you mean node_load1"),
        (silent, "the data hold no such series"),
    ):
        with serving(serve) as server:
            source = f"prometheus:http://{server.address}?mode=query_range&step=1m"
            with pytest.raises(HistoryError, match=f"no data for node_laod1: {reported}"):
                read(["--data", source, "--start", str(START), "--end", str(START + MINUTE)], "node_laod1")
