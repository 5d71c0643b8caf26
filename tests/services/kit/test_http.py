"""One request over HTTP: any status is an answer, and credentials stay with the server that they are for."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from services.kit.http import MOST_OF_AN_ERROR, Answer, NoAnswer, ask

Seen = list[tuple[str, str, str | None, bytes]]
"""Method, path, credentials and body of each request."""


@contextmanager
def serving(replies: dict[str, tuple[int, dict[str, str], bytes]]) -> Iterator[tuple[str, Seen]]:
    """A server's URL, and what it was asked; by path its status, headers and body."""
    seen: Seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            seen.append((self.command, self.path, self.headers["Authorization"], body))
            status, headers, found = replies[self.path]
            self.send_response(status, "Some Reason")
            for name, value in {"Content-Length": str(len(found)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(found)

        do_POST = do_PATCH = do_GET

        def log_message(self, *_: object) -> None:
            """Not on standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


TOKEN = {"Authorization": "Token secret"}


def test_any_status_is_an_answer() -> None:
    replies = {
        "/good": (200, {}, b"yes"),
        "/bad": (503, {}, b" later\n"),
        "/long": (500, {}, b"x" * 2 * MOST_OF_AN_ERROR),
    }
    with serving(replies) as (url, seen):
        assert ask("GET", f"{url}/good", timeout_s=5) == Answer(200, "Some Reason", b"yes")
        bad = ask("POST", f"{url}/bad", timeout_s=5, body=b"question", headers=TOKEN)
        assert len(ask("GET", f"{url}/long", timeout_s=5).body) == MOST_OF_AN_ERROR
        ask("PATCH", f"{url}/good", timeout_s=5)
    assert (bad.status, bad.success, bad.text(), bad.text(2)) == (503, False, "later", "la")
    assert seen[1] == ("POST", "/bad", "Token secret", b"question")
    assert seen[3][0] == "PATCH"


def test_credentials_do_not_follow_to_another_server() -> None:
    with serving({"/there": (200, {}, b"there")}) as (other, seen_there):
        replies = {
            "/away": (302, {"Location": f"{other}/there"}, b""),
            "/near": (307, {"Location": "/here"}, b""),
            "/here": (200, {}, b"here"),
        }
        with serving(replies) as (url, seen):
            assert ask("GET", f"{url}/near", timeout_s=5, headers=TOKEN).body == b"here"
            assert ask("GET", f"{url}/away", timeout_s=5, headers=TOKEN).body == b"there"
    assert [each[2] for each in seen] == ["Token secret"] * 3
    assert [each[2] for each in seen_there] == [None]


def test_no_answer() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(NoAnswer, match="refused"):
            ask("GET", url, timeout_s=5)
        taken.listen()
        with pytest.raises(NoAnswer, match="timed out"):
            ask("GET", url, timeout_s=0.1)
    for bad in ("nowhere", "http://[", "ftps://host"):
        with pytest.raises(NoAnswer, match=r"unknown|nvalid"):
            ask("GET", bad, timeout_s=5)


def test_an_answer_that_breaks_off_is_none() -> None:
    with (
        serving({"/": (200, {"Content-Length": "100"}, b"half")}) as (url, _),
        pytest.raises(NoAnswer, match="4 bytes"),
    ):
        ask("GET", f"{url}/", timeout_s=2)
