"""Series in line protocol: measurement and escaped tags, and which series InfluxDB 2 cannot hold.

What is escaped follows InfluxDB's line protocol reference (commas and spaces in a measurement; commas, spaces and equals signs in tag keys
and values). Line protocol has no escape for a backslash or a line feed, so some series have no notation; others are taken by the
server and lost or changed. Both kinds are named by a reason instead of being written; docs/sinks.md lists them, as found with 2.7.12.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from schemas.series import parse_labels, parse_metric

PARTS_CACHED = 1 << 16
"""Target parts, and as many metric parts, whose escaped text is kept: about 100 MB at the most."""

KEY_LIMIT = 65_535
"""Bytes that InfluxDB allows a series key; one half of it is allowed to each of the two parts."""

REFUSED_KEYS = frozenset({"time", "_measurement", "_field", "\0"})
"""Tag keys that the server answers with 400."""

UNREADABLE_KEYS = frozenset({"_time", "_value", "_start", "_stop"})
"""Tag keys that the server takes and Flux then fails on, for every series that it reads beside them."""

_MEASUREMENT = re.compile(r"[, ]")
_AMBIGUOUS = re.compile(r'\\[, ="]')
_TAG = re.compile(r"[, =]")


class Part(NamedTuple):
    """A target or metric part in line protocol.

    ``measurement`` is escaped, empty for a target part; ``keys`` are the label names, sorted; ``tags`` are ``,key=value``, escaped, one a key.
    ``unholdable`` says why InfluxDB cannot hold the part; None if it can.
    """

    measurement: str
    keys: tuple[str, ...]
    tags: tuple[str, ...]
    unholdable: str | None


def escape_measurement(text: str) -> str:
    """A measurement as line protocol writes it."""
    return _MEASUREMENT.sub(r"\\\g<0>", text)


def escape_tag(text: str) -> str:
    """A tag key or value as line protocol writes it."""
    return _TAG.sub(r"\\\g<0>", text)


@lru_cache(PARTS_CACHED)
def target_part(text: str) -> Part:
    """The tags of a target part's canonical text.

    Raises:
        ValueError: the text is not canonical.
    """
    return _part("", parse_labels(text))


@lru_cache(PARTS_CACHED)
def metric_part(text: str) -> Part:
    """The measurement and tags of a metric part's canonical text.

    Raises:
        ValueError: the text is not canonical.
    """
    name, labels = parse_metric(text)
    part = _part(escape_measurement(name), labels)
    return part._replace(unholdable=_unholdable_measurement(name) or part.unholdable)


def _part(measurement: str, labels: dict[str, str]) -> Part:
    pairs = sorted(labels.items())
    tags = tuple(f",{escape_tag(key)}={escape_tag(value)}" for key, value in pairs)
    reason = next(filter(None, (_unholdable_tag(key, value) for key, value in pairs)), None)
    if reason is None and len((measurement + "".join(tags)).encode(errors="replace")) > KEY_LIMIT // 2:
        reason = f"name and labels are longer than {KEY_LIMIT // 2} bytes"
    return Part(measurement, tuple(key for key, _ in pairs), tags, reason)


def _unholdable_measurement(name: str) -> str | None:
    if name.startswith("#"):
        return f"metric name {name!r} begins with '#': a comment in line protocol"
    if name.startswith(("\t", "\0")):
        return f"metric name {name!r} begins with a tab or NUL, which the server skips"
    if _AMBIGUOUS.search(name):
        return f"metric name {name!r} holds a backslash before a comma, space, equals sign or quote, which the server drops"
    return _unholdable_text("metric name", name)


def _unholdable_tag(key: str, value: str) -> str | None:
    if key in REFUSED_KEYS:
        return f"label name {key!r} is reserved by InfluxDB"
    if key in UNREADABLE_KEYS:
        return f"label name {key!r} is a column of every Flux table: no query could read it"
    return _unholdable_text("label name", key) or _unholdable_text(f"value of label {key!r}", value)


def _unholdable_text(what: str, text: str) -> str | None:
    if text.endswith("\\"):
        return f"{what} ends with a backslash, which line protocol cannot write: {text[-40:]!r}"
    if "\n" in text:
        return f"{what} holds a line feed, which line protocol cannot write: {text[:40]!r}"
    if any("\ud800" <= character <= "\udfff" for character in text):
        return f"{what} is not Unicode text: {text[:40]!r}"
    return None
