"""Rules that look back for hours, at many evaluation times at once: the values are those of promtool."""

from __future__ import annotations

import pytest

from rules.events.corrections import History
from tests.transforms.alerts.streams import batch_of
from tests.transforms.alerts.test_local import MINUTE, events, settings_of, x
from tests.transforms.alerts.test_unit_tests import messages
from transforms.alerts.local import LocalPipeline

HOUR = 60 * MINUTE


@pytest.mark.parametrize(
    ("expr", "look", "value"),
    [
        ("last_over_time(m[3h])", "last_over_time(newest[60s] offset 13m)", 11),
        ("count_over_time(m[3h])", "newest", 4),
        ("changes(m[3h])", "newest offset 12m", 2),
    ],
)
def test_a_recorded_value(expr: str, look: str, value: int) -> None:
    rules = f"groups: [{{name: g, rules: [{{record: newest, expr: '{expr}'}}]}}]"
    test = f"""
    interval: 2m
    input_series: [{{series: m, values: 10 11 12 13}}]
    promql_expr_test: [{{expr: '{look}', eval_time: 16m, exp_samples: [{{labels: newest, value: {value}}}]}}]
    """
    assert messages(test, rules) == []


@pytest.mark.parametrize("stride", [2 * MINUTE, 5 * MINUTE])
def test_a_value_is_never_above_the_newest_of_its_range(stride: int) -> None:
    rules = "groups: [{name: g, rules: [{alert: Above, expr: 'x - last_over_time(x[3h]) > 0'}]}]"
    stage = LocalPipeline(settings_of(rules, bounded=True))
    stage.add(batch_of([x(when, float(when)) for when in range(stride, 10 * HOUR, stride)]))
    assert History(events(stage.close())).events() == []
