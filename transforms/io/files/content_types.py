"""What format a file of records has, by its name. Pure."""

from __future__ import annotations

import os

from schemas.records import JSON_SCRAPE, LINE_PROTOCOL

CONTENT_TYPES = {
    ".lp": LINE_PROTOCOL,
    ".line": LINE_PROTOCOL,
    ".influx": LINE_PROTOCOL,
    ".json": JSON_SCRAPE,
    ".jsonl": JSON_SCRAPE,
    ".ndjson": JSON_SCRAPE,
}
"""Content types by the end of a name."""


def content_type_of(path: str) -> str | None:
    """The content type by a file's name, None if it has none: ``.lp``, ``.line``, ``.influx``; ``.json``, ``.jsonl``, ``.ndjson``; each
    also with ``.gz``."""
    return CONTENT_TYPES.get(suffix_of(path))


def suffix_of(path: str) -> str:
    """The end of a file's name that names its format, in lower case, without ``.gz``: ``.lp`` of ``cpu.LP.GZ``."""
    return os.path.splitext(path.lower().removesuffix(".gz"))[1]
