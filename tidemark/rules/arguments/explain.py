"""The command line of ``tidemark rules explain``."""

from __future__ import annotations

from pathlib import Path

from schemas.series import DEFAULT_TARGET_LABELS
from services.kit.arguments import Parser
from tidemark.rules.arguments.common import command_parser
from transforms.io.history.options import add_history_options

EPILOG = """
exit status:
  0  done
  1  the rule or the data cannot be read
  2  wrong usage

examples:
  tidemark rules explain hosts.yml HostCpuSaturated
  tidemark rules explain hosts.yml                                   # every rule of the file
  tidemark rules explain --expr 'sum by (pool) (rate(errors_total[5m])) > 1'
  tidemark rules explain hosts.yml HostCpuSaturated --data=./store --time=2026-01-12T08:30:00Z

Each part is shown with what it does; where a job that spreads its targets over shards evaluates it: in the shard, partly there and
merged, or globally; and how much history it keeps. With data, its value at that time is shown too (by default the newest in the data).
"""


def parser() -> Parser:
    """The command line."""
    parser = command_parser("explain", "What a rule's expression does, part by part.", EPILOG)
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="a rule file")
    parser.add_argument("rule", nargs="?", metavar="RULE", help="the alert or record to explain (all of the file)")
    parser.add_argument("--expr", metavar="EXPR", help="explain an expression instead of a rule")
    parser.add_argument(
        "--target-labels",
        metavar="A,B",
        default=",".join(sorted(DEFAULT_TARGET_LABELS)),
        help="labels that make up a target, as in the job's configuration (%(default)s)",
    )
    add_history_options(parser)
    parser.add_argument(
        "--time", metavar="TIME", help="when to evaluate: ISO 8601, or ms since 1970 (the newest in the data)"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="(%(default)s)")
    return parser
