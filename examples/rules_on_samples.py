"""Alert rules on samples of one's own: two rooms, one of which is too warm for a while.

python examples/rules_on_samples.py
"""

from __future__ import annotations

from datetime import datetime, timezone

import apache_beam as beam

from tidemark import CutRecords, EvaluateRules, EvaluationSettings, Events, IntakeSettings

NOON = 1_700_049_600_000
RULES = """
groups:
- name: rooms
  interval: 1m
  rules:
  - alert: TooWarm
    expr: temperature_celsius > 24
    for: 2m
    annotations: {summary: '{{ $labels.room }} has {{ $value }} degrees'}
"""
READINGS = [
    {
        "labels": {"room": room},
        "timestamp": NOON + 60_000 * minute,
        "samples": {"temperature_celsius": 21 + warmer * (3 <= minute < 8)},
    }
    for minute in range(12)
    for room, warmer in (("hall", 1), ("loft", 5))
]


def main() -> None:
    with beam.Pipeline() as pipeline:
        taken = pipeline | beam.Create(READINGS) | CutRecords(IntakeSettings())
        evaluated = taken["samples"] | EvaluateRules(EvaluationSettings({"rooms.yml": RULES}, bounded=True))
        events = evaluated["events"] | Events()
        events | beam.Map(
            lambda event: print(
                datetime.fromtimestamp(event.evaluated_at / 1000, timezone.utc).strftime("%H:%M"),
                event.state.value,
                event.rule,
                event.annotations["summary"],
            )
        )


if __name__ == "__main__":
    main()
