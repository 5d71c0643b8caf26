"""Series notation of Prometheus, as people and exporters write it: ``name{label="value", ...}``.

Wider than the canonical text of :mod:`schemas.series`: labels in any order, white space between tokens, a trailing comma, the name as
``{"quoted name", ...}`` (Prometheus 3) or as the label ``__name__``. Escapes in quoted strings are ``\\\\``, ``\\"`` and ``\\n``.
"""

from __future__ import annotations

import re

from schemas.series import METRIC_NAME

_STRING = r'"(?:[^"\\]|\\[\\"n])*"'
_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:.\-/]*"
_METRIC = re.compile(rf"\s*(?P<name>{_NAME}|{_STRING})?\s*(?P<brace>\{{)?")
_LABEL = re.compile(rf"\s*(?P<name>{_NAME}|{_STRING})\s*(?:=\s*(?P<value>{_STRING})\s*)?(?P<end>[,}}])")
_CLOSE = re.compile(r"\s*\}")
_ESCAPED = re.compile(r"\\(.)")


def _unquote(token: str) -> str:
    if not token.startswith('"'):
        return token
    return _ESCAPED.sub(lambda found: "\n" if found[1] == "n" else found[1], token[1:-1])


def parse_series(text: str) -> tuple[str, dict[str, str]]:
    """Name and labels of a series in Prometheus notation; a label with an empty value is kept, since it says that the label is absent.

    Raises:
        ValueError: the text is not one; the message holds the column, from 1, and what is wanted there.
    """
    head = _METRIC.match(text)
    assert head is not None, "matches the empty text"
    names = [_unquote(head["name"])] if head["name"] is not None else []
    labels: dict[str, str] = {}
    position = head.end()
    closed = head["brace"] is None
    while not closed:
        if close := _CLOSE.match(text, position):
            position = close.end()
            break
        found = _LABEL.match(text, position)
        if found is None:
            raise ValueError(f'column {position + 1}: a label like mode="idle" or a closing brace is wanted')
        label = _unquote(found["name"])
        if found["value"] is None:
            if not found["name"].startswith('"'):
                raise ValueError(f'column {position + 1}: label {label} has no value; write {label}="..."')
            names.append(label)
        elif label == METRIC_NAME:
            names.append(_unquote(found["value"]))
        elif label in labels:
            raise ValueError(f"column {position + 1}: label {label} is given twice")
        elif not label:
            raise ValueError(f"column {position + 1}: a label needs a name")
        else:
            labels[label] = _unquote(found["value"])
        position = found.end()
        closed = found["end"] == "}"
    if text[position:].strip():
        raise ValueError(
            f'column {position + 1}: the series should end here; a name with other characters than a-z A-Z 0-9 _ : . - / is quoted, {{"a name"}}'
        )
    if len(names) != 1 or not names[0]:
        raise ValueError("a series needs one metric name" + (f", not {' and '.join(names)}" if len(names) > 1 else ""))
    return names[0], labels
