"""Rollups of a collection of one's own: temperatures as dicts, to rows of a minute and of an hour.

python examples/rollups_of_dicts.py
"""

from __future__ import annotations

import apache_beam as beam

from tidemark import CutRecords, IntakeSettings, Rollups, Rows, Tiers

NOON = 1_700_049_600_000
TIERS = Tiers()
READINGS = [
    {
        "labels": {"room": room},
        "timestamp": NOON + 15_000 * number,
        "samples": {"temperature_celsius": warm + number / 8},
    }
    for number in range(8)
    for room, warm in (("hall", 18), ("loft", 24))
]


def text(row: dict) -> str:
    minute = (row["window"] - NOON) // 60_000
    mean = row["sum"] / row["count"]
    return f"{row['tier']} from {minute:2d} min, {row['labels']['room']}: {row['count']} readings, mean {mean:.2f}, maximum {row['max']}"


def main() -> None:
    with beam.Pipeline() as pipeline:
        taken = pipeline | beam.Create(READINGS) | CutRecords(IntakeSettings(tiers=TIERS))
        tiers = taken["samples"] | Rollups(TIERS)
        rows = tuple(tiers.values()) | beam.Flatten() | Rows()
        rows | beam.Map(text) | beam.Map(print)


if __name__ == "__main__":
    main()
