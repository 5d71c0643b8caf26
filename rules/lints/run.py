"""Doubts about rules that Prometheus accepts: asked of each rule, silenced by a comment where the author knows better."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from rules.diagnostics.codes import CODES, LINTS
from rules.diagnostics.model import Diagnostic, Severity, TextSpan, in_order
from rules.golang.durations import format_duration
from rules.lints.arguments import missing_labels, quantiles
from rules.lints.conditions import impossible_conditions
from rules.lints.constants import constant_conditions
from rules.lints.duplicates import duplicates
from rules.lints.finding import Finding
from rules.lints.labels import lost_labels, unbounded_labels
from rules.lints.metrics import Metrics, misused_counters, native_histograms, unknown_metrics
from rules.model import AlertingRule, Rule, RuleFile, RuleGroup

_IGNORE = re.compile(r"#\s*tidemark:\s*ignore\s*=\s*([A-Za-z0-9_-]+(?:\s*,\s*[A-Za-z0-9_-]+)*)")
_COMMENT = re.compile(r"\s*#")


def lint(
    file: RuleFile,
    *,
    only: Collection[str] = LINTS,
    metrics: Metrics | None = None,
    interval_ms: int | None = None,
) -> list[Diagnostic]:
    """Warnings about the rules of a file, in the order of their places.

    Args:
        only: the codes to ask for.
        metrics: those that exist, the recorded ones among them; None if that is not known.
        interval_ms: of groups that state none; None if that is not known.
    """
    ignores = Ignores(file.text)
    found = [
        _diagnostic(finding, rule, file)
        for group, rule in file.rules()
        for finding in _findings(group, rule, metrics, interval_ms)
        if finding.code in only
    ]
    if "duplicate-rule" in only:
        found.extend(_duplicates(file))
    kept = [each for each, rule in found if each.code not in ignores.of(rule)]
    if "unknown-ignore" in only:
        kept.extend(ignores.unknown(file.name))
    return in_order(kept)


def without_ignored(diagnostics: list[Diagnostic], file: RuleFile) -> list[Diagnostic]:
    """The loader's diagnostics less the warnings that a comment on their rule silences."""
    ignores = Ignores(file.text)
    if not ignores.lines:
        return diagnostics
    codes = [(rule.place.span, ignores.of(rule)) for _, rule in file.rules()]
    return [
        each
        for each in diagnostics
        if each.severity is Severity.ERROR
        or not any(span.line <= each.span.line <= span.end_line and each.code in ignored for span, ignored in codes)
    ]


def _findings(group: RuleGroup, rule: Rule, metrics: Metrics | None, interval_ms: int | None) -> Iterator[Finding]:
    yield from _short_for(group, rule, interval_ms)
    yield from impossible_conditions(rule)
    yield from constant_conditions(rule)
    yield from missing_labels(rule)
    yield from quantiles(rule)
    yield from lost_labels(rule)
    yield from unbounded_labels(rule)
    yield from misused_counters(rule, metrics)
    yield from native_histograms(rule)
    if metrics is not None:
        yield from unknown_metrics(rule, metrics)


def _diagnostic(finding: Finding, rule: Rule, file: RuleFile) -> tuple[Diagnostic, Rule]:
    span = rule.place.within(finding.field, finding.span)
    severity = CODES[finding.code].severity
    return Diagnostic(finding.code, severity, finding.message, file.name, span, finding.hint, rule.name), rule


def _short_for(group: RuleGroup, rule: Rule, interval_ms: int | None) -> Iterator[Finding]:
    interval = group.interval_ms or interval_ms
    if not isinstance(rule, AlertingRule) or not interval or not 0 < rule.for_ms < interval:
        return
    stated, every = format_duration(rule.for_ms), format_duration(interval)
    message = (
        f"`for: {stated}` is shorter than the group's interval: the alert fires at the next evaluation, {every} later"
    )
    yield Finding("for-below-interval", message, "for", None, f"say `for: {every}`, which is what it means, or longer")


def _duplicates(file: RuleFile) -> Iterator[tuple[Diagnostic, Rule]]:
    for rule, before in duplicates(file):
        message = (
            f"{rule.name!r} with the same labels is already on line {before.place.line}, and both can yield one series"
        )
        hint = "give one of them another name, or a label that distinguishes them"
        yield _diagnostic(Finding("duplicate-rule", message, rule.kind, None, hint), rule, file)


class Ignores:
    """Comments ``# tidemark: ignore=CODE``: on a line of a rule, or on the comment lines right above it."""

    def __init__(self, text: str) -> None:
        self._text = text.splitlines() if "tidemark:" in text else []
        self.lines: dict[int, list[tuple[str, int]]] = {}
        # Rules written in one line share what is above them.
        self._found: dict[tuple[int, int], set[str]] = {}
        for number, line in enumerate(self._text, 1):
            for found in _IGNORE.finditer(line):
                codes = re.finditer(r"[A-Za-z0-9_-]+", found[1])
                self.lines.setdefault(number, []).extend((each[0], found.start(1) + each.start()) for each in codes)

    def of(self, rule: Rule) -> set[str]:
        """The codes that comments silence for a rule."""
        if not self.lines:
            return set()
        place = rule.place.span.line, rule.place.span.end_line
        if place not in self._found:
            first, last = place
            while first > 1 and _COMMENT.match(self._text[first - 2]):
                first -= 1
            self._found[place] = {code for line in range(first, last + 1) for code, _ in self.lines.get(line, ())}
        return self._found[place]

    def unknown(self, file: str) -> Iterator[Diagnostic]:
        """Codes that cannot be ignored, because there are no such warnings."""
        for number, codes in self.lines.items():
            for code, column in codes:
                if code not in LINTS:
                    span = TextSpan(number, column + 1, number, column + 1 + len(code))
                    why = "is an error, and cannot be ignored" if code in CODES else "is no warning"
                    hint = f"known: {', '.join(LINTS)}"
                    yield Diagnostic("unknown-ignore", Severity.WARNING, f"{code!r} {why}", file, span, hint)
