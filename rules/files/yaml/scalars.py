"""Texts as YAML scalars: plain where that is safe, quoted where not, a literal block for several lines."""

from __future__ import annotations

import re

from rules.files.yaml.tree import Kind, Node
from rules.files.yaml.types import tag_of

# YAML 1.1 reads these as booleans, Prometheus does not: quoted, all do the same.
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", "<<", "="}
_PLAIN = re.compile(r"[^\s\-?:,\[\]{}#&*!|>'\"%@`][^\r\n\t]*\Z")
_UNSAFE = re.compile(r":(?=\s|$)|\s#|^\s|\s$|  $")
_PRINTABLE = re.compile(r"[\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]*\Z")
_WIDTH = 100
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}


def scalar_lines(
    value: str, indent: int, *, tagged: bool, folded: bool = False, was_plain: bool = False, key: bool = False
) -> list[str]:
    """The lines of a scalar: the first to stand after its key, the others whole, indented by ``indent``.

    Args:
        tagged: it has a tag, which a plain scalar could change.
        folded: it was written over several lines that are one.
        was_plain: it was written without quotes.
        key: it must fit one line, however long.
    """
    if not key and not tagged and folded and "\n" not in value.rstrip("\n") and (lines := _folded(value, indent)):
        return lines
    if not key and not tagged and "\n" in value and (lines := _literal(value, indent)):
        return lines
    if not tagged and _is_plain(value):
        return [value]
    if _PRINTABLE.match(value) and "\n" not in value:
        if '"' not in value and "\\" not in value:
            return [f'"{value}"']
        return ["'" + value.replace("'", "''") + "'"]
    return ['"' + "".join(_escaped(character) for character in value) + '"']


def _is_plain(value: str) -> bool:
    if not value or value.lower() in _WORDS or not _PRINTABLE.match(value) or _UNSAFE.search(value):
        return False
    if not _PLAIN.match(value) or value.startswith(("---", "...")):
        return False
    return tag_of(Node(Kind.SCALAR, "", value, "", 0, 0)) == "!!str"


def _literal(value: str, indent: int) -> list[str] | None:
    """A literal block; None where it could not say the text: leading blanks, or what is not printable."""
    if not _PRINTABLE.match(value) or value[0] in " \t\n" or not value.strip("\n"):
        return None
    body = value.rstrip("\n")
    endings = len(value) - len(body)
    header = "|" + ("-" if endings == 0 else "" if endings == 1 else "+")
    lines = [" " * indent + line if line else "" for line in body.split("\n")]
    return [header, *lines, *[""] * (endings - 1)]


def _folded(value: str, indent: int) -> list[str] | None:
    """A folded block of lines that end at single spaces; None where the text has none, or fits one line."""
    body = value.rstrip("\n")
    endings = len(value) - len(body)
    if not body or endings > 1 or not _PRINTABLE.match(value) or body != body.strip() or "\t" in body:
        return None
    lines, line = [], ""
    for word in re.split(r"(?<=\S) (?=\S)", body):
        if line and indent + len(line) + 1 + len(word) > _WIDTH:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    lines.append(line)
    if len(lines) == 1 and endings == 0:
        return None
    return [">" if endings else ">-", *(" " * indent + each for each in lines)]


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if _PRINTABLE.match(character):
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
