"""The table of persisted forms: bytes in a job's state, on topics and in stores, which another release has to read.

Code takes the versions that it writes and reads from here. docs/operations.md shows the table to users, and tests/golden has an example of every
version. CONTRIBUTING.md says how to change a form.

A form whose bytes hold no version yet has room for one (:class:`schemas.forms.model.Mark`): a later version is marked, and this release refuses it.
"""

from __future__ import annotations

from collections.abc import Mapping

from schemas.forms.model import Files, Flow, Form, Inside, Mark, Server, State, Topic

FINEST, COARSER, SHARDS, GROUPS = "Roll up (finest tier)", "Roll up (other tiers)", "Rules/Shards", "Rules/Groups"
"""Steps that have state, by their labels."""
CUT = "CutRecords/Read and decode"
"""A step of pipelines of one's own that has state; its label stands behind those of the pipeline."""
READ, DISCOVER, WATCH = "Read and decode", "Discover partitions", "Rule files"
"""Steps that read without an end, and keep how far they are."""

_ROLLUPS, _RULES = "transforms.rollups.contents", "transforms.alerts.shards.machine"
_SINKS = ("transforms.io.influxdb.sink", "transforms.io.parquet.sink")

SAMPLES = Form(
    "samples",
    (State(FINEST, ("pending", "late", "bucket*")), Inside("chunk"), Inside("element of samples")),
    "transforms.intake.beam",
    (_ROLLUPS, _RULES, *_SINKS, "transforms.io.records"),
    version=2,
    older=(1,),
)
ROLLUPS = Form("rollups", (State(COARSER, ("pending", "late")),), "transforms.rollups.beam", (_ROLLUPS, *_SINKS))
PANES = Form("panes of a window", (State(COARSER, ("bucket*",)),), _ROLLUPS, (_ROLLUPS,))
WINDOW_META = Form(
    "meta of a window",
    (State(FINEST, ("meta",)), State(COARSER, ("meta",))),
    "transforms.windows.meta",
    ("transforms.windows.meta",),
    version=2,
    older=(1,),
    mark=Mark.BYTE,
)
WINDOW_KEY = Form(
    "key of a window",
    (State(FINEST, ("key",)), State(COARSER, ("key",))),
    "transforms.intake.beam",
    ("transforms.rollups.beam", "transforms.alerts.shards.beam"),
    mark=Mark.FIXED,
)
SHARD_KEY = Form("key of a rule shard", (State(SHARDS, ("key",)),), _RULES, (_RULES,), mark=Mark.FIXED)
MARK = Form(
    "mark",
    (Flow("from reading to windows and rule shards, among the samples"),),
    "transforms.machines.beam",
    ("transforms.windows.marks", "transforms.alerts.shards.beam"),
    mark=Mark.LENGTH,
)
WATERMARKS = Form(
    "watermarks of partitions",
    (
        State(FINEST, ("marks",)),
        State(COARSER, ("marks",)),
        State(SHARDS, ("told",)),
        Inside("mark"),
        Inside("element of event time"),
    ),
    "transforms.machines.watermarks",
    ("transforms.machines.watermarks",),
    mark=Mark.LENGTH,
)
SAMPLES_ELEMENT = Form(
    "element of samples", (Flow("to rule shards"),), "transforms.alerts.shards.beam", (_RULES,), mark=Mark.BYTE
)
EXTENT = Form(
    "element of event time", (Flow("to rule shards"),), "transforms.alerts.shards.beam", (_RULES,), mark=Mark.BYTE
)
RULES_ELEMENT = Form(
    "element of rules",
    (State(GROUPS, ("announced",)), Flow("to rule shards and groups")),
    "transforms.alerts.rule_files.source",
    (_RULES, "transforms.alerts.groups.machine"),
    mark=Mark.KEY,
)
CONTRIBUTION = Form(
    "contribution",
    (State(GROUPS, ("contributions",)), Flow("from rule shards to groups")),
    "transforms.alerts.shards.evaluator",
    ("transforms.alerts.groups.machine",),
    version=2,
    mark=Mark.BYTE,
)
PARTIALS = Form(
    "partials", (Inside("contribution"),), "transforms.alerts.fragments.partials_wire", ("transforms.alerts.messages",)
)
CHUNK = Form("chunk", (State(SHARDS, ("chunks",)),), _RULES, (_RULES,), mark=Mark.BYTE)
SHARD_META = Form("meta of a rule shard", (State(SHARDS, ("meta",)),), _RULES, (_RULES,), version=2, mark=Mark.BYTE)
SHARD_RULES = Form("rules of a rule shard", (State(SHARDS, ("rules",)),), _RULES, (_RULES,), mark=Mark.KEY)
LIVE_RULES = Form(
    "rules in force",
    (Inside("rules of a rule shard"), Inside("base of the groups")),
    "transforms.alerts.live.live",
    ("transforms.alerts.live.live",),
    mark=Mark.KEY,
)
GROUP_META = Form(
    "meta of the groups",
    (State(GROUPS, ("meta",)),),
    "transforms.alerts.groups.machine",
    ("transforms.alerts.groups.machine",),
    version=3,
    mark=Mark.BYTE,
)
GROUP_KEY = Form(
    "key of the groups",
    (State(GROUPS, ("key",)),),
    "transforms.alerts.beam",
    ("transforms.alerts.beam",),
    mark=Mark.FIXED,
)
BASE = Form(
    "base of the groups",
    (State(GROUPS, ("base",)),),
    "transforms.alerts.groups.base",
    ("transforms.alerts.groups.base",),
    mark=Mark.KEY,
)
HISTORY = Form(
    "history",
    (Inside("base of the groups"),),
    "rules.events.corrections",
    ("rules.events.corrections",),
    mark=Mark.KEY,
)
WRITTEN = Form(
    "written samples",
    (Inside("base of the groups"),),
    "transforms.alerts.groups.written",
    ("transforms.alerts.groups.written",),
)
ALERT_EVENT = Form(
    "alert event",
    (
        Topic("alerts.events", "the alert", ("content-type: application/vnd.tidemark.alert-event+json",)),
        Files("alerts-HASH.ndjson"),
        Inside("history"),
    ),
    "transforms.io.records",
    ("tidemark.report.alerts", "rules.events.corrections"),
    mark=Mark.CONTENT_TYPE,
)
DEAD_LETTER = Form(
    "dead letter",
    (
        Topic(
            "metrics.dead-letter",
            "`topic:partition:offset`, `:line`",
            ("reason", "content-type: application/vnd.tidemark.dead-letter+json"),
        ),
        Files("dead_letters-HASH.ndjson"),
    ),
    "transforms.io.records",
    ("tidemark.topics.dead_letters", "tidemark.report.build"),
    mark=Mark.CONTENT_TYPE,
)
LATE_SAMPLES = Form(
    "late samples",
    (Topic("metrics.late", "none", ("content-type: application/json",)), Files("late-HASH.ndjson")),
    "transforms.io.records",
    ("schemas.codecs.json_scrape",),
    mark=Mark.CONTENT_TYPE,
)
SAMPLE_LINES = Form(
    "line protocol of samples",
    (Server("InfluxDB"),),
    "transforms.io.influxdb.lines",
    ("transforms.io.influxdb.history",),
    mark=Mark.NONE,
)
ROLLUP_LINES = Form(
    "line protocol of rollups",
    (Server("InfluxDB"),),
    "transforms.io.influxdb.lines",
    ("transforms.io.influxdb.history",),
    mark=Mark.NONE,
)
PARTITION = Form(
    "partition",
    (State(READ, ("element",)),),
    "transforms.io.kafka.beam",
    ("transforms.io.kafka.source",),
    mark=Mark.LENGTH,
)
OFFSETS = Form(
    "range of offsets",
    (State(READ, ("restriction",)), State(DISCOVER, ("restriction",)), State(WATCH, ("restriction",))),
    "transforms.io.beam",
    ("transforms.io.beam",),
    mark=Mark.LENGTH,
)
RECORDS_KEY = Form(
    "key of a partition of a collection",
    (State(CUT, ("key",)),),
    "transforms.intake.source",
    ("transforms.intake.source",),
    mark=Mark.FIXED,
)
RECORDS_POSITION = Form(
    "position in a collection",
    (State(CUT, ("position",)),),
    "transforms.intake.source",
    ("transforms.intake.source",),
    mark=Mark.LENGTH,
)
PARQUET = Form(
    "Parquet store",
    (Files("TIER/date=DAY/*.parquet"), Files("_runs/RUN.json")),
    "transforms.io.parquet.store",
    ("transforms.io.parquet.store", "transforms.io.parquet.compact"),
    version=2,
    older=(1,),
    mark=Mark.FORMAT,
)

FORMS: Mapping[str, Form] = {value.name: value for value in list(vars().values()) if isinstance(value, Form)}
"""All persisted forms, by name."""
