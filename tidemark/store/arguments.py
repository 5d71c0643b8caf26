"""The command line of ``tidemark store``."""

from __future__ import annotations

import argparse
from pathlib import Path

from services.kit.arguments import Commands, Parser

EXAMPLES = """
examples:
  tidemark store ls ./store
  tidemark store runs ./store                       # of two rows of a series and time the later run's counts
  tidemark store compact ./store                    # what is older than two hours, in every tier
  tidemark store compact ./store raw --older=1d
  tidemark store retain ./store --config=tiers.yaml --dry-run

A job may write and others may read meanwhile. Run compact every hour or so, retain once a day.
"""


def parser() -> Parser:
    """The command line."""
    parser = Parser(
        prog="tidemark store",
        description="What a Parquet store holds, and its upkeep.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = Commands(parser)
    listing = commands.add("ls", "files, rows, bytes and times of each tier")

    run_list = commands.add("runs", "the runs that wrote to it, in order: what the later one wrote counts")

    folding = commands.add("compact", "fold small files, and rows that newer ones replaced, into large files")

    keeping = commands.add("retain", "delete files that are past their tier's retention")
    keeping.add_argument(
        "--config", metavar="FILE", help="the job's YAML with its tiers (raw 7 days, 1m 30 days, 1h 365 days)"
    )
    keeping.add_argument("--dry-run", action="store_true", help="name the files and delete nothing")

    for each in (listing, run_list, folding, keeping):
        each.add_argument("directory", type=Path, metavar="DIR", help="the store, as in --output=parquet:DIR")
    folding.add_argument("tiers", nargs="*", metavar="TIER", help="1m, 1h, raw, ... (all that there are)")
    folding.add_argument(
        "--older", metavar="DURATION", default="2h", help="leave alone what may still change (%(default)s)"
    )
    return parser
