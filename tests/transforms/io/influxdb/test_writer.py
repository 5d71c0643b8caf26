from __future__ import annotations

import logging
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.transforms.io.influxdb.fake_server import TOKEN, Server, drop, fake_influxdb, hang, status, write_and_drop
from transforms.io.errors import SinkError, Unavailable
from transforms.io.influxdb.lines import Chunk
from transforms.io.influxdb.settings import InfluxSettings
from transforms.io.influxdb.writer import InfluxWriter


class Time:
    """A clock that moves only when someone sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sleeps: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


@pytest.fixture
def server() -> Iterator[Server]:
    with fake_influxdb() as server:
        yield server


@pytest.fixture
def time() -> Time:
    return Time()


def writer(url: str, time: Time, token: str = TOKEN, **options: object) -> InfluxWriter:
    configured = InfluxSettings(url=url, timeout_ms=int(options.pop("timeout_ms", 20_000)), **options)  # type: ignore[call-overload, arg-type]
    return InfluxWriter(
        configured,
        token,
        sleep=time.sleep,
        clock=lambda: time.now,
        wall_clock=lambda: 1_000.0 + time.now,
        jitter=lambda: 0.5,
    )


def chunk(lines: int, prefix: str = "m") -> Chunk:
    return Chunk(b"".join(f"{prefix},n={n} value={n} {n}\n".encode() for n in range(lines)), lines)


def stored(server: Server) -> set[bytes]:
    return {b" ".join((series, fields, time)) + b"\n" for (_, series, time), fields in server.stored.items()}


def lines(chunk: Chunk) -> set[bytes]:
    return set(chunk.data.splitlines(keepends=True))


@pytest.mark.parametrize("gzip", [True, False])
def test_a_healthy_server_takes_a_chunk_in_one_request(server: Server, time: Time, gzip: bool) -> None:
    assert writer(server.url, time, gzip=gzip).write("raw", chunk(100)) == []
    assert stored(server) == lines(chunk(100))
    assert len(server.requests) == 1
    assert server.encodings == {"gzip" if gzip else None}
    assert time.sleeps == []


@pytest.mark.parametrize(
    ("faults", "slept"),
    [
        ([status(429, Retry_After="7")], [7.0]),
        ([status(429, Retry_After="Thu, 01 Jan 1970 00:17:00 GMT")], [20.0]),
        ([status(503)], [0.1875]),
        ([status(500), status(502), status(504)], [0.1875, 0.375, 0.75]),
        ([drop, drop], [0.1875, 0.375]),
        ([write_and_drop], [0.1875]),
        ([status(503, Retry_After="3"), drop, write_and_drop], [3.0, 0.375, 0.75]),
    ],
)
def test_a_busy_or_broken_server_is_tried_again_and_nothing_is_lost_or_doubled(
    server: Server, time: Time, faults: list, slept: list[float]
) -> None:
    server.faults = faults
    count = len(faults)
    connection = writer(server.url, time)
    assert connection.write("raw", chunk(100)) == []
    assert time.sleeps == slept
    assert connection.retries == count
    assert stored(server) == lines(chunk(100))
    assert len(server.stored) == 100


def test_a_server_that_does_not_answer_in_time_is_tried_again(server: Server, time: Time) -> None:
    server.faults = [hang]
    assert writer(server.url, time, timeout_ms=200).write("raw", chunk(3)) == []
    assert len(time.sleeps) == 1
    assert stored(server) == lines(chunk(3))


def test_a_server_that_stays_down_fails_the_bundle_when_the_time_is_up(server: Server, time: Time) -> None:
    server.faults = [status(503)] * 1_000
    connection = writer(server.url, time, retry_for_ms=60_000)
    with pytest.raises(Unavailable, match=r"bucket raw: no write taken in \d+ s and \d+ tries; last: 503: try later"):
        connection.write("raw", chunk(1))
    assert 45 < time.now <= 60
    assert connection.retries == len(time.sleeps)
    assert stored(server) == set()


def test_nothing_listening_fails_the_bundle_too(time: Time) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unavailable, match="no answer: NewConnectionError"):
        writer(f"http://127.0.0.1:{port}", time, retry_for_ms=1_000).write("raw", chunk(1))


def test_a_server_that_asks_for_more_time_than_there_is_is_not_waited_for(server: Server, time: Time) -> None:
    server.faults = [status(429, Retry_After="3600")]
    with pytest.raises(Unavailable):
        writer(server.url, time).write("raw", chunk(1))
    assert time.sleeps == []


def test_one_unparsable_line_among_thousands_is_found_and_its_neighbours_are_written(
    server: Server, time: Time
) -> None:
    server.unparsable = lambda line: line.startswith(b"m,n=3456 ")
    (refused,) = writer(server.url, time).write("raw", chunk(5_000))
    assert refused.line == b"m,n=3456 value=3456 3456"
    assert refused.reason == "InfluxDB answered 400: unable to parse 'm,n=3456 value=3456 3456': missing fields"
    assert stored(server) == lines(chunk(5_000)) - {refused.line + b"\n"}
    # Halving 5,000 lines down to one takes 13 steps of two requests at the most.
    assert len(server.requests) <= 27


def test_lines_that_the_storage_drops_all_together_cost_one_request(server: Server, time: Time) -> None:
    server.dropped = lambda line: True
    refused = writer(server.url, time).write("raw", chunk(5_000))
    assert len(refused) == 5_000
    assert len(server.requests) == 1


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    bad=st.sets(st.integers(0, 63)),
    dropped=st.sets(st.integers(0, 63)),
    faults=st.lists(
        st.sampled_from([status(503), status(429, Retry_After="2"), drop, write_and_drop, status(500)]), max_size=4
    ),
    limit=st.sampled_from([40, 200, 1 << 20]),
)
def test_every_line_is_stored_or_refused_once_whatever_the_server_does(
    bad: set[int], dropped: set[int], faults: list, limit: int
) -> None:
    sent = chunk(64)
    number = lambda line: int(line.split(b"=")[1].split(b" ")[0])  # noqa: E731 (two lambdas on the server use it)
    with fake_influxdb() as server:
        server.unparsable = lambda line: number(line) in bad
        server.dropped = lambda line: number(line) in dropped
        server.faults = list(faults)
        server.limit = limit
        refused = writer(server.url, Time()).write("raw", sent)
        assert sorted(number(line.line) for line in refused) == sorted(bad | dropped)
        assert stored(server) == {line for line in lines(sent) if number(line) not in bad | dropped}


def test_a_request_that_is_too_large_is_halved(server: Server, time: Time) -> None:
    server.limit = 300
    assert writer(server.url, time).write("raw", chunk(100)) == []
    assert stored(server) == lines(chunk(100))
    assert len(server.requests[0]) > 300
    assert all(len(body) <= 300 for body in server.requests[-2:])


def test_a_single_line_that_is_too_large_is_refused(server: Server, time: Time) -> None:
    server.limit = 10
    (refused,) = writer(server.url, time).write("raw", chunk(1))
    assert refused.reason == "InfluxDB answered 413: request too large"


@pytest.mark.parametrize(
    ("token", "bucket", "fault", "words"),
    [
        ("not-the-token", "raw", None, ["401", "INFLUX_TOKEN"]),
        (TOKEN, "nowhere", None, ["404", 'bucket "nowhere" not found', "create the bucket"]),
        (TOKEN, "raw", status(403, "insufficient permissions"), ["403", "write permission"]),
        (TOKEN, "raw", status(302, "moved"), ["302", "check the URL"]),
    ],
)
def test_a_wrong_configuration_raises_at_once_and_says_what_to_do(
    server: Server, time: Time, token: str, bucket: str, fault: object, words: list[str]
) -> None:
    for call in ("write", "check"):
        server.faults = [fault] if fault else []  # type: ignore[list-item]
        connection = writer(server.url, time, token=token)
        with pytest.raises(SinkError) as raised:
            connection.write(bucket, chunk(1)) if call == "write" else connection.check(bucket)
        assert all(word in str(raised.value) for word in words)
        assert token not in str(raised.value)
    assert time.sleeps == []


def test_check_writes_nothing(server: Server, time: Time) -> None:
    writer(server.url, time).check("raw")
    assert server.requests == [b""]
    assert server.stored == {}


def test_check_names_a_server_that_is_not_there(time: Time) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(
        SinkError, match=r"does not answer: .*start it .tidemark stack up influxdb., or correct the URL"
    ):
        writer(f"http://127.0.0.1:{port}", time).check("raw")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_tls_trusts_the_named_authority_and_no_other(tmp_path: Path, time: Time) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([*made.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with fake_influxdb(context) as server:
        writer(server.url, time, ca_file=str(certificate)).write("raw", chunk(2))
        assert stored(server) == lines(chunk(2))
        with pytest.raises(
            SinkError,
            match=r"does not answer: SSLError .*certificate verify failed.*; name its authority with ca_file=",
        ):
            writer(server.url, time).check("raw")


def test_the_token_is_never_logged(server: Server, time: Time, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.faults = [status(503), drop]
    writer(server.url, time).write("raw", chunk(1))
    assert "trying again" in caplog.text
    assert TOKEN not in caplog.text
