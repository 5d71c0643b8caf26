"""Files of rules, checked together: faults of each, doubts about each, and what one file records known to all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from rules.diagnostics.codes import LINTS
from rules.diagnostics.model import FILE_START, Diagnostic, in_order
from rules.files.load import load_rules
from rules.lints.metrics import Metrics
from rules.lints.run import lint, without_ignored
from rules.model import RecordingRule, RuleFile

_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of one file.

    Attributes:
        name: the file as the caller named it.
        file: the rules, if there is no error.
        diagnostics: in the order of their places.
        rules: how many it has, those with errors among them.
    """

    name: str
    file: RuleFile | None
    diagnostics: list[Diagnostic]
    rules: int = 0


def check(
    sources: Iterable[tuple[str, str]],
    *,
    lints: Collection[str] = LINTS,
    metrics: Metrics | None = None,
    interval_ms: int | None = None,
    progress: Callable[[], object] = lambda: None,
) -> list[Checked]:
    """Check files given as name and text. Faults of one file do not affect the others.

    Args:
        lints: the warnings to look for; errors are always reported.
        metrics: those that exist, besides what the rules themselves record; None to take every name for known.
        interval_ms: of groups that state none; None if that is not known.
        progress: called after each file.
    """
    found = []
    for name, text in sources:
        loaded = load_rules(text, name)
        file = loaded.file
        reported = without_ignored(loaded.diagnostics, file) if file else loaded.diagnostics
        kept = [each for each in reported if each.code not in LINTS or each.code in lints]
        found.append(Checked(name, file, kept, loaded.rules))
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


def once_a_run(diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
    """The diagnostics, with all about files without groups merged into the first, which names the other files."""
    empty = [each for each in diagnostics if each.code == "no-groups" and each.span == FILE_START]
    if len(empty) < 2:
        return list(diagnostics)
    message = f"{len(empty):,} files have no groups: this one, {', '.join(each.file for each in empty[1 : _SHOWN + 1])}"
    first = replace(empty[0], message=message + (", ..." if len(empty) > _SHOWN + 1 else ""))
    others = {id(each) for each in empty[1:]}
    return [first if each is empty[0] else each for each in diagnostics if id(each) not in others]
