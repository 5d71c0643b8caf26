"""What InfluxDB's answer to a write means, and how long to wait before the next try. Pure.

Status codes: InfluxDB OSS 2 API, ``POST /api/v2/write``. A request that cannot be parsed is refused whole (400); one that parses is
written except for the points that the storage refuses (422, "partial write"). Repeating what was written changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum

import orjson

_SPLIT = frozenset({413})
_REFUSED = frozenset({400, 422})
_RETRY = frozenset({0, 408, 425, 429})

_DROPPED = re.compile(r"dropped[= ](\d+)")


class Verdict(Enum):
    """What follows from a status code."""

    WRITTEN = "written"
    RETRY = "the server may take it later"
    SPLIT = "the request is too large"
    REFUSED = "the server refuses some of the lines"
    MISCONFIGURED = "no retry can help"


def verdict(status: int) -> Verdict:
    """The verdict of a response's status code; 0 stands for a connection that failed before there was one."""
    if 200 <= status < 300:
        return Verdict.WRITTEN
    if status in _SPLIT:
        return Verdict.SPLIT
    if status in _REFUSED:
        return Verdict.REFUSED
    if status in _RETRY or status >= 500:
        return Verdict.RETRY
    return Verdict.MISCONFIGURED


def message(body: str | bytes | None) -> str:
    """The reason that a response body gives: InfluxDB's ``message``, else the text itself, at most 1,000 characters of it."""
    if not body:
        return ""
    text = body if isinstance(body, str) else body.decode(errors="replace")
    try:
        fields = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text.strip()[:1_000]
    found = fields.get("message") if isinstance(fields, dict) else None
    return str(found or text)[:1_000]


def dropped_points(reason: str) -> int | None:
    """How many points a partial write left out; None if the reason does not say."""
    found = _DROPPED.search(reason)
    return int(found[1]) if found else None


def retry_after(headers: Mapping[str, str] | None, now: float) -> float:
    """Seconds that a ``Retry-After`` header asks for (RFC 9110, section 10.2.3: seconds or a date); 0 if it asks for none."""
    value = ((headers or {}).get("Retry-After") or "").strip()
    # Other digits than these, a superscript among them, are no number.
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now) if value else 0.0
    except ValueError:
        return 0.0


@dataclass(frozen=True)
class Backoff:
    """Exponential backoff with jitter: before try n (from 1) a delay between half of ``first * 2**(n-1)`` and all of it, at most ``longest``.

    Attributes:
        first, longest: seconds.
        total: seconds from the first failure after which nothing is tried again.
    """

    first: float = 0.25
    longest: float = 15.0
    total: float = 300.0

    def delay(self, attempt: int, jitter: float, asked: float = 0.0) -> float:
        """Seconds to wait before a retry: ``jitter`` is uniform in [0, 1), ``asked`` what the server asked for, which is the least."""
        # 2**60 is beyond any cap; a larger power would overflow a float in the end.
        full = min(self.longest, self.first * 2.0 ** min(attempt - 1, 60))
        return max(asked, full * (0.5 + jitter / 2))
