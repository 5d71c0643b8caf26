"""The command line of ``tidemark submit``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from services.kit.arguments import Parser
from tidemark.run import JOBS

DEFAULT_NAME = "metrics"

EPILOG = """\
Every other option is the job's own, or Beam's: `tidemark run JOB --help`. What is not given is taken from the stack:
--input (topic metrics.raw), --output (its InfluxDB; the alerts job has none), the runner's addresses, --checkpointing_interval=10000,
--parallelism=2.

examples:
  tidemark stack up && tidemark submit metrics       the job runs when the command returns
  tidemark submit metrics --start=latest --plan      what would run
  tidemark submit metrics --rules=rules/             with alert rules; their events go to the topic alerts.events
  tidemark submit alerts --rules=rules/              the rules alone, as a job of its own
  tidemark submit --stop                             stop it; the savepoint's path is printed
  tidemark submit metrics --savepoint_path=PATH      go on from there: nothing lost, nothing doubled
"""


def parser() -> Parser:
    """The command line. Unknown options are the job's."""
    parser = Parser(
        lenient=True,
        prog="tidemark submit",
        usage="tidemark submit metrics|alerts [OPTIONS of the job]\n       tidemark submit --stop [--savepoint DIR] [--name NAME]",
        description="Run a job on the local stack's Flink, or stop it with a savepoint (never a drain).",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("job", nargs="?", choices=sorted(JOBS), help="the job to run")
    add("--stop", action="store_true", help="stop the running job with a savepoint")
    add("--savepoint", metavar="DIR", help="with --stop: where to (default: the stack's own directory of savepoints)")
    add("--name", default=DEFAULT_NAME, help="with --stop: the name of the job, its --job_name (default: metrics)")
    add(
        "--dir",
        type=Path,
        default=Path(os.environ.get("TIDEMARK_STACK_DIR") or ".tidemark/stack"),
        help="the stack's directory (default: $TIDEMARK_STACK_DIR, else .tidemark/stack)",
    )
    return parser
