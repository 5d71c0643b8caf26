"""A job without a checkpoint that reads the log again from before an alert began comes to the alert's own events, ids and all."""

from __future__ import annotations

import pytest

from schemas.alert_event import AlertEvent
from tests.transforms.alerts.streams import Sent, batch_of
from tests.transforms.alerts.test_local import MINUTE, events, settings_of, x
from transforms.alerts.local import END_MS, LocalPipeline

RULES = """
groups:
- name: g
  rules:
  - {alert: High, expr: 'x > 1', for: 5m}
  - {alert: Mean, expr: 'avg_over_time(x[3m]) > 1', for: 5m}
"""


def sent(samples: list[Sent]) -> list[AlertEvent]:
    stage = LocalPipeline(settings_of(RULES, bounded=True))
    stage.add(batch_of(samples))
    return events(stage.advance(END_MS))


@pytest.mark.parametrize(("since", "same"), [(6, True), (9, True), (10, False), (13, False)])
def test_a_cold_start_repeats_what_was_sent(since: int, same: bool) -> None:
    log = [x(minute * MINUTE + 1_000, 2.0 if minute >= 10 else 0.0) for minute in range(30)]
    whole = sent(log)
    assert [(each.rule, each.state.value, each.evaluated_at // MINUTE) for each in whole] == [
        ("High", "pending", 11),
        ("Mean", "pending", 12),
        ("High", "firing", 16),
        ("Mean", "firing", 17),
    ]
    again = sent([each for each in log if each.ts >= since * MINUTE])
    # A window that began before the log does has another mean.
    assert (again == whole) is same
    assert [each.state.value for each in again] == ["pending", "pending", "firing", "firing"]
