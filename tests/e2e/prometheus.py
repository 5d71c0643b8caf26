"""A real Prometheus for tests: scrapes itself and one small target, remote-writes to a receiver of ours, and is asked what it holds."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cramjam
import numpy as np
import yaml

from deploy.install.recipes import prometheus3_binary
from deploy.ports import free_ports
from schemas.codecs.remote_write_pb2 import TimeSeries, WriteRequest
from schemas.series import labels_text

LOOPBACK = "127.0.0.1"
Sample = tuple[str, int, int]
"""Series (canonical text), event time (ms), and the bits of the value."""


@contextmanager
def serving(answer: Callable[[BaseHTTPRequestHandler], bytes]) -> Iterator[str]:
    """An HTTP server whose every GET and POST is answered 200 with what the function gives; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answer(self)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Type", "text/plain")
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Not on standard error."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"{LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Prometheus:
    """A running server."""

    def __init__(self, address: str) -> None:
        self.url = f"http://{address}"

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The vector of an instant query; empty while the server does not answer."""
        try:
            with urllib.request.urlopen(
                f"{self.url}/api/v1/query?query={urllib.parse.quote(expression)}", timeout=10
            ) as answer:
                found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        except OSError:
            return []
        return found

    def samples(self, until_ms: int) -> set[Sample]:
        """Every sample of its storage up to a time, staleness markers among them, by the remote read API."""
        # ReadRequest{queries: [Query{start, end, matchers: [LabelMatcher{type: RE, name: "__name__", value: ".+"}]}]}
        matcher = b"\x08\x02\x12\x08__name__\x1a\x02.+"
        query = b"\x08\x01\x10" + _varint(until_ms) + b"\x1a" + _varint(len(matcher)) + matcher
        request = cramjam.snappy.compress_raw(b"\x0a" + _varint(len(query)) + query)
        headers = {"Content-Encoding": "snappy", "X-Prometheus-Remote-Read-Version": "0.1.0"}
        wish = urllib.request.Request(f"{self.url}/api/v1/read", bytes(request), headers)
        with urllib.request.urlopen(wish, timeout=60) as answer:
            response = bytes(cramjam.snappy.decompress_raw(answer.read()))
        # ReadResponse, QueryResult and WriteRequest all have their one list in field 1.
        [result] = WriteRequest.FromString(response).timeseries
        found = set()
        for encoded in WriteRequest.FromString(result).timeseries:
            series = TimeSeries.FromString(encoded)
            text = labels_text((label.name, label.value) for label in series.labels)
            bits = np.array([sample.value for sample in series.samples]).view(np.uint64).tolist()
            times = [sample.timestamp for sample in series.samples]
            found.update((text, ts, value) for ts, value in zip(times, bits, strict=True))
        return found


def _varint(number: int) -> bytes:
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)


@contextmanager
def prometheus(directory: Path, targets: dict[str, str], remote_write: str) -> Iterator[Prometheus]:
    """A server that scrapes itself and the targets (address by job) every second, and writes to a URL."""
    [port] = free_ports(1)
    address = f"{LOOPBACK}:{port}"
    jobs = {"prometheus": address, **targets}
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [target]}]} for job, target in jobs.items()
        ],
        # One shard sends samples in the order in which they were stored.
        "remote_write": [{"url": remote_write, "queue_config": {"max_shards": 1, "batch_send_deadline": "500ms"}}],
    }
    file = directory / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    argv = [str(prometheus3_binary("prometheus")), f"--config.file={file}", f"--storage.tsdb.path={directory / 'tsdb'}"]
    with (directory / "prometheus.log").open("wb") as log:
        process = subprocess.Popen([*argv, f"--web.listen-address={address}"], cwd=directory, stdout=log, stderr=log)
    try:
        yield Prometheus(address)
    finally:
        process.terminate()
        process.wait(30)


def now_ms() -> int:
    """The clock by which targets are scraped."""
    return int(time.time() * 1000)
