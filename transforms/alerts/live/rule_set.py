"""The rules that are live: what is in force of the rule files, and what is wrong with those that are not.

A file that is broken does not take its rules away: its last good version stays in force. For each such file there is an alert
``TidemarkRulesBroken``, by a rule of a group of Tidemark's own: an ordinary rule with a constant expression rather than an event made by hand,
so the alert has the life, the ids, the series and the checkpoint of every other, and ends when its rule goes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from rules.diagnostics.model import Diagnostic, Severity
from rules.evaluation.program import Program, Settings
from rules.files.load import load_rules
from rules.golang.quoting import quote
from rules.model import AlertingRule, RuleFile, RuleGroup
from rules.promql.syntax.parser import parse

BROKEN_ALERT = "TidemarkRulesBroken"
OWN_GROUP = "tidemark"
OWN_FILE = ""
"""The file of the group that no file holds."""

_SHOWN = 5

Check = Callable[[RuleFile], Sequence[Diagnostic]]
"""What else is wrong with a file that could be read; an error refuses it, as an error of its text does."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that is not in force as it stands.

    Attributes:
        text: of the refused version.
        diagnostics: of it, in the order of their places.
        kept: whether an earlier version is in force.
    """

    text: str
    diagnostics: tuple[Diagnostic, ...]
    kept: bool


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules of several files.

    Attributes:
        files: in force, by name.
        problems: by name, of the files that are broken; ``files`` holds the last good version of each, if there was one.
    """

    files: Mapping[str, RuleFile] = field(default_factory=dict)
    problems: Mapping[str, Problem] = field(default_factory=dict)

    @classmethod
    def load(cls, files: Mapping[str, str], previous: RuleSet | None = None, check: Check | None = None) -> RuleSet:
        """Read the rule files that there are now.

        Args:
            files: texts by name; names are not empty. One that was there before and is not now takes its rules along.
            previous: what is in force now: the good versions of files that are broken come from it.
            check: what the files must pass besides.

        Raises:
            ValueError: a file has no name.
        """
        if OWN_FILE in files:
            raise ValueError("a rule file needs a name")
        before = previous or cls()
        good: dict[str, RuleFile] = {}
        problems: dict[str, Problem] = {}
        for name, text in sorted((_sound(name), _sound(text)) for name, text in files.items()):
            last = before.files.get(name)
            if last is not None and last.text == text:
                good[name] = last
                continue
            loaded, faults = _read(text, name, check)
            if loaded is None:
                problems[name] = Problem(text, faults, last is not None)
                loaded = last
            if loaded is not None:
                good[name] = loaded
        return cls(good, problems)

    @property
    def version(self) -> str:
        """16 hexadecimal digits, the same for the same names and texts, in force and refused."""
        plain = {kind: sorted(texts.items()) for kind, texts in self.as_plain().items()}
        return hashlib.blake2b(orjson.dumps(plain), digest_size=8).hexdigest()

    @property
    def groups(self) -> tuple[RuleGroup, ...]:
        """All groups, file by file in the order of the names; Tidemark's own is the last, where there is one."""
        groups = [group for file in self.files.values() for group in file.groups]
        if self.problems:
            rules = tuple(_broken(name, problem) for name, problem in self.problems.items())
            groups.append(RuleGroup(OWN_GROUP, rules=rules, file=OWN_FILE))
        return tuple(groups)

    def program(self, settings: Settings | None = None) -> Program:
        """The groups made ready."""
        return Program(self.groups, settings)

    def as_plain(self) -> dict[str, dict[str, str]]:
        """The texts, for a checkpoint: after a restart the good version of a broken file is nowhere else."""
        return {
            "files": {name: file.text for name, file in self.files.items()},
            "refused": {name: problem.text for name, problem in self.problems.items()},
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], check: Check | None = None) -> RuleSet:
        """The rule set that :meth:`as_plain` gave.

        Raises:
            ValueError: it is none.
        """
        try:
            files, refused = dict(plain["files"]), dict(plain["refused"])
            texts = [*files.values(), *refused.values()]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not a rule set: {error}") from error
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("not a rule set: a text is none")
        good = cls.load(files, check=check)
        return cls.load({**files, **refused}, good, check) if refused else good


def _sound(text: str) -> str:
    """The text without lone surrogates, which bytes that are no UTF-8 may have left and no event can hold."""
    return text.encode(errors="replace").decode()


def _read(text: str, name: str, check: Check | None) -> tuple[RuleFile | None, tuple[Diagnostic, ...]]:
    loaded = load_rules(text, name)
    found = tuple(loaded.diagnostics)
    if loaded.file is None or check is None:
        return loaded.file, found
    faults = tuple(check(loaded.file))
    refused = any(fault.severity is Severity.ERROR for fault in faults)
    return None if refused else loaded.file, (*found, *faults)


def _broken(name: str, problem: Problem) -> AlertingRule:
    stays = "its last good version stays in force" if problem.kept else "none of its rules is in force"
    shown = [
        f"{each.span.line}:{each.span.column}: {each.message} [{each.code}]" for each in problem.diagnostics[:_SHOWN]
    ]
    more = len(problem.diagnostics) - len(shown)
    expr = f"vector({len(problem.diagnostics)})"
    return AlertingRule(
        alert=BROKEN_ALERT,
        expr=expr,
        ast=parse(expr),
        labels={"file": _literally(name), "severity": "warning"},
        annotations={
            "summary": _literally(f"the rule file {name} is broken: {stays}"),
            "description": _literally("\n".join(shown + [f"... and {more} more"] * (more > 0))),
        },
    )


def _literally(text: str) -> str:
    """A template that expands to the text."""
    return f"{{{{ {quote(text)} }}}}" if "{{" in text else text
