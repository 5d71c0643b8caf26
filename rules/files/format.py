"""Rule files in one layout: keys in one order, YAML and PromQL laid out, comments kept, the meaning untouched.

The file is written anew from its nodes. What comes out is loaded again and compared with what went in, comments included; a file for which
the two differ is left as it is, and said so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass

from rules.diagnostics.model import FILE_START, Diagnostic, Severity, TextSpan
from rules.files.format_objects import format_groups, spans
from rules.files.format_writer import Writer
from rules.files.kubernetes import documents, is_object
from rules.files.load import load_rules
from rules.files.yaml.comments import comments_of
from rules.files.yaml.tree import compose
from rules.model import AlertingRule, RecordingRule, RuleFile

_DIRECTIVE = re.compile(r"(?m)^%")
_BREAK = re.compile(r"\r\n|\r|\n")
_CHANGED = "the layout would change what the file means or says, so it is left as it is"


@dataclass(frozen=True, slots=True)
class Formatted:
    """What came of formatting.

    Attributes:
        text: the file in its layout; None if it was refused.
        diagnostics: why it was refused, or what was left as it is.
    """

    text: str | None
    diagnostics: list[Diagnostic] = field(default_factory=list)


def format_rules(text: str, name: str) -> Formatted:
    """Lay out a rule file; ``name`` is what diagnostics call it. A file with errors is refused.

    Of ``PrometheusRule`` objects the groups are laid out, and everything else stays as it is, to the byte.
    """
    loaded = load_rules(text, name)
    if loaded.file is None:
        return Formatted(None, loaded.diagnostics)
    first = documents(text)[0]
    if _DIRECTIVE.search(text):
        return _left(name, "the file has YAML directives, and is left as it is")
    if is_object(first.root):
        return _format_objects(text, loaded.file)
    if first.more:
        return _left(name, "the file has several documents, and is left as it is", first.more)
    writer = Writer(first, comments_of(first))
    written = writer.text()
    if not _is_kept(loaded.file, written) or not _comments_kept(text, written):
        return _left(name, _CHANGED)
    return Formatted(written, _unkept(name, writer))


def _format_objects(text: str, file: RuleFile) -> Formatted:
    written, notes = [], []
    for start, end in spans(text):
        # The lines before a document are left blank, so that places stay those of the file.
        before = "\n" * (len(_BREAK.findall(text, 0, start)))
        document = text[start:end]
        laid_out = format_groups(compose(before + document))
        if isinstance(laid_out, TextSpan):
            return _left(
                file.name, "the groups are written within braces, or are an alias: the file is left as it is", laid_out
            )
        new, writers = laid_out
        new = new[len(before) :]
        if not _comments_kept(document, new):
            return _left(file.name, _CHANGED)
        written.append(new)
        notes += [note for writer in writers for note in _unkept(file.name, writer)]
    whole = "".join(written)
    return Formatted(whole, notes) if _is_kept(file, whole) else _left(file.name, _CHANGED)


def same_meaning(one: RuleFile, other: RuleFile) -> bool:
    """Whether two files hold the same groups of the same rules, however their expressions are laid out."""
    return [_meaning(group) for group in one.groups] == [_meaning(group) for group in other.groups]


def _meaning(value: object) -> object:
    """A comparable form: spans and layout left out, floats by their text, since not-a-number equals nothing."""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, AlertingRule | RecordingRule) or is_dataclass(value):
        left_out = ("expr",) if isinstance(value, AlertingRule | RecordingRule) else ()
        kept = [each.name for each in fields(value) if each.compare and each.name not in left_out]
        return type(value).__name__, [_meaning(getattr(value, each)) for each in kept]
    if isinstance(value, Mapping):
        return sorted(value.items())
    return [_meaning(each) for each in value] if isinstance(value, tuple) else value


def _is_kept(before: RuleFile, written: str) -> bool:
    after = load_rules(written, before.name).file
    return after is not None and same_meaning(before, after)


def _comments_kept(before: str, after: str) -> bool:
    return comments_of(compose(before)).texts() == comments_of(compose(after)).texts()


def _left(name: str, message: str, place: TextSpan = FILE_START) -> Formatted:
    return Formatted(None, [Diagnostic("not-formatted", Severity.WARNING, message, name, place)])


def _unkept(name: str, writer: Writer) -> list[Diagnostic]:
    message = "the expression is left as it is: its comments have no place in a new layout"
    return [
        Diagnostic("not-formatted", Severity.INFO, message, name, writer.tree.span(node)) for node in writer.unformatted
    ]
