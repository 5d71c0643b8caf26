"""Series identity: canonical text, the split into target and metric part, and a stable 64-bit hash.

A series is a metric name and a label set. Its *target* part holds the labels that everything one scrape yields has in common (``job``,
``instance``, ``host``, ...; which ones is configuration), its *metric* part the name and all other labels. Both are written in the
notation of Prometheus, labels sorted by name: target ``{host="a",job="node"}``, metric ``cpu_seconds_total{mode="idle"}``.
The text is canonical (equal parts have equal text), so the text itself is the identity; the hash only places it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

METRIC_NAME = "__name__"

MEASUREMENT_ORIGIN = "measurement "
"""What the origin of a metric begins with that is named after a measurement and one of its fields; after it comes the measurement."""

LABELS_ORIGIN = "labels "
"""What the origin of a metric begins with that is under labels in the place of others; after it come those, as :func:`labels_text` writes them."""

DEFAULT_TARGET_LABELS = frozenset(
    {"job", "instance", "host", "pool", "cluster", "datacenter", "region", "zone", "rack", "environment"}
)
"""Labels that go into the target part unless configured otherwise."""

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n"}
_NEEDS_ESCAPE = re.compile(r'[\\"\n]')
_UNESCAPES = {"n": "\n", "\\": "\\", '"': '"'}
_ESCAPED = re.compile(r"\\(.)")
_LABEL = re.compile(r'(?P<name>"(?:[^"\\]|\\.)*"|[^=,{}"]+)="(?P<value>(?:[^"\\]|\\.)*)"(?:,|$)')
_BARE = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:.\-/]*\Z")


def _quote(text: str) -> str:
    return '"' + _NEEDS_ESCAPE.sub(lambda found: _ESCAPES[found[0]], text) + '"'


def _unquote(text: str) -> str:
    return _ESCAPED.sub(lambda found: _UNESCAPES.get(found[1], found[0]), text) if "\\" in text else text


def _name(text: str) -> str:
    # Prometheus 3 quotes names outside the classic alphabet; so does the canonical text.
    return text if _BARE.match(text) else _quote(text)


def labels_text(labels: Iterable[tuple[str, str]]) -> str:
    """Canonical text of a label set, ``{a="1",b="2"}``; ``{}`` when empty. A label with an empty value is an absent label (Prometheus)."""
    return "{" + ",".join(f"{_name(name)}={_quote(value)}" for name, value in sorted(labels) if value != "") + "}"


def metric_text(name: str, labels: Iterable[tuple[str, str]] = ()) -> str:
    """Canonical text of a metric part, ``name{a="1"}``; the bare name when it has no labels."""
    text = labels_text(labels)
    return _name(name) if text == "{}" else _name(name) + text


def parse_labels(text: str) -> dict[str, str]:
    """The label set of a canonical ``{...}`` text.

    Raises:
        ValueError: the text is not one that :func:`labels_text` writes; the message holds the text and the column.
    """
    if not (text.startswith("{") and text.endswith("}")):
        raise ValueError(f"not a label set: {text!r}")
    labels: dict[str, str] = {}
    position, body = 0, text[1:-1]
    while position < len(body):
        found = _LABEL.match(body, position)
        if found is None:
            raise ValueError(f"not a label set: {text!r}, column {position + 2}")
        name = found["name"]
        labels[_unquote(name[1:-1]) if name.startswith('"') else name] = _unquote(found["value"])
        position = found.end()
    return labels


def parse_metric(text: str) -> tuple[str, dict[str, str]]:
    """Name and labels of a canonical metric part.

    Raises:
        ValueError: the text is not one that :func:`metric_text` writes.
    """
    if text.startswith('"'):
        found = re.match(r'"((?:[^"\\]|\\.)*)"', text)
        if found is None:
            raise ValueError(f"not a metric: {text!r}")
        name, rest = _unquote(found[1]), text[found.end() :]
    else:
        name, brace, rest = text.partition("{")
        rest = brace + rest
    if not name:
        raise ValueError(f"not a metric: {text!r} has no name")
    return name, parse_labels(rest) if rest else {}


def split_labels(
    labels: Mapping[str, str], target_labels: frozenset[str] = DEFAULT_TARGET_LABELS
) -> tuple[str, list[tuple[str, str]]]:
    """Split a label set (without ``__name__``) into the target part's text and the metric part's labels."""
    target: list[tuple[str, str]] = []
    rest: list[tuple[str, str]] = []
    for label in labels.items():
        (target if label[0] in target_labels else rest).append(label)
    return labels_text(target), rest


def series_text(target: str, metric: str) -> str:
    """Canonical text of a whole series: the sorted label set with ``__name__``, ``{__name__="up",host="a"}``."""
    name, labels = parse_metric(metric)
    return labels_text({**labels, **parse_labels(target), METRIC_NAME: name}.items())


def stable_hash(text: str) -> int:
    """64-bit hash of a canonical text: BLAKE2b with an 8-byte digest, little-endian; the same on every machine, for ever."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def shard_of(target: str, shards: int) -> int:
    """The shard of a target part: ``stable_hash modulo shards``; every series of a host lies in one shard."""
    return stable_hash(target) % shards
