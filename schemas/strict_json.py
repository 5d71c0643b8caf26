"""Strict reading of JSON documents: every field is taken by name and kind, and an error says where in the document it is."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

import orjson

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_SPECIAL = {"NaN": math.nan, "+Inf": math.inf, "-Inf": -math.inf}
_Part = TypeVar("_Part")


class DocumentError(ValueError):
    """A document that is not what it should be; ``field`` is where in it, such as ``trace[0].series[2].value``, or empty for all of it."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(f"{where}: {message}" if where else message)
        self.field = where


class Reader:
    """The fields of one object, each taken once."""

    def __init__(self, document: Any, where: str = "") -> None:
        """Begin with an object that :func:`parse` gave; ``where`` is its place in the whole.

        Raises:
            DocumentError: it is no object.
        """
        if not isinstance(document, dict):
            raise DocumentError(where, f"an object is wanted, not {_kind(document)}")
        self._document = dict(document)
        self._prefix = where + "." if where else ""

    def take(self, name: str, read: Callable[[Any, str], _Part]) -> _Part:
        """A field as ``read`` returns it. ``read`` gets the value and its place.

        Raises:
            DocumentError: it is missing, or of another kind.
        """
        where = self._prefix + name
        if name not in self._document:
            raise DocumentError(where, "is missing")
        return read(self._document.pop(name), where)

    def finish(self) -> None:
        """Check that nothing is left.

        Raises:
            DocumentError: a field has not been taken.
        """
        for name in self._document:
            raise DocumentError(self._prefix + name, "there is no such field")


def parse(data: bytes) -> Any:
    """The document of a JSON text.

    Raises:
        DocumentError: it is none.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise DocumentError("", f"not JSON: {error}") from None


def format_time(time_ms: int) -> str:
    """A time as RFC 3339 has it, in UTC and with milliseconds.

    Raises:
        ValueError: it is outside the years 1 to 9999.
    """
    try:
        when = _EPOCH + timedelta(milliseconds=time_ms)
    except OverflowError:
        raise ValueError(f"{time_ms} ms since 1970 is outside the years 1 to 9999") from None
    return when.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def format_number(value: float) -> float | str:
    """A number as JSON can hold it: what is not finite is a text, as in Prometheus' API."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def text(value: Any, where: str) -> str:
    """Reads a text; as all readers of a field, it raises a :class:`DocumentError` where the value is of another kind."""
    if not isinstance(value, str):
        raise DocumentError(where, f"a text is wanted, not {_kind(value)}")
    return value


def texts(value: Any, where: str) -> dict[str, str]:
    """Reads an object of texts."""
    if not isinstance(value, dict):
        raise DocumentError(where, f"an object is wanted, not {_kind(value)}")
    return {name: text(each, f"{where}.{name}") for name, each in value.items()}


def truth(value: Any, where: str) -> bool:
    """Reads true or false."""
    if not isinstance(value, bool):
        raise DocumentError(where, f"a truth value is wanted, not {_kind(value)}")
    return value


def count(value: Any, where: str) -> int:
    """Reads a whole number that is not negative."""
    if type(value) is not int or value < 0:
        raise DocumentError(where, "a whole number from 0 on is wanted")
    return value


def number(value: Any, where: str) -> float:
    """Reads what :func:`format_number` wrote."""
    if type(value) in (int, float):
        return float(value)
    if not isinstance(value, str) or value not in _SPECIAL:
        raise DocumentError(where, 'a number, "NaN", "+Inf" or "-Inf" is wanted')
    return _SPECIAL[value]


def time(value: Any, where: str) -> int:
    """Reads what :func:`format_time` wrote, in milliseconds since 1970."""
    written = text(value, where)
    try:
        if not _TIME.fullmatch(written):
            raise ValueError
        when = datetime.fromisoformat(written[:-1]).replace(tzinfo=timezone.utc)
    except ValueError:
        raise DocumentError(where, f"{written!r} is no time such as 2026-01-12T06:30:00.000Z") from None
    return (when - _EPOCH) // timedelta(milliseconds=1)


def one_of(allowed: Collection[str]) -> Callable[[Any, str], str]:
    """Reads one of some texts."""

    def read(value: Any, where: str) -> str:
        if text(value, where) not in allowed:
            raise DocumentError(where, f"{value!r} is none of {', '.join(allowed)}")
        return str(value)

    return read


def optional(read: Callable[[Any, str], _Part]) -> Callable[[Any, str], _Part | None]:
    """Reads null, or what ``read`` does."""
    return lambda value, where: None if value is None else read(value, where)


def listing(read: Callable[[Any, str], _Part], most: int) -> Callable[[Any, str], tuple[_Part, ...]]:
    """Reads a list of at most so many."""

    def parts(value: Any, where: str) -> tuple[_Part, ...]:
        if not isinstance(value, list):
            raise DocumentError(where, f"a list is wanted, not {_kind(value)}")
        if len(value) > most:
            raise DocumentError(where, f"at most {most} are allowed, not {len(value)}")
        return tuple(read(each, f"{where}[{place}]") for place, each in enumerate(value))

    return parts


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return kinds.get(type(value), "a number")
