"""What rules wrote, as samples for stores: what late data changed counts as the newer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rules.evaluation.recorded import Recorded, Writer
from rules.promql.values import STALE
from schemas import batch as batches
from tests.transforms.alerts.streams import Sent, batch_of
from transforms.alerts.groups.written import from_bytes, to_bytes
from transforms.alerts.local import LocalPipeline
from transforms.alerts.settings import SAMPLES, EvaluationSettings
from transforms.machines.machine import Out

SECOND = 1_000
RULES = "groups: [{name: g, interval: 10s, rules: [{record: 'x:left', expr: '10 - sum(x)'}]}]"
SERIES = (("__name__", "x"), ("instance", "a"))


def stored(outs: list[Out]) -> dict[int, list[tuple[int, float]]]:
    """By time, the place in the log and the value of each sample that was written, in order."""
    found: dict[int, list[tuple[int, float]]] = {}
    for out in outs:
        if out.tag == SAMPLES:
            batch = batches.decode(out.data)
            for ts, seq, value in zip(batch.ts.tolist(), batch.seq.tolist(), batch.value.tolist(), strict=True):
                found.setdefault(ts // SECOND, []).append((seq, value))
    return found


def sent(second: int, value: float) -> Sent:
    return Sent(SERIES, second * SECOND, value, second)


def test_a_corrected_sample_takes_the_place_of_the_one_before_it() -> None:
    stage = LocalPipeline(EvaluationSettings({"r.yml": RULES}, shards=1))
    stage.add(batch_of([sent(second, 1) for second in (0, 10, 30)]))
    outs = stage.advance(30 * SECOND + 1)
    stage.add(replace(batch_of([sent(15, 7)]), overtaken=30 * SECOND))
    stage.add(batch_of([sent(40, 1)]))
    found = stored(outs + stage.advance(40 * SECOND + 1))
    assert [value for _, value in found[20]] == [9, 3]
    assert {ts: max(versions)[1] for ts, versions in found.items()} == {0: 9, 10: 9, 20: 3, 30: 9, 40: 9}
    assert len({seq for seq, _ in found[20]}) == 2


def test_the_end_of_a_series_of_a_rule_that_is_gone_outlives_a_restart() -> None:
    recorded = Recorded()
    labels = (("__name__", "r"),)
    for when, value in ((0, 1.0), (60, float(STALE))):
        recorded.append(Writer(-1), "r", [labels], np.array([when]), np.array([[value]]), np.ones((1, 1), np.bool_))
    recorded.append(Writer(0), "s", [(("__name__", "s"),)], np.array([60]), np.ones((1, 1)), np.ones((1, 1), np.bool_))
    kept = {labels[0][1]: times.tolist() for labels, _, times, _ in from_bytes(to_bytes(recorded, 0)).series()}
    assert kept == {"r": [0, 60]}
