"""Readers of option values: durations, numbers, YAML files. Their errors name the option."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from schemas.errors import UserError
from schemas.names import check_label
from schemas.times import parse_duration


class OptionError(UserError):
    """An invalid option; the message names it and what is valid."""


def duration(option: str, text: str) -> int:
    """Milliseconds.

    Raises:
        OptionError: the text is no duration.
    """
    try:
        return parse_duration(text)
    except ValueError as error:
        raise OptionError(f"{option}: {error}") from None


def number(option: str, value: Any, most: int) -> int:
    """A whole number from 1 to ``most``.

    Raises:
        OptionError: the value is no such number.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise OptionError(f"{option}: a number from 1 to {most} is wanted, not {value!r}")
    return value


def check_labels(option: str, names: Iterable[str]) -> None:
    """Check names of labels.

    Raises:
        OptionError: a name is invalid.
    """
    try:
        for name in names:
            check_label(option, name)
    except ValueError as error:
        raise OptionError(str(error)) from None


def refuse_unknown(where: str, mapping: dict[str, Any], known: set[str]) -> None:
    """Check the keys of a mapping.

    Raises:
        OptionError: a key is unknown.
    """
    unknown = sorted(str(key) for key in set(mapping) - known)
    if unknown:
        raise OptionError(f"{where}: no such key: {', '.join(unknown)}; known: {', '.join(sorted(known))}")


def read_yaml(option: str, path: str | None) -> dict[str, Any]:
    """The mapping of a YAML file; empty without a file, or of an empty one.

    Raises:
        OptionError: the file cannot be read, or holds something else.
    """
    if path is None:
        return {}
    try:
        content = yaml.safe_load(Path(path).read_bytes())
    except OSError as error:
        raise OptionError(f"{option}={path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise OptionError(f"{option}={path}: {error}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise OptionError(f"{option}={path}: a mapping is wanted at the top")
    return content
