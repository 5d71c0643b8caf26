from __future__ import annotations

from schemas.batch import SampleBatch
from tests.transforms.alerts.streams import Sent, batch_of
from transforms.alerts.messages import RuleFiles
from transforms.alerts.settings import EvaluationSettings
from transforms.alerts.shards.evaluator import STRIDE, ShardEvaluator
from transforms.alerts.shards.rules import OLD_RULES_MS, ShardRules

MINUTE = 60_000
NOON = 1_700_049_600_000
RULES = "groups: [{name: g, interval: 1m, rules: [{alert: High, expr: 'x > 1'}]}]"
OTHER = RULES.replace("> 1", "> 2")


def evaluator(late_ms: int = 5 * MINUTE, max_series: int = 1_000) -> ShardEvaluator:
    settings = EvaluationSettings({"r.yml": RULES}, late_ms=late_ms, max_series=max_series)
    return ShardEvaluator(0, settings, ShardRules(settings))


def of(*hosts: str, minute: int = 0) -> SampleBatch:
    return batch_of(
        [
            Sent((("__name__", "x"), ("instance", host)), NOON + minute * MINUTE, 2.0, place)
            for place, host in enumerate(hosts)
        ]
    )


def test_series_refused_are_counted_batch_by_batch() -> None:
    shard = evaluator(max_series=2)
    shard.keep(of("a", "b", "c"))
    shard.keep(of("d", "e"))
    assert shard.counted["rules.series_refused"] == 3


def test_evaluation_times_are_counted_stride_by_stride() -> None:
    shard, minutes = evaluator(), 2 * STRIDE + 3
    for minute in range(minutes):
        shard.keep(of("a", minute=minute))
    shard.start(NOON)
    outs = list(shard.advance(NOON + (minutes - 1) * MINUTE, NOON))
    assert len(outs) == 3
    assert shard.counted["rules.shard_instants"] == minutes


def test_old_rules_stay_for_late_samples_of_all_that_was_evaluated_with_them() -> None:
    """The files of a change may be found after its time."""
    shard = evaluator(late_ms=5 * MINUTE)
    shard.keep(of("a"))
    shard.start(NOON)
    list(shard.advance(NOON + 10 * MINUTE, NOON))
    assert shard.announce(RuleFiles(NOON + 2 * MINUTE, {"r.yml": OTHER}))
    list(shard.change(NOON))
    assert shard.done == NOON + 10 * MINUTE
    over = shard.done + 5 * MINUTE + OLD_RULES_MS
    assert not shard.rules.is_past(over)
    assert shard.rules.is_past(over + 1)
