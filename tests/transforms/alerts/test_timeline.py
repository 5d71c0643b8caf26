"""Inputs that end, or seem to; the timeline of docs/alerting.md without an end is tests/transcripts/alerts/late_undoes.yaml."""

from __future__ import annotations

from dataclasses import replace

from schemas.alert_event import decode
from tests.transforms.alerts.streams import Sent, batch_of
from transforms.alerts.local import LocalPipeline
from transforms.alerts.settings import EVENTS, EvaluationSettings
from transforms.machines.machine import Out

RULES = "groups: [{name: g, interval: 15s, rules: [{alert: High, expr: x > 2, for: 30s}]}]"
X = (("__name__", "x"), ("instance", "a"))


def sent(outs: list[Out]) -> list[tuple[int, str, bool]]:
    events = [decode(out.data) for out in outs if out.tag == EVENTS]
    return [(event.evaluated_at // 1000, event.state.value, event.correction) for event in events]


def test_an_input_that_ends_before_a_late_sample_is_known() -> None:
    """The next evaluation time does not come, so what it would have corrected is corrected at the end."""
    stage = LocalPipeline(EvaluationSettings({"rules.yml": RULES}, shards=2, bounded=True))
    for second, value in ((14, 3.0), (44, 3.0)):
        stage.add(batch_of([Sent(X, second * 1000, value, second)]))
    stage.add(replace(batch_of([Sent(X, 29_000, 1.0, 45)]), overtaken=34_000))
    assert sent(stage.close()) == [(15, "pending", False), (30, "inactive", True)]


def test_an_input_that_seemed_to_have_ended_goes_on() -> None:
    stage = LocalPipeline(EvaluationSettings({"rules.yml": RULES}, shards=2, bounded=True))
    outs: list[Out] = []
    for second, value in ((14, 3.0), (29, 3.0), (46, 3.0)):
        stage.add(batch_of([Sent(X, second * 1000, value, second)]))
        outs += stage.advance(second * 1000 + 2_000)
    assert sent(outs + stage.close()) == [(15, "pending", False), (45, "firing", False)]
