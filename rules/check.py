"""Files of rules, checked together: faults of each, doubts about each, and what one file records known to all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

from rules.codes import LINTS
from rules.diagnostics import Diagnostic, in_order
from rules.lint import lint, without_ignored
from rules.lints.metrics import Metrics
from rules.load import load_rules
from rules.model import RecordingRule, RuleFile


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of one file.

    Attributes:
        name: the file as the caller named it.
        file: the rules, if there is no error.
        diagnostics: in the order of their places.
    """

    name: str
    file: RuleFile | None
    diagnostics: list[Diagnostic]

    @property
    def rules(self) -> int:
        """How many rules were read; 0 of a file with errors."""
        return sum(len(group.rules) for group in self.file.groups) if self.file else 0


def check(
    sources: Iterable[tuple[str, str]],
    *,
    lints: Collection[str] = LINTS,
    metrics: Metrics | None = None,
    interval_ms: int | None = None,
    progress: Callable[[], object] = lambda: None,
) -> list[Checked]:
    """Check files given as name and text; a fault of one says nothing of the others.

    Args:
        lints: the warnings to look for; errors are always told.
        metrics: those that exist, besides what the rules themselves record; None to take every name for known.
        interval_ms: of groups that state none; None if that is not known.
        progress: called after each file.
    """
    found = []
    for name, text in sources:
        loaded = load_rules(text, name)
        file = loaded.file
        told = without_ignored(loaded.diagnostics, file) if file else loaded.diagnostics
        found.append(Checked(name, file, [each for each in told if each.code not in LINTS or each.code in lints]))
        progress()
    if metrics is not None:
        metrics = replace(metrics, names=metrics.names | _recorded(found))
    return [
        replace(each, diagnostics=in_order([*each.diagnostics, *_doubts(each.file, lints, metrics, interval_ms)]))
        for each in found
    ]


def _doubts(
    file: RuleFile | None, lints: Collection[str], metrics: Metrics | None, interval_ms: int | None
) -> list[Diagnostic]:
    return lint(file, only=lints, metrics=metrics, interval_ms=interval_ms) if file and lints else []


def _recorded(checked: Iterable[Checked]) -> set[str]:
    return {
        rule.record for each in checked if each.file for _, rule in each.file.rules() if isinstance(rule, RecordingRule)
    }
