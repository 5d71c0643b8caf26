"""What these command lines have in common."""

from __future__ import annotations

import argparse

from services.kit.arguments import Parser


def command_parser(name: str, description: str, epilog: str) -> Parser:
    """A parser of ``tidemark rules NAME``; its texts are printed with their lines as they are."""
    return Parser(
        prog=f"tidemark rules {name}",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_rule_files(parser: argparse.ArgumentParser) -> None:
    """The rule files to work on: what ``tidemark.rules.files.sources`` takes."""
    parser.add_argument(
        "files", nargs="+", metavar="FILE|DIR", help="rule files, directories of them, - for standard input"
    )
