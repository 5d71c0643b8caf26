"""An HTTP server that takes writes as InfluxDB 2 does, and misbehaves on request."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "a-token-of-the-test"


class Server:
    """What the server holds and how it behaves.

    Attributes:
        stored: by bucket, series and time, the fields' text of each point written.
        faults: what to do with the next requests, one each, before it behaves again.
        unparsable, dropped: lines that are refused by the parser (nothing of the request is written) or by the storage (the others are).
        limit: bytes of a body above which it is answered with 413.
        requests: bytes of each body, decompressed.
    """

    def __init__(self) -> None:
        self.stored: dict[tuple[str, bytes, bytes], bytes] = {}
        self.faults: list[Callable[[Handler], None]] = []
        self.unparsable: Callable[[bytes], bool] = lambda line: False
        self.dropped: Callable[[bytes], bool] = lambda line: False
        self.limit = 1 << 30
        self.buckets = {"raw", "rollup_1m", "rollup_1h"}
        self.requests: list[bytes] = []
        self.encodings: set[str | None] = set()
        self.released = threading.Event()
        self.url = ""

    def write(self, bucket: str, body: bytes) -> tuple[int, str]:
        """Status and message of a write."""
        if bucket not in self.buckets:
            return 404, f'bucket "{bucket}" not found'
        if len(body) > self.limit:
            return 413, "request too large"
        lines = body.split(b"\n")[:-1]
        bad = [line for line in lines if self.unparsable(line)]
        if bad:
            return 400, f"unable to parse '{bad[0].decode()}': missing fields"
        dropped = [line for line in lines if self.dropped(line)]
        for line in lines:
            if line not in dropped:
                series, fields, time = line.rsplit(b" ", 2)
                self.stored[bucket, series, time] = fields
        if dropped:
            return 422, f"failure writing points to database: partial write: field type conflict dropped={len(dropped)}"
        return 204, ""


class Handler(BaseHTTPRequestHandler):
    """One request; ``self.server.state`` is the :class:`Server`."""

    protocol_version = "HTTP/1.1"
    # Headers and body leave in two writes, which Nagle's algorithm would hold back.
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        state: Server = self.server.state  # type: ignore[attr-defined]
        self.state = state
        body = self.rfile.read(int(self.headers["Content-Length"]))
        state.encodings.add(self.headers["Content-Encoding"])
        self.body = gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body
        state.requests.append(self.body)
        query = parse_qs(urlsplit(self.path).query)
        self.bucket = query["bucket"][0]
        assert query["precision"] == ["ms"]
        if self.headers["Authorization"] != f"Token {TOKEN}":
            self.answer(401, "unauthorized access")
        elif state.faults:
            state.faults.pop(0)(self)
        else:
            self.answer(*state.write(self.bucket, self.body))

    def answer(self, status: int, message: str = "", **headers: str) -> None:
        """Send a response."""
        content = json.dumps({"code": "test", "message": message}).encode() if message else b""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def reset(self) -> None:
        """Break the connection."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        pass


def status(code: int, message: str = "try later", **headers: str) -> Callable[[Handler], None]:
    """A fault: an answer."""
    return lambda handler: handler.answer(code, message, **headers)


def drop(handler: Handler) -> None:
    """A fault: the connection breaks and nothing is written."""
    handler.reset()


def write_and_drop(handler: Handler) -> None:
    """A fault: all is written, but the answer never arrives."""
    handler.state.write(handler.bucket, handler.body)
    handler.reset()


def hang(handler: Handler) -> None:
    """A fault: no answer until the test lets go."""
    handler.state.released.wait(60)
    handler.reset()


@contextmanager
def fake_influxdb(tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A server on a free port of the loopback interface."""
    state = Server()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    httpd.handle_error = lambda *_: None  # type: ignore[method-assign]
    httpd.state = state  # type: ignore[attr-defined]
    if tls:
        httpd.socket = tls.wrap_socket(httpd.socket, server_side=True)
    state.url = f"{'https' if tls else 'http'}://127.0.0.1:{httpd.server_port}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        state.released.set()
        httpd.shutdown()
        httpd.server_close()
        thread.join()
