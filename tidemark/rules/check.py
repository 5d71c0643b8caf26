"""``tidemark rules check``: what is wrong with rule files, and what is doubtful about them."""

from __future__ import annotations

import argparse
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
from tidemark.rules.arguments import add_rule_files, command_parser
from tidemark.rules.files import Source, colours, counter, read_bytes, rule_sources

DESCRIPTION = """\
Check rule files: errors are what Prometheus refuses (the verdict is that of `promtool check rules`), warnings what it accepts and the author
hardly means. All faults of all files in one run, each with its place, the text underlined, and what to do. PrometheusRule objects are
checked where they stand; of a directory, files of other kinds are left out.
"""
EPILOG = f"""\
exit status:
  0  no errors (warnings do not count, unless --fail-on=warning)
  1  errors
  2  wrong usage, or a file that cannot be read
  3  no errors, but warnings, and --fail-on=warning

warnings ({len(LINTS)}):
  {", ".join(LINTS)}
A comment on a rule, or right above it, silences one for this rule:  # tidemark: ignore=label-lost

examples:
  tidemark rules check rules/                            every *.yml and *.yaml below
  tidemark rules check rules/ --metrics names.txt        and whether each metric exists
  curl -s HOST:9090/api/v1/label/__name__/values | tidemark rules check rules/ --metrics -
  kubectl get prometheusrules -A -o yaml | tidemark rules check -
  tidemark rules check --lint=all,-for-below-interval --fail-on=warning rules/
  tidemark rules check --format=sarif rules/ > rules.sarif
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Check files; returns the exit status that ``--help`` documents.

    Raises:
        UserError: an option is wrong, or there are no files.
    """
    options = _parser().parse_args(argv)
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


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("check", DESCRIPTION, EPILOG)
    add_rule_files(parser)
    parser.add_argument(
        "--lint",
        default="all",
        metavar="CODES",
        help="warnings to look for: all, none, or codes; -CODE leaves one out (all)",
    )
    parser.add_argument(
        "--metrics",
        metavar="FILE",
        help="the metrics there are: names one a line, or what a target exposes, or /api/v1/label/__name__/values",
    )
    parser.add_argument("--interval", metavar="DURATION", help="evaluation interval of groups that state none")
    parser.add_argument("--format", choices=("text", "json", "sarif"), default="text", help="(%(default)s)")
    parser.add_argument(
        "--fail-on",
        choices=("error", "warning"),
        default="error",
        help="what makes the exit status other than 0 (%(default)s)",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no summary after the text")
    return parser


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
