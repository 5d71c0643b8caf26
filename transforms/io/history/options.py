"""The options of commands that read archived data. Nothing is imported for them that reads any."""

from __future__ import annotations

import argparse

from schemas.aggregates import AGGREGATES, ValueKind

ROLLUP_VALUES = tuple(
    dict.fromkeys(["last", "avg", *(each.name for each in AGGREGATES if each.kind is not ValueKind.TIME)])
)
"""What of a rollup can be a sample's value; the first is the default."""

SOURCES = f"""data sources (--data, repeatable; where two hold the same series and time, the later one counts):
  FILE, DIR, 'GLOB' or -             *.csv (two columns: timestamp,value), *.lp *.line *.influx, *.json *.jsonl *.ndjson, each also with .gz;
                                     of another name, what its content is; - is standard input
  parquet:DIR[?tier=1m&value=avg]    a store that a job wrote with --output=parquet:DIR
                                     (tier: the finest; value: {", ".join(ROLLUP_VALUES)})
  prometheus:http://HOST:PORT[?mode=query_range&step=15s]
                                     a Prometheus; by remote read, which gives its samples as they are. A bearer token
                                     comes from PROMETHEUS_TOKEN or PROMETHEUS_TOKEN_FILE
  influxdb://HOST:PORT?org=NAME&bucket=NAME[&value=avg]
                                     an InfluxDB 2 (influxdbs:// with TLS); the token comes from INFLUX_TOKEN or INFLUX_TOKEN_FILE
"""


def add_history_options(parser: argparse.ArgumentParser) -> None:
    """The options that :func:`transforms.io.history.read.read_history` reads."""
    parser.add_argument(
        "--data", action="append", default=[], metavar="SOURCE", help="archived data; may be repeated (see below)"
    )
    parser.add_argument("--start", metavar="TIME", help="first instant: ISO 8601, or ms since 1970 (start of the data)")
    parser.add_argument("--end", metavar="TIME", help="last instant (end of the data)")
    parser.add_argument(
        "--csv-name",
        metavar="METRIC",
        help="metric name of the series in CSV files (the file's name without its last word)",
    )
    parser.add_argument(
        "--precision", choices=("ns", "us", "ms", "s"), default="ns", help="timestamps of line protocol (%(default)s)"
    )
    parser.epilog = f"{parser.epilog or ''}\n{SOURCES}"
