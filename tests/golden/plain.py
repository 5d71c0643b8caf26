"""Bytes in JSON files."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

Plain = Any
"""What JSON can hold."""


def text_of(data: bytes) -> str:
    """Bytes as a text."""
    return b64encode(data).decode()


def bytes_of(text: str) -> bytes:
    """The bytes of a text."""
    return b64decode(text)
