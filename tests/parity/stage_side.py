"""What the stage of the stream makes of rule files and samples, reported once by its events and once by the samples that it hands on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from rules.evaluation.program import Settings
from rules.events.corrections import History
from schemas import batch as batches
from schemas.alert_event import decode
from schemas.batch import MIN_WATERMARK, SampleBatch
from schemas.series import metric_text, parse_labels, parse_metric, split_labels
from schemas.tiers import Tiers
from tests.oracle.prometheus import Series
from tests.oracle.rule_lives import Samples
from tests.parity.evaluator_side import turn_of
from tests.parity.verdict import Verdict
from transforms.alerts.local import LocalPipeline
from transforms.alerts.settings import EVENTS, SAMPLES, EvaluationSettings
from transforms.machines.machine import Out
from transforms.rollups.cutting import cutter_of

SHARDS = 8
EVERY_MS = 120_000

LATE_SHARE = 0.1
LATE_MS = 240_000
DELAY_MS = 10_000
SCRAPES_PER_BLOCK = 50


def in_order(series: Sequence[Series]) -> SampleBatch:
    """All samples in one batch, by time and then by target, as they are scraped."""
    targets: dict[str, int] = {}
    metrics: dict[str, int] = {}
    target, metric = [], []
    for labels, _, _ in series:
        rest = {name: text for name, text in labels.items() if name != "__name__"}
        text, own = split_labels(rest)
        target.append(targets.setdefault(text, len(targets)))
        metric.append(metrics.setdefault(metric_text(labels["__name__"], own), len(metrics)))
    counts = [len(times) for _, times, _ in series]
    ts = np.concatenate([times for _, times, _ in series])
    value = np.concatenate([values for _, _, values in series])
    which_target = np.repeat(np.array(target, np.int32), counts)
    which_metric = np.repeat(np.array(metric, np.int32), counts)
    order = np.lexsort((which_metric, which_target, ts))
    scrape = np.diff(ts[order], prepend=-1) != 0
    scrape |= np.diff(which_target[order], prepend=-1) != 0
    return SampleBatch(
        targets=list(targets),
        metrics=list(metrics),
        target=which_target[order],
        metric=which_metric[order],
        ts=ts[order],
        value=value[order],
        seq=batches.sequence(0, 1) * np.cumsum(scrape, dtype=np.int64),
    )


def of_stage(
    files: Mapping[str, str], series: Sequence[Series], program: Settings, every_ms: int = EVERY_MS
) -> Verdict:
    """Feed a bounded stage of 8 shards in pieces of some seconds of scrapes."""
    stage = LocalPipeline(EvaluationSettings(files, program, shards=SHARDS, bounded=True))
    whole = in_order(series)
    outs: list[Out] = []
    first = 0
    for end in range(int(whole.ts[0]) + every_ms, int(whole.ts[-1]) + every_ms, every_ms):
        last = int(np.searchsorted(whole.ts, end))
        stage.add(whole.take(slice(first, last)).compact())
        outs += stage.advance(end - 1)
        first = last
    outs += stage.close()
    return verdict_of(outs)


def of_stage_in_disorder(files: Mapping[str, str], series: Sequence[Series], program: Settings, seed: int) -> Verdict:
    """Feed the stage what a source reads where a tenth of the scrapes come up to four minutes late, cut as a partition is."""
    stage = LocalPipeline(EvaluationSettings(files, program, shards=SHARDS, bounded=True))
    whole = in_order(series)
    scrapes, first, which = np.unique(whole.seq, return_index=True, return_inverse=True)
    rng = np.random.default_rng(seed)
    behind = np.where(rng.random(len(scrapes)) < LATE_SHARE, rng.integers(1, LATE_MS, len(scrapes)), 0)
    place = np.argsort(np.argsort(whole.ts[first] + behind, kind="stable"))
    order = np.argsort(place[which], kind="stable")
    record = place[which][order]
    arrived = replace(whole.take(order), seq=batches.sequence(0, 1) * (record + 1))
    cutter = cutter_of(Tiers(), SHARDS, DELAY_MS)
    outs: list[Out] = []
    watermark = MIN_WATERMARK
    for begin in range(0, len(scrapes), SCRAPES_PER_BLOCK):
        low, high = np.searchsorted(record, (begin, begin + SCRAPES_PER_BLOCK))
        cut = cutter.cut(arrived.take(slice(low, high)), record[low:high], watermark)
        assert cut.too_late is None
        for _, piece in cut.pieces:
            stage.add(piece)
        watermark = cut.watermark
        outs += stage.advance(watermark)
    outs += stage.close()
    return verdict_of(outs)


def verdict_of(outs: Iterable[Out]) -> Verdict:
    """What a stage handed on, corrections applied."""
    history = History()
    written: Samples = {}
    corrections = 0
    for out in outs:
        if out.tag == EVENTS:
            event = decode(out.data)
            assert history.apply(event), f"sent twice: {event}"
            corrections += event.correction
        elif out.tag == SAMPLES:
            add_samples(written, batches.decode(out.data))
    return Verdict(dict(map(turn_of, history.events())), written, corrections)


def add_samples(written: Samples, batch: SampleBatch) -> None:
    """Add samples that rules wrote; the later word on a series and time counts."""
    names = [parse_metric(text) for text in batch.metrics]
    targets = [parse_labels(text) for text in batch.targets]
    series = {}
    for target, metric in {*zip(batch.target.tolist(), batch.metric.tolist(), strict=True)}:
        name, labels = names[metric]
        series[target, metric] = tuple(sorted({**targets[target], **labels, "__name__": name}.items()))
    rows = zip(batch.target.tolist(), batch.metric.tolist(), batch.ts.tolist(), batch.value.tolist(), strict=True)
    for target, metric, when, value in rows:
        written.setdefault(series[target, metric], {})[when] = value
