"""``tidemark rules fmt``: rule files in one layout."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

from rules.diagnostics.model import Severity
from rules.diagnostics.text import text_of
from rules.files.format import Formatted, format_rules
from schemas.errors import UserError
from tidemark.rules.arguments.fmt import parser
from tidemark.rules.files import STDIN, Source, colours, counter, replace_text, rule_sources

_PAINT = {"+": "32", "-": "31", "@": "36"}


def main(argv: Sequence[str] | None = None) -> int:
    """Format files; returns the exit status that ``--help`` documents.

    Raises:
        UserError: there are no files.
    """
    options = parser().parse_args(argv)
    found = rule_sources(options.files)
    if not found:
        raise UserError(f"no rule files in {', '.join(options.files)}")
    step = counter(len(found), "formatted")
    status = 0
    changed = 0
    for source in found:
        formatted = _format(source)
        step()
        if formatted is None:
            status = 2
        elif formatted.text is None:
            status = max(status, 1)
        else:
            changes = formatted.text != source.text
            changed += changes
            if changes and (options.check or options.diff):
                status = max(status, 1)
            if not _deliver(source, formatted.text, options):
                status = 2
    if not options.diff and options.files != [STDIN]:
        verb = "would change" if options.check else "changed"
        print(f"{len(found):,} file{'' if len(found) == 1 else 's'}, {changed:,} {verb}", file=sys.stderr)
    return status


def _format(source: Source) -> Formatted | None:
    """Format one file, and print what is wrong with it. None without text."""
    if source.text is None:
        print(f"tidemark rules fmt: {source.name}: {source.fault}", file=sys.stderr)
        return None
    formatted = format_rules(source.text, source.name)
    for diagnostic in formatted.diagnostics:
        if formatted.text is None or diagnostic.severity is Severity.INFO:
            print(text_of(diagnostic, source.text, colour=colours(sys.stderr)), file=sys.stderr)
    return formatted


def _deliver(source: Source, text: str, options: argparse.Namespace) -> bool:
    """Print or write what came out; False if it could not be written."""
    if options.diff:
        _print_diff(source, text)
    elif source.name == "<stdin>":
        if not options.check:
            sys.stdout.write(text)
    elif text != source.text:
        # Before the summary on standard error, also where both go to one pipe.
        print(source.name, flush=True)
        if not options.check:
            try:
                replace_text(Path(source.name), text)
            except OSError as error:
                print(f"tidemark rules fmt: {source.name}: {error.strerror or error}", file=sys.stderr)
                return False
    return True


def _print_diff(source: Source, text: str) -> None:
    colour = colours(sys.stdout)
    before, after = (source.text or "").splitlines(), text.splitlines()
    for line in difflib.unified_diff(before, after, source.name, f"{source.name} (formatted)", lineterm=""):
        code = _PAINT.get(line[:1]) if colour else None
        print(f"\x1b[{code}m{line}\x1b[0m" if code else line)
