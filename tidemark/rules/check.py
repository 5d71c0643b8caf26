"""``tidemark rules check``: what is wrong with rule files, and what is doubtful about them."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

from rules.diagnostics.codes import CODES, LINTS
from rules.diagnostics.model import Diagnostic, Severity, worst
from rules.diagnostics.sarif import sarif_of
from rules.diagnostics.text import json_of, summary, text_of
from rules.files.check import Checked, check, once_a_run
from rules.lints.metrics import Metrics, read_metrics
from schemas.errors import MISTAKE, UserError
from schemas.times import parse_duration
from services.kit.commands import refusing
from tidemark.rules.arguments.check import parser
from tidemark.rules.files import Source, colours, counter, read_bytes, rule_sources


def main(argv: Sequence[str] | None = None) -> int:
    """Check files; returns the exit status that ``--help`` documents.

    Raises:
        UserError: an option is wrong, or there are no files.
    """
    options = parser().parse_args(argv)
    with refusing(OSError, ValueError, status=MISTAKE):
        lints = _lints(options.lint)
        metrics = _metrics(options.metrics) if options.metrics else None
        interval = parse_duration(options.interval) if options.interval else None
    read = rule_sources(options.files)
    if not read:
        raise UserError(f"no rule files in {', '.join(options.files)}")
    texts = [(source.name, source.text) for source in read if source.text is not None]
    checked = [_refused(source) for source in read if source.text is None]
    checked += check(texts, lints=lints, metrics=metrics, interval_ms=interval, progress=counter(len(texts), "checked"))
    diagnostics = [diagnostic for each in checked for diagnostic in each.diagnostics]
    _print(options.format, diagnostics, checked, dict(texts), quiet=options.quiet)
    return _status(diagnostics, options.fail_on)


def _lints(text: str) -> set[str]:
    chosen: set[str] = set(LINTS) if text.startswith("-") else set()
    for word in filter(None, (word.strip() for word in text.split(","))):
        code = word.removeprefix("-")
        if word in ("all", "none"):
            chosen = set(LINTS) if word == "all" else set()
        elif code not in LINTS:
            close = difflib.get_close_matches(code, LINTS, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are all, none, {', '.join(LINTS)}"
            what = "an error, and always reported" if code in CODES else "no warning"
            raise ValueError(f"--lint: {code!r} is {what}; {hint}")
        elif word.startswith("-"):
            chosen.discard(code)
        else:
            chosen.add(code)
    return chosen


def _metrics(name: str) -> Metrics:
    text = sys.stdin.read() if name == "-" else read_bytes(Path(name)).decode(errors="replace")
    try:
        return read_metrics(text)
    except ValueError as error:
        raise ValueError(f"--metrics {name}: {error}") from None


def _refused(source: Source) -> Checked:
    return Checked(source.name, None, [Diagnostic(source.code, Severity.ERROR, source.fault, source.name)])


def _print(
    form: str, diagnostics: list[Diagnostic], checked: list[Checked], texts: dict[str, str], *, quiet: bool
) -> None:
    rules = sum(each.rules for each in checked)
    if form != "text":
        data = json_of(diagnostics, len(checked), rules) if form == "json" else sarif_of(diagnostics)
        print(data.decode())
        return
    colour = colours(sys.stdout)
    shown = once_a_run(diagnostics)
    for diagnostic in shown:
        print(text_of(diagnostic, texts.get(diagnostic.file), colour=colour))
    if not quiet:
        print(summary(shown, len(checked), rules))


def _status(diagnostics: list[Diagnostic], fail_on: str) -> int:
    if any(each.code == "unreadable" for each in diagnostics):
        return 2
    gravest = worst(diagnostics)
    if gravest is Severity.ERROR:
        return 1
    return 3 if gravest is Severity.WARNING and fail_on == "warning" else 0
