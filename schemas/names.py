"""Names from a configuration that become names elsewhere: folders, buckets, topics, steps of a job."""

from __future__ import annotations

import re
from typing import Any

MAX_NAME_BYTES = 100
"""Of a name that becomes a folder's: file systems take 255 bytes, and a file's name must hold more than it."""

MAX_TOPIC_LENGTH = 249
"""Kafka, ``Topic.MAX_NAME_LENGTH``."""

_FOLDER = re.compile(r"[^\W_](?:[\w .+-]*[\w+-])?")
_TOPIC = re.compile(r"[a-zA-Z0-9._-]+", re.ASCII)


def text_of(where: str, value: Any) -> str:
    """A text of a configuration; a number is its digits.

    Raises:
        ValueError: it is neither; the message begins with ``where``.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError(f"{where}: a text is wanted, not {value!r}")
    return str(value)


def check_folder(where: str, name: str) -> None:
    """Check a name that becomes that of a folder, so that it stays inside the folder that holds it, and is no hidden one.

    Raises:
        ValueError: it does not; the message begins with ``where``.
    """
    if not _FOLDER.fullmatch(name) or len(name.encode()) > MAX_NAME_BYTES:
        raise ValueError(
            f"{where}: {name!r} cannot be a name: it becomes a folder, so begin with a letter or digit, go on with letters, "
            f"digits, '_', '-', '.', '+' and spaces, {MAX_NAME_BYTES} bytes at most"
        )


def check_bucket(where: str, name: str) -> None:
    """Check the name of a bucket of InfluxDB 2; whether there is one, the server knows.

    Raises:
        ValueError: it can be none; the message begins with ``where``.
    """
    if not name.strip() or name.startswith("_") or not name.isprintable():
        raise ValueError(
            f"{where}: {name!r} cannot be a bucket: InfluxDB takes printable names that do not begin with '_'"
        )


def check_label(where: str, name: str) -> None:
    """Check the name of a label; any text will do since Prometheus 3 ("UTF-8 in label names"), but the one that stands for the metric's name.

    Raises:
        ValueError: it can be none; the message begins with ``where``.
    """
    if not name or name == "__name__":
        raise ValueError(f"{where}: {name!r} cannot be the name of a label")


def check_topic(where: str, name: str) -> None:
    """Check the name of a topic (Kafka, ``Topic.validate``).

    Raises:
        ValueError: it can be none; the message begins with ``where``.
    """
    if not _TOPIC.fullmatch(name) or name in (".", "..") or len(name) > MAX_TOPIC_LENGTH:
        raise ValueError(
            f"{where}: {name!r} cannot be a topic: Kafka takes letters, digits, '.', '_' and '-', {MAX_TOPIC_LENGTH} at most"
        )
