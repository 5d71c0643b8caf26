"""The outputs that there are: their URIs, what they take, and the counters by which each row is accounted for. Nothing is imported for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Store:
    """The counters of an output of rows.

    Attributes:
        fates: of its rows, each with its meaning; every row that is handed to it is in one of them, and the first is that of rows written.
        refused: the fate of rows that it did not take, and that are dead letters; None if it takes all.
        others: counters that belong to it and are no fates, each with its meaning.
    """

    fates: Mapping[str, str]
    refused: str | None = None
    others: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class OutputType:
    """An output.

    Attributes:
        name: in the balance of a run.
        forms: of its URIs, as errors and help show them.
        pattern: a regular expression for how its URIs begin.
        sink: ``MODULE:CLASS``, imported when a URI asks for it; its ``parse(uri, kafka_config)`` returns a :class:`transforms.io.sink.Output`.
        rows: the counters of rows; None if it takes no rows.
        records: whether it takes records: dead letters, late samples and events of alerts.
        local: whether the URI names a local directory.
    """

    name: str
    forms: tuple[str, ...]
    pattern: str
    sink: str
    rows: Store | None = None
    records: bool = False
    local: bool = False


OUTPUTS = (
    OutputType(
        "influxdb",
        ("influxdb://HOST:PORT?org=NAME", "influxdbs://HOST:PORT?org=NAME"),
        r"influxdbs?(:|$)",
        "transforms.io.influxdb.sink:InfluxOutput",
        rows=Store(
            {
                "influxdb.rows_written": "rows that InfluxDB took",
                "influxdb.refused": "rows that InfluxDB refused or cannot hold: dead letters, each with its reason",
                "influxdb.unwritable": "rows without a finite value: InfluxDB has no notation for NaN and infinities",
            },
            refused="influxdb.refused",
            others={"influxdb.values_unwritable": "values that are not finite, left out of rows written"},
        ),
    ),
    OutputType(
        "parquet",
        ("parquet:DIR",),
        r"parquet(:|$)",
        "transforms.io.parquet.sink:ParquetOutput",
        rows=Store({"parquet.rows_written": "rows written; of one series and time the store gives the newest"}),
        local=True,
    ),
    OutputType("kafka", ("kafka://HOST:PORT/TOPIC",), "kafka://", "transforms.io.kafka.sink:KafkaOutput", records=True),
    OutputType("file", ("file:DIR",), "file:.", "transforms.io.files.sink:FileOutput", records=True, local=True),
    OutputType(
        "blackhole",
        ("blackhole:",),
        "blackhole:$",
        "transforms.io.blackhole.sink:Blackhole",
        rows=Store({"blackhole.rows": "rows counted and forgotten"}),
        records=True,
    ),
)

STORES: Mapping[str, Store] = {each.name: each.rows for each in OUTPUTS if each.rows is not None}
"""The counters of outputs of rows, by the output's name."""


def output_type(uri: str) -> OutputType | None:
    """The output that a URI asks for."""
    return next((each for each in OUTPUTS if re.match(each.pattern, uri)), None)
