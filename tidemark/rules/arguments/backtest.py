"""The command line of ``tidemark rules backtest``."""

from __future__ import annotations

import argparse
from pathlib import Path

from schemas.times import parse_duration
from services.kit.arguments import Parser
from services.kit.outputs import path
from tidemark.rules.arguments.common import add_rule_files, command_parser
from transforms.io.history.options import add_history_options

DESCRIPTION = """\
Run rules over archived data, with the evaluator that a job runs them with: when would each alert have been pending, firing and resolved, how
often and how long? Given labelled windows, also what the alerts found and how often they cried wolf.
"""
EPILOG = """
exit status:
  0  done
  1  a rule file has errors, rules, data or labels cannot be read, or no evaluation time lies within the data
  2  wrong usage
  3  done, but some evaluations failed, some alerts found no data, or a file could not be read to its end (see standard error)

examples:
  tidemark rules backtest hosts.yml --data=./store
  tidemark rules backtest hosts.yml --data='metrics/*.lp.gz' --start=2026-01-12T00:00:00Z --end=2026-01-19T00:00:00Z
  tidemark rules backtest rules/ --data=prometheus:http://127.0.0.1:9090 --start=2026-01-12T00:00:00Z --html=week.html
  tidemark rules backtest cloudwatch.yml --data=nab/data/realAWSCloudwatch --labels=nab/labels/combined_windows.json

labelled windows (--labels): YAML or JSON, a mapping of series to lists of windows; an empty list says that nothing was wrong.
  '{instance="web-1"}':
    - [2026-01-12T08:00:00Z, 2026-01-12T09:30:00Z]
A series may also be the name of a CSV file, as in the labels of the Numenta Anomaly Benchmark.
"""


def parser() -> Parser:
    """The command line."""
    parser = command_parser("backtest", DESCRIPTION, EPILOG)
    add_rule_files(parser)
    add_history_options(parser)
    parser.add_argument(
        "--interval", type=_duration, metavar="DURATION", help="evaluate all groups this often (their own, else 1m)"
    )
    parser.add_argument(
        "--lookback",
        type=_duration,
        default=300_000,
        metavar="DURATION",
        help="how old a sample still counts as current (5m); more for data that is sparser, such as rollups of 1h",
    )
    parser.add_argument(
        "--flap",
        type=_duration,
        default=900_000,
        metavar="DURATION",
        help="an alert that fires again this soon after it was resolved flaps (15m)",
    )
    parser.add_argument(
        "--labels", type=Path, metavar="FILE", help="when something was wrong with which series: see below"
    )
    parser.add_argument("--format", choices=("table", "json"), default="table", help="(%(default)s)")
    parser.add_argument("--pending", action="store_true", help="list the episodes too that never fired")
    parser.add_argument("--summary", action="store_true", help="no list of episodes")
    parser.add_argument("--html", type=path, metavar="FILE", help="write a page with a timeline of all alerts")
    return parser


def _duration(text: str) -> int:
    try:
        found = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if found <= 0:
        raise argparse.ArgumentTypeError(f"{text}: longer than nothing, please")
    return found
