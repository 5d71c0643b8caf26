"""``tidemark rules library``: the rules we ship, to look at and to copy."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import rules
from schemas.errors import FAILURE, UserError
from services.kit.commands import refusing
from tidemark.rules.arguments.common import command_parser

RUNBOOKS = "docs/runbooks/"
"""Where the shipped rules say that their runbooks are; copying puts another place there."""

DESCRIPTION = """\
The rules shipped with Tidemark: Prometheus rule files, each with its unit tests. Without options: what there is.
With names: the text of these files. With --to: copies of them, to be changed as you like.
"""
EPILOG = """\
exit status:
  0  done
  1  a file is there already and differs (--force replaces it), or cannot be written
  2  wrong usage

examples:
  tidemark rules library
  tidemark rules library queues | less
  tidemark rules library --to rules/                     all, with their unit tests in rules/tests/
  tidemark rules library --to rules/ hosts services --runbooks https://wiki.example.com/runbooks/
"""


class Shipped(NamedTuple):
    """One file of the library: its name without a suffix, its text, and the text of its unit tests."""

    name: str
    rules: str
    tests: str


def library() -> list[Shipped]:
    """The files of the library, by name."""
    folder = Path(rules.__path__[0]) / "library"
    names = sorted(path.stem for path in folder.glob("*.yml"))
    return [
        Shipped(
            name,
            (folder / f"{name}.yml").read_text(encoding="utf-8"),
            (folder / "tests" / f"{name}.test.yml").read_text(encoding="utf-8"),
        )
        for name in names
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """List, print or copy; returns the exit status, 0.

    Raises:
        UserError: no file has such a name, or a copy would replace one that differs, or cannot be written.
    """
    options = _parser().parse_args(argv)
    shipped = library()
    known = [each.name for each in shipped]
    asked = [name.removesuffix(".yml") for name in options.names]
    if unknown := [name for name in asked if name not in known]:
        raise UserError(f"no {', '.join(unknown)}; there are {', '.join(known)}")
    chosen = [each for each in shipped if not asked or each.name in asked]
    if options.to is not None:
        return _copy(chosen, options.to, options.runbooks, force=options.force)
    if asked:
        print("\n".join(each.rules.replace(RUNBOOKS, options.runbooks) for each in chosen), end="")
        return 0
    for line in _overview(chosen):
        print(line)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("library", DESCRIPTION, EPILOG)
    parser.add_argument("names", nargs="*", metavar="NAME", help="files of the library (all)")
    parser.add_argument("--to", type=Path, metavar="DIR", help="copy rules to DIR, and their unit tests to DIR/tests")
    parser.add_argument(
        "--runbooks", default=RUNBOOKS, metavar="PREFIX", help="what runbook_url begins with (%(default)s)"
    )
    parser.add_argument("--force", action="store_true", help="replace files that are there already")
    return parser


def _overview(chosen: Sequence[Shipped]) -> Iterator[str]:
    from rules.files.load import load_rules
    from rules.model import AlertingRule

    for each in chosen:
        file = load_rules(each.rules, f"{each.name}.yml").file
        found = [rule for group in file.groups for rule in group.rules] if file else []
        alerts = [rule.alert for rule in found if isinstance(rule, AlertingRule)]
        yield f"{each.name}.yml: {len(alerts)} alerts, {len(found) - len(alerts)} recording rules"
        yield from (f"  {alert}" for alert in alerts)


def _copy(chosen: Sequence[Shipped], directory: Path, runbooks: str, *, force: bool) -> int:
    targets = {}
    for each in chosen:
        targets[directory / f"{each.name}.yml"] = each.rules.replace(RUNBOOKS, runbooks)
        targets[directory / "tests" / f"{each.name}.test.yml"] = each.tests.replace(RUNBOOKS, runbooks)
    with refusing(OSError, UnicodeDecodeError, status=FAILURE):
        changed = [path for path, text in targets.items() if path.exists() and path.read_text("utf-8") != text]
        if changed and not force:
            names = ", ".join(map(str, changed))
            raise UserError(f"there already, and different: {names}; --force replaces")
        for path, text in targets.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(path)
    return 0
