"""The demo's command line."""

from __future__ import annotations

import argparse
from pathlib import Path

from services.kit.arguments import Parser


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = Parser(
        prog="tidemark demo",
        description="Run the metrics job with no servers, on this computer's own metrics and on a seeded day of a fleet, with alert rules\n"
        "over both; show what came out.",
        epilog="The output folder then holds the input as files, the store as Parquet, what was refused or too late, the rules and\n"
        "the events of their alerts, and report.html.\n\n"
        "examples:\n"
        "  tidemark demo\n"
        "  tidemark demo --hours=2 --seconds=5 --no-open --output=demo-short    a few seconds\n"
        "  tidemark demo --rules=mine.yml                                       your rules on the fleet's day",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--seconds",
        type=_positive,
        default=30,
        metavar="N",
        help="how long to sample this computer, once a second (30)",
    )
    add("--hours", type=_positive, default=24, metavar="N", help="how much of the fleet's day to run (24)")
    add("--seed", type=int, default=7, metavar="N", help="of the fleet; equal seeds give an equal day (7)")
    rules = "alert rules for the fleet in place of the demo's own, which a run leaves in DIR/rules/fleet.yml"
    add("--rules", type=Path, metavar="FILE", help=rules)
    where = "where everything goes; an earlier demo there is replaced (demo-out)"
    add("--output", type=Path, default=Path("demo-out"), metavar="DIR", help=where)
    add("--open", action=argparse.BooleanOptionalAction, default=True, help="show the report in a browser at the end")
    return parser


def _positive(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"a number above zero is wanted, not {text!r}")
    return int(text)
