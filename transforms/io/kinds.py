"""The kinds of data that a job writes to outputs. Rows go to stores; records go to topics and files. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.tiers import Tier, Tiers
from schemas.times import format_duration
from transforms.io.records import RecordsOf, alert_event_records, dead_letter_records, late_records, line_records


@dataclass(frozen=True)
class RowKind:
    """Rows of one tier, or raw samples.

    Elements are bytes of :func:`schemas.rollup.encode`, of raw samples those of :func:`schemas.batch.encode`.

    Attributes:
        name: the tier's; of raw samples ``raw``.
        bucket: of InfluxDB.
        retention_ms: how long they are kept, 0 for ever.
        raw: whether they are raw samples.
    """

    name: str
    bucket: str
    retention_ms: int
    raw: bool = False


@dataclass(frozen=True)
class RecordKind:
    """Records of one sort.

    Attributes:
        name: what its counters and files begin with.
        records_of: the records of an element.
    """

    name: str
    records_of: RecordsOf


LINES = RecordKind("lines", line_records)
"""Elements are bytes without a line feed, each a JSON document."""
DEAD_LETTERS = RecordKind("dead_letters", dead_letter_records)
"""Elements are bytes of :meth:`schemas.records.DeadLetter.encode`."""
LATE_SAMPLES = RecordKind("late", late_records)
"""Elements are bytes of :func:`schemas.batch.encode`. They are written as JSON scrape documents, which any input of a job reads."""
ALERT_EVENTS = RecordKind("alerts", alert_event_records)
"""Elements are bytes of :func:`schemas.alert_event.encode`."""


def rollups(tier: Tier) -> RowKind:
    """The rows of a tier."""
    return RowKind(tier.name, tier.bucket, tier.retention_ms)


def raw_samples(tiers: Tiers) -> RowKind:
    """The raw samples beside these tiers."""
    return RowKind("raw", tiers.raw_bucket, tiers.raw_retention_ms, raw=True)


def row_kinds(tiers: Tiers, *, raw: bool = True, rollups_too: bool = True) -> list[RowKind]:
    """What a job with these tiers writes: raw samples, and the rows of every tier."""
    tiers_rows = [rollups(tier) for tier in tiers.rollups if rollups_too]
    return [raw_samples(tiers), *tiers_rows] if raw else tiers_rows


def with_retention(names: Iterable[tuple[str, int]]) -> str:
    """Names of places for a plan, each with how long (ms) it keeps its rows."""
    return ", ".join(f"{name} ({format_duration(kept) if kept else 'for ever'})" for name, kept in names)
