"""What a real Prometheus sends is what it stored."""

from __future__ import annotations

import json
import math
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from schemas.codecs import BlockDecoder
from schemas.records import RawRecord
from schemas.series import labels_text, series_text
from tests.schemas.rows import STALE_BITS, bits, rows

PROMETHEUS = shutil.which("prometheus")
SCRAPES = 4
DEADLINE_S = 60

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(PROMETHEUS is None, reason="no prometheus on PATH (Debian: apt install prometheus)"),
]


class Peer(BaseHTTPRequestHandler):
    """Target and receiver in one: GET is a scrape, POST a write request."""

    scrapes = 0
    received: list[RawRecord]

    def do_GET(self) -> None:
        type(self).scrapes += 1
        lines = [
            f"scrapes_total {self.scrapes}",
            "zero 0",
            "small 1e-300",
            'odd{x="NaN"} NaN',
            'odd{x="a\\"b\\\\c\\n"} -Inf',
        ]
        # A series that ends is marked stale; this one ends after each odd scrape.
        lines += ["flickers 1"] if self.scrapes % 2 else []
        self._reply("\n".join([*lines, ""]).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        now = int(time.time() * 1000)
        self.received.append(RawRecord(body, len(self.received), now, self.headers["Content-Type"]))
        self._reply(b"")

    def _reply(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def peer() -> Iterator[tuple[type[Peer], int]]:
    handler = type("OnePeer", (Peer,), {"received": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield handler, server.server_port
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def prometheus(folder: Path, target_port: int) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [
            {
                "job_name": "peer",
                "static_configs": [{"targets": [f"127.0.0.1:{target_port}"], "labels": {"host": "web-1"}}],
            }
        ],
        "remote_write": [{"url": f"http://127.0.0.1:{target_port}/", "queue_config": {"batch_send_deadline": "1s"}}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))
    command = [
        str(PROMETHEUS),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield port
        finally:
            process.terminate()
            process.wait(timeout=DEADLINE_S)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE_S} s: {what}"
        time.sleep(0.1)


def stored(port: int) -> dict[tuple[str, int], float]:
    """All samples that Prometheus holds, by series and time."""
    query = urllib.parse.quote('{__name__=~".+"}[10m]')
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?query={query}") as reply:
        result = json.load(reply)["data"]["result"]
    return {
        (labels_text(series["metric"].items()), round(seconds * 1000)): float(value)
        for series in result
        for seconds, value in series["values"]
    }


def test_everything_stored_is_read_back_equal(tmp_path: Path) -> None:
    with peer() as (handler, target_port):
        with prometheus(tmp_path, target_port) as port:
            wait_for(lambda: handler.scrapes > SCRAPES, f"{SCRAPES} scrapes")
            expected = stored(port)
        # Prometheus flushes its queue before it ends.
        records = list(handler.received)
    block = BlockDecoder().decode_block(records, "t", 0)
    assert block.dead_letters == []
    found = {(series_text(one.target, one.metric), one.ts): one.bits for one in rows(block.batch)}

    ours = {key: value for key, value in expected.items() if 'job="peer"' in key[0]}
    assert len(ours) >= SCRAPES * 5
    for key, value in ours.items():
        # The query's text says NaN, not which one.
        assert found[key] == (0x7FF8000000000001 if math.isnan(value) else bits(value)), key
    stale = {series for (series, _), value in found.items() if value == STALE_BITS}
    assert any('__name__="flickers"' in series for series in stale)
