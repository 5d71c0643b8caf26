"""One request over HTTP: what every part that asks a server has in common. Any status is an answer; what it means is the caller's matter."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import IO, NamedTuple
from urllib.parse import urlsplit

MOST_OF_AN_ERROR = 1 << 16
"""Bytes that are read of an answer that is no success."""

_CREDENTIALS = ("Authorization", "Cookie")


class NoAnswer(OSError):
    """No answer came, or none in HTTP; the message is the reason."""


class Answer(NamedTuple):
    """What a server answers.

    Attributes:
        status: the code.
        reason: the words beside it.
        body: whole for a success, else the first :data:`MOST_OF_AN_ERROR` bytes.
    """

    status: int
    reason: str
    body: bytes

    @property
    def success(self) -> bool:
        return 200 <= self.status < 300

    def text(self, longest: int = 500) -> str:
        """The beginning of the body, for a message."""
        return self.body.decode(errors="replace").strip()[:longest]


def ask(
    method: str,
    url: str,
    *,
    timeout_s: float,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    ca_file: str | None = None,
) -> Answer:
    """Send a request once and read the answer.

    A GET follows redirects, but takes no credentials to another server. Proxies are those of the environment.

    Args:
        timeout_s: of connecting, and of each wait for bytes.
        ca_file: certificates to trust with https, instead of the system's.

    Raises:
        NoAnswer: the server cannot be reached, or does not answer in time or in HTTP; or the URL is none.
    """
    try:
        request = urllib.request.Request(url, data=body, headers=dict(headers or {}), method=method)
        context = ssl.create_default_context(cafile=ca_file) if url.startswith("https:") else None
        handlers = [_Redirects(), *([urllib.request.HTTPSHandler(context=context)] if context else [])]
        with urllib.request.build_opener(*handlers).open(request, timeout=timeout_s) as answer:
            return Answer(answer.status, str(answer.reason), bytes(answer.read()))
    except urllib.error.HTTPError as error:
        return _of_error(error)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise NoAnswer(str(getattr(error, "reason", error))) from error


def _of_error(error: urllib.error.HTTPError) -> Answer:
    try:
        with error:
            return Answer(error.code, str(error.reason), error.read(MOST_OF_AN_ERROR))
    except (OSError, http.client.HTTPException):
        # The status says enough.
        return Answer(error.code, str(error.reason), b"")


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        found = super().redirect_request(req, fp, code, msg, headers, newurl)
        if found is not None and urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            for name in _CREDENTIALS:
                found.remove_header(name)
        return found
