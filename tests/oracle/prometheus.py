"""A real Prometheus 3 as oracle: on a free loopback port, with a server's defaults and no feature flags, filled by remote write."""

from __future__ import annotations

import http.client
import subprocess
import time
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cramjam
import numpy as np
import orjson
from numpy.typing import NDArray

from deploy.install.recipes import prometheus3_binary
from deploy.ports import free_ports
from schemas.codecs.remote_write import encode_labels

LOOPBACK = "127.0.0.1"
# It replays its log of writes first, if there is one.
READY_SECONDS = 300
SAMPLES_PER_REQUEST = 200_000

# A server has no scrape targets here; samples may come in any order.
CONFIG = """\
global: {evaluation_interval: 1m}
storage: {tsdb: {out_of_order_time_window: 1d}}
"""

Times = NDArray[np.int64]
Floats = NDArray[np.float64]
Series = tuple[Mapping[str, str], Times, Floats]
"""Labels (``__name__`` among them), times in ms, values."""


@dataclass(frozen=True)
class Row:
    """One series of an answer; an instant vector has one sample, a scalar no labels."""

    labels: dict[str, str]
    times: Times
    values: Floats


@dataclass(frozen=True)
class Answer:
    """What a query yields.

    Attributes:
        kind: ``scalar``, ``vector``, ``matrix`` or ``string``; empty for an error.
        rows: in the order of the answer.
        error: Prometheus' message, or empty.
        remarks: warnings and infos.
    """

    kind: str
    rows: list[Row]
    error: str = ""
    remarks: tuple[str, ...] = ()


class Client:
    """One connection that is kept; not for several threads. ``pid`` is the server's, where it was started here."""

    def __init__(self, address: str, pid: int = 0) -> None:
        self.address = address
        self.pid = pid
        self._connection = http.client.HTTPConnection(address, timeout=120)

    def request(self, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        """Status and body of one POST, of a GET without a body."""
        self._connection.request("POST" if body else "GET", path, body or None, dict(headers or {}))
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def close(self) -> None:
        self._connection.close()

    def query(self, expression: str, time_ms: int) -> Answer:
        """An instant query."""
        return self._ask("query", {"query": expression, "time": _seconds(time_ms)})

    def query_range(self, expression: str, start_ms: int, end_ms: int, step_ms: int) -> Answer:
        """A range query."""
        wish = {"start": _seconds(start_ms), "end": _seconds(end_ms), "step": _seconds(step_ms)}
        return self._ask("query_range", {"query": expression, **wish})

    def _ask(self, what: str, wish: Mapping[str, str]) -> Answer:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        status, body = self.request(f"/api/v1/{what}", urllib.parse.urlencode(wish).encode(), headers)
        document = orjson.loads(body)
        remarks = tuple(document.get("warnings", []) + document.get("infos", []))
        if document["status"] != "success":
            return Answer("", [], f"{status} {document['errorType']}: {document['error']}", remarks)
        data = document["data"]
        return Answer(data["resultType"], list(_rows(data["resultType"], data["result"])), "", remarks)

    def load(self, series: Iterable[Series]) -> None:
        """Store samples; staleness markers and other NaNs to the bit.

        Raises:
            RuntimeError: the server refuses them.
        """
        request, samples = bytearray(), 0
        for labels, times, values in series:
            encoded = encode_labels(labels) + encode_samples(times, values)
            request += b"\x0a" + _varint(len(encoded)) + encoded
            samples += len(times)
            if samples >= SAMPLES_PER_REQUEST:
                self.write(bytes(request))
                request, samples = bytearray(), 0
        if request:
            self.write(bytes(request))

    def write(self, request: bytes) -> None:
        """Send one encoded write request.

        Raises:
            RuntimeError: the server refuses it.
        """
        headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
        body = bytes(cramjam.snappy.compress_raw(request))
        status, answer = self.request("/api/v1/write", body, headers)
        if status // 100 != 2:
            raise RuntimeError(f"Prometheus refuses a write with {status}: {answer.decode(errors='replace')}")


def _rows(kind: str, result: Any) -> Iterator[Row]:
    if kind == "scalar":
        yield Row({}, *_columns([result]))
    elif kind == "vector":
        for row in result:
            yield Row(row["metric"], *_columns([row["value"]]))
    elif kind == "matrix":
        for row in result:
            yield Row(row["metric"], *_columns(row["values"]))


def _columns(pairs: list[tuple[float, str]]) -> tuple[Times, Floats]:
    times = np.array([round(when * 1000) for when, _ in pairs], np.int64)
    return times, np.array([float(text) for _, text in pairs])


def _seconds(ms: int) -> str:
    return f"{ms // 1000}.{ms % 1000:03d}"


def encode_samples(times: Times, values: Floats) -> bytes:
    """The samples of one ``TimeSeries`` message: 18 bytes each, for times from 2004 to 2109 (a varint of six bytes)."""
    rows = np.empty((len(times), 18), np.uint8)
    rows[:, 0:3] = (0x12, 16, 0x09)
    rows[:, 3:11] = np.ascontiguousarray(values, "<f8").view(np.uint8).reshape(-1, 8)
    rows[:, 11] = 0x10
    shifts = np.arange(0, 42, 7, dtype=np.int64)
    rows[:, 12:18] = (np.asarray(times)[:, None] >> shifts & 0x7F) | 0x80
    rows[:, 17] &= 0x7F
    return rows.tobytes()


def _varint(number: int) -> bytes:
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)


@contextmanager
def prometheus(directory: Path, *arguments: str, config: str = CONFIG) -> Iterator[Client]:
    """A running server with its data in a directory, which may hold those of an earlier one; ``config`` is the text of its configuration.

    Raises:
        InstallFailed: it is not installed.
        RuntimeError: it does not start.
    """
    [port] = free_ports(1)
    address = f"{LOOPBACK}:{port}"
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "prometheus.yml"
    file.write_text(config)
    argv = [
        str(prometheus3_binary("prometheus")),
        f"--config.file={file}",
        f"--storage.tsdb.path={directory / 'tsdb'}",
        "--storage.tsdb.retention.time=100y",
        "--web.enable-remote-write-receiver",
        f"--web.listen-address={address}",
        *arguments,
    ]
    log = directory / "prometheus.log"
    with log.open("wb") as output:
        process = subprocess.Popen(argv, cwd=directory, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    client = Client(address, process.pid)
    try:
        _wait_ready(client, process, log)
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait(60)


def _wait_ready(client: Client, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            if client.request("/-/ready")[0] == 200:
                return
        except OSError:
            client.close()
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"Prometheus does not start: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.05)
