"""What format a file of records has, by its name. Pure."""

from __future__ import annotations

import os

from schemas.records import JSON_SCRAPE, LINE_PROTOCOL

_CONTENT_TYPES = {
    ".lp": LINE_PROTOCOL,
    ".line": LINE_PROTOCOL,
    ".influx": LINE_PROTOCOL,
    ".json": JSON_SCRAPE,
    ".jsonl": JSON_SCRAPE,
    ".ndjson": JSON_SCRAPE,
}


def content_type_of(path: str) -> str | None:
    """The content type that a file's name says, None if it says none: ``.lp``, ``.line``, ``.influx``; ``.json``, ``.jsonl``, ``.ndjson``; each
    also with ``.gz``."""
    return _CONTENT_TYPES.get(os.path.splitext(path.removesuffix(".gz"))[1].lower())
