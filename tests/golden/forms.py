"""Every form that is kept in a job's state or written for others to read, each of one small value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from apache_beam.io.restriction_trackers import OffsetRange

from rules.evaluation.recorded import Recorded, Writer
from rules.events.corrections import History
from schemas import alert_event, batch, rollup
from schemas.alert_event import AlertEvent, State, Trace, TracedSeries
from schemas.batch import SampleBatch
from schemas.records import DeadLetter
from schemas.series import labels_text, metric_text
from schemas.tiers import Tier
from tests.golden.alerts_run import SETTINGS
from tests.transforms.naive import MINUTE, NOON, Sample, batch_of
from transforms.alerts import messages
from transforms.alerts.fragments import partials_wire
from transforms.alerts.fragments.partials import Failure, Partials, Rows, SamplesPart, VectorPart
from transforms.alerts.groups import written
from transforms.alerts.live.live import LiveRules
from transforms.alerts.messages import Contribution, Part, RuleFiles
from transforms.alerts.shards import chunks
from transforms.alerts.shards import machine as shard_machine
from transforms.alerts.shards.meta import Meta
from transforms.intake.source import Position, partition_key
from transforms.io.beam import RangeCoder
from transforms.io.influxdb.lines import rollup_lines, sample_lines
from transforms.io.kafka.beam import Partition
from transforms.io.records import OutRecord, alert_event_records, dead_letter_records, late_records
from transforms.machines import watermarks
from transforms.machines.beam import mark
from transforms.machines.watermarks import LAUNCH, PartitionWatermark
from transforms.rollups import panes as panes_algorithm
from transforms.rollups import samples as samples_algorithm
from transforms.windows.content import Key

WEB = labels_text([("host", "web-1"), ("region", "eu")])


class Form(NamedTuple):
    """A form.

    Attributes:
        name: of it.
        data: the bytes of one value.
        again: the bytes of what is read from bytes; None for what only others read.
    """

    name: str
    data: bytes
    again: Callable[[bytes], bytes] | None = None


def samples() -> SampleBatch:
    """Samples with everything that a batch can have."""
    plain = batch_of(
        [
            Sample((WEB, metric_text("cpu_usage", [("core", "0")])), NOON + 1_000, 0.5, 4096),
            Sample((WEB, metric_text("cpu_usage", [("core", "1")])), NOON + 1_000, -0.0, 4096),
            Sample((labels_text([("host", "\u00fc, =")]), "disk_used_percent"), NOON + 2_500, float("nan"), 8193),
        ],
        late=True,
        watermark=NOON + 90_000,
    )
    fine = np.array([0, 0, 999_999], np.int32)
    return replace(plain, overtaken=NOON + 60_000, origins=["", "", "measurement disk"], fine=fine)


def pane() -> rollup.RollupBatch:
    """Rows of a corrected pane."""
    finite = batch_of(
        [
            Sample((labels_text([("host", "a")]), metric), NOON + at, value, at)
            for metric, at, value in (("m", 1, 3.0), ("m", 2, 1.0), ("n", 3, 0.1))
        ]
    )
    made = samples_algorithm.rollup(
        samples_algorithm.merge(None, [finite]).samples, tier=Tier("1m", MINUTE, 0, "b"), window=NOON, shard=3
    )
    assert made is not None
    return replace(made, pane=2, watermark=NOON + 70_000)


def event() -> AlertEvent:
    """A correction with all fields."""
    return AlertEvent(
        id="0" * 31 + "1",
        alert="0" * 31 + "a",
        file="hosts.yml",
        group="hosts",
        rule="High",
        labels={"alertname": "High", "instance": "h\u00f6"},
        annotations={"summary": "1 > 0"},
        value=float("inf"),
        state=State.RESOLVED,
        reason="condition_lost",
        active_since=NOON,
        starts_at=NOON + 60_000,
        ends_at=NOON + 120_000,
        evaluated_at=NOON + 120_000,
        correction=True,
        replaces="0" * 31 + "2",
        trace=(Trace('load{instance="h"}', (TracedSeries({"__name__": "load"}, NOON, 0.1, 2),), 3),),
    )


def partials() -> Partials:
    """Partials of two evaluation times: a vector, samples and a failure."""
    rows = Rows((1, 2), np.array([[3, 4], [3, 5]], np.int32))
    return Partials(
        shard=2,
        revision=1,
        times=np.array([NOON, NOON + 60_000], np.int64),
        texts=["", "__name__", "instance", "load", "a", "b"],
        evaluated=frozenset({11, 12, 13}),
        vectors={11: VectorPart(rows, np.array([[1.0, 2.0], [0.0, 4.0]]), np.array([[True, True], [False, True]]))},
        samples={
            12: SamplesPart(
                rows, np.array([2, 1]), np.array([NOON - 2, NOON - 1, NOON], np.int64), np.array([1.0, 2.0, 0.5])
            )
        },
        failures={13: [Failure(1, "many-to-many matching not allowed")]},
    )


def recorded() -> Recorded:
    """What one rule wrote at two evaluation times."""
    made = Recorded()
    times, values = np.array([NOON, NOON + 60_000], np.int64), np.array([[1.0, 0.25]])
    made.append(
        Writer(1, 30_000),
        "load:sum",
        [(("__name__", "load:sum"), ("job", "j"))],
        times,
        values,
        np.ones((1, 2), np.bool_),
    )
    return made


def _record(record: OutRecord) -> bytes:
    headers = b"".join(b"%s: %s\n" % (name.encode(), value) for name, value in record.headers)
    return b"key: %s\n%s\n%s" % (record.key if record.key is not None else b"(none)", headers, record.value)


def forms() -> list[Form]:
    """All of them."""
    letter = DeadLetter("not JSON: unexpected end", "metrics.raw", 3, 1 << 40, b'{"a": \xff', "application/json", 2)
    marks = [PartitionWatermark(7, 1, 4, NOON), LAUNCH]
    contribution = Contribution(2, NOON - 60_000, NOON + 60_000, 5, NOON + 70_000, [Part(NOON + 60_000, partials())])
    rules = RuleFiles(NOON, {"r.yml": "groups: []\n"})
    kept = panes_algorithm.from_rollup(pane())
    ranges = RangeCoder()
    live = LiveRules(SETTINGS)
    live.announce(rules)
    meta = Meta(b"12345678", NOON, NOON + 1, NOON + 2, NOON + 3, 40, NOON + 4, 5)
    return [
        Form("samples", batch.encode(samples()), lambda data: batch.encode(batch.decode(data))),
        Form("rollups", rollup.encode(pane()), lambda data: rollup.encode(rollup.decode(data))),
        Form(
            "panes of a window",
            panes_algorithm.encode(kept),
            lambda data: panes_algorithm.encode(panes_algorithm.decode(data)),
        ),
        Form("key of a window", Key(31, NOON).encode(), lambda data: Key.decode(data).encode()),
        Form("key of a rule shard", shard_machine.key_of(3)),
        Form("mark", _mark(marks[0])),
        Form(
            "watermarks of partitions",
            watermarks.encode(marks),
            lambda data: watermarks.encode(watermarks.decode(data)),
        ),
        Form(
            "element of samples",
            messages.of_samples(b"samples"),
            lambda data: messages.of_samples(messages.samples(data)),
        ),
        Form(
            "element of event time",
            messages.of_extent(NOON, marks),
            lambda data: messages.of_extent(messages.extent(data), messages.partition_watermarks(data)),
        ),
        Form("element of rules", messages.of_rules(rules), lambda data: messages.of_rules(messages.rules(data))),
        Form(
            "contribution",
            messages.of_contribution(contribution),
            lambda data: messages.of_contribution(messages.contribution(data)),
        ),
        Form(
            "partials", partials_wire.encode(partials()), lambda data: partials_wire.encode(partials_wire.decode(data))
        ),
        Form("chunk", chunks.to_chunk(samples()), lambda data: chunks.to_chunk(chunks.from_chunk(data))),
        Form("meta of a rule shard", meta.encode(), lambda data: Meta.decode(data).encode()),
        Form("rules in force", live.to_bytes(), lambda data: LiveRules(SETTINGS, data).to_bytes()),
        Form("history", History([event()]).to_bytes(), lambda data: History.from_bytes(data).to_bytes()),
        Form(
            "written samples",
            written.to_bytes(recorded(), NOON + MINUTE),
            lambda data: written.to_bytes(written.from_bytes(data), NOON + MINUTE),
        ),
        Form("alert event", _one(alert_event_records(alert_event.encode(event())))),
        Form("dead letter", _one(dead_letter_records(letter.encode()))),
        Form("late samples", b"\n".join(map(_record, late_records(batch.encode(samples()))))),
        Form("line protocol of samples", b"\n".join(chunk.data for chunk in sample_lines(samples()).chunks)),
        Form("line protocol of rollups", b"\n".join(chunk.data for chunk in rollup_lines(pane()).chunks)),
        Form("partition", Partition(3, True, 12).encode(), lambda data: Partition.decode(data).encode()),
        Form("key of a partition of a collection", partition_key(3)),
        Form("position in a collection", Position(NOON, 1 << 40).encode(), lambda data: Position.decode(data).encode()),
        Form(
            "range of offsets", ranges.encode(OffsetRange(5, 1 << 51)), lambda data: ranges.encode(ranges.decode(data))
        ),
    ]


def _one(records: Any) -> bytes:
    (record,) = records
    return _record(record)


def _mark(marks: PartitionWatermark) -> bytes:
    key, data = mark(marks, NOON - 60_000).value
    return bytes(key) + b"|" + bytes(data)
