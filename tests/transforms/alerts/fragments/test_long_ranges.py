"""How rules read their samples, and that the whole first step is the same with samples packed."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.evaluation.program import Program
from rules.planning.plan import State
from rules.promql.digests.functions import NEEDS
from rules.promql.digests.measures import Measure
from rules.promql.syntax.parser import parse
from rules.promql.syntax.printer import to_text
from tests.transforms.alerts.fragments.test_fragments import program_of
from tests.transforms.alerts.logs import log_of
from tests.transforms.alerts.test_local import BEGIN, LENGTH, MINUTE, SERIES, events, play, settings_of
from transforms.alerts.fragments import fragments
from transforms.alerts.fragments.fragments import cut
from transforms.alerts.fragments.long_ranges import Packing, states
from transforms.alerts.local import LocalPipeline
from transforms.alerts.shards import shard_samples as held
from transforms.alerts.shards.packed import PackedSamples
from transforms.alerts.shards.samples import Samples

RULES = """
groups:
- name: long
  rules:
  - {record: 'x:mean', expr: 'avg_over_time(x[4m])'}
  - {alert: Mean, expr: 'avg by (instance) (avg_over_time(x[5m])) > 1', for: 1m, annotations: {summary: '{{ $value }}'}}
  - {alert: Growth, expr: 'increase(x[6m]) > 2'}
  - {alert: Restless, expr: 'changes(y[4m]) > on (instance) group_left () resets(x[4m])'}
  - {record: 'x:deviation', expr: 'stddev_over_time(x[4m])'}
  - {alert: Soon, expr: 'predict_linear(y[5m], 100) > 2', annotations: {summary: '{{ $value }} of {{ $labels.instance }}'}}
  - {alert: Gone, expr: 'absent_over_time(x{instance="h0"}[4m])'}
- name: behind
  interval: 40s
  query_offset: 45s
  rules:
  - {alert: Top, expr: 'max(max_over_time(y[5m])) > 2'}
"""


@pytest.mark.parametrize(
    ("expression", "kept"),
    [
        ("x", [("x", 300_000, 300_000, Measure.NONE)]),
        ("rate(x[1d])", [("x", 86_400_000, 0, NEEDS["rate"])]),
        ("avg_over_time((x[1d]))", [("x", 86_400_000, 0, NEEDS["avg_over_time"])]),
        ("avg_over_time(x[1d] offset 1d)", [("x", 2 * 86_400_000, 0, NEEDS["avg_over_time"])]),
        (
            "x offset 1w > x",
            [("x", 7 * 86_400_000 + 300_000, 300_000, Measure.NONE), ("x", 300_000, 300_000, Measure.NONE)],
        ),
        ("rate(x[59m])", [("x", 3_540_000, 3_540_000, Measure.NONE)]),
        ("rate(x[59m] offset 1h)", [("x", 7_140_000, 3_540_000, Measure.NONE)]),
        ("rate(x[1h] offset 1h)", [("x", 7_200_000, 0, NEEDS["rate"])]),
        ("quantile_over_time(0.9, x[1d])", [("x", 86_400_000, 86_400_000, Measure.NONE)]),
        ("max_over_time(rate(x[5m])[1d:1m])", [("x", 86_700_000, 86_700_000, Measure.NONE)]),
        (
            "sum(rate(x[1h])) / sum(increase(y[2h] offset 1h))",
            [("x", 3_600_000, 0, NEEDS["rate"]), ("y", 3 * 3_600_000, 0, NEEDS["rate"])],
        ),
    ],
)
def test_how_selectors_are_read(expression: str, kept: list[tuple[str, int, int, Measure]]) -> None:
    found = states(parse(expression))
    selectors = [(each.selector.name, each.retention_ms, each.gone_through_ms, each.measures) for each in found]
    assert selectors == kept


def test_samples_are_kept_for_the_lookback_where_no_range_is_given() -> None:
    [state] = states(parse("x offset 2m"), lookback_ms=60_000)
    assert (state.retention_ms, state.gone_through_ms) == (180_000, 60_000)


def test_windows_are_digested_from_the_length_of_a_block_on() -> None:
    found = [*states(parse("rate(x[9m]) + rate(y[10m])"), block_ms=600_000)]
    assert [(each.selector.name, each.gone_through_ms) for each in found] == [("x", 540_000), ("y", 0)]


@pytest.mark.parametrize(
    ("keep", "single", "fits"), [(30, 5, True), (29, 5, False), (30, 6, False), (99, 0, True), (29, 6, False)]
)
def test_series_are_packed_that_are_kept_long_and_gone_through_briefly(keep: int, single: int, fits: bool) -> None:
    packing = Packing(block_ms=10, long_ms=30, open_ms=5)
    assert packing.fits(np.array([keep]), np.array([single])).tolist() == [fits]


def test_of_several_readings_the_longest_counts() -> None:
    program: Program = program_of(
        "avg_over_time(x[1d])", "x", "quantile_over_time(0.5, x[10m])", "max_over_time(x[2h])"
    )
    [state] = [each for each in cut(program).state() if each.selector.name == "x"]
    assert (to_text(state.selector), state.retention_ms, state.gone_through_ms) == ("x", 86_400_000, 600_000)
    assert state.measures == NEEDS["avg_over_time"] | NEEDS["max_over_time"]
    assert State(state.selector, 1_000, False).gone_through_ms == 1_000


@settings(max_examples=4)
@given(st.integers(0, 1 << 32), st.integers(0, 1 << 32))
def test_what_is_reported_does_not_depend_on_packing(log_seed: int, seed: int) -> None:
    log = log_of(log_seed, SERIES, LENGTH, BEGIN)
    rules = settings_of(RULES, late_ms=MINUTE)
    found = []
    for is_due in (True, False):
        put, packed = PackedSamples.put, Counter[str]()

        def counting(self: PackedSamples, samples: Samples, put: Any = put, packed: Counter[str] = packed) -> object:
            packed["samples"] += len(samples.rows)
            return put(self, samples)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(held, "Packing", partial(Packing, MINUTE, 3 * MINUTE, MINUTE))
            patch.setattr(fragments, "states", partial(states, block_ms=MINUTE))
            patch.setattr(PackedSamples, "put", counting)
            if not is_due:
                patch.setattr(PackedSamples, "due", lambda *_: -(1 << 62))
            outs = play(LocalPipeline(rules), log, seed)
        assert bool(packed) is is_due
        found.append(sorted(outs))
        assert events(outs)
    # To the last bit: a value that came out otherwise at an evaluation time that is evaluated again would be a correction.
    assert found[0] == found[1]
