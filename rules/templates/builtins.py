"""The functions every Go template has (``text/template`` of Go 1.26). ``and`` and ``or`` are here by name only: they evaluate lazily."""

from __future__ import annotations

import itertools

from rules.golang.quoting import from_bytes, to_bytes
from rules.templates.errors import CallError
from rules.templates.fmt.printf import sprintf
from rules.templates.fmt.printing import printed, sprint, sprintln
from rules.templates.functions import Function, query_escape
from rules.templates.values import (
    AlertData,
    Duration,
    GoMap,
    QueryResult,
    SizedInt,
    Time,
    Value,
    is_integer,
    truth,
    type_name,
)

_HTML = {'"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;", "\0": "\ufffd"}
_JS = {"\\": r"\\", "'": r"\'", '"': r"\"", "<": r"\u003C", ">": r"\u003E", "&": r"\u0026", "=": r"\u003D"}
_BAD_COMPARISON = "invalid type for comparison"


def _index_argument(index: Value, most: int) -> int:
    if index is None:
        raise CallError("cannot index slice/array with nil")
    if not is_integer(index):
        raise CallError(f"cannot index slice/array with type {type_name(index)}")
    if not 0 <= index <= most:
        raise CallError(f"index out of range: {int(index)}")
    return int(index)


def _index(item: Value, *indexes: Value) -> Value:
    if item is None:
        raise CallError("index of untyped nil")
    for index in indexes:
        if isinstance(item, (str, QueryResult)):
            held = to_bytes(item) if isinstance(item, str) else item
            at = _index_argument(index, len(held))
            if at == len(held):
                kind = "string" if isinstance(item, str) else "slice"
                raise CallError(f"reflect: {kind} index out of range")
            found = held[at]
            item = SizedInt(found, "uint8") if isinstance(found, int) else found
        elif isinstance(item, GoMap):
            if index is None:
                raise CallError("value is nil; should be of type string")
            if type(index) is not str:
                raise CallError(f"value has type {type_name(index)}; should be string")
            item = item.get(index)
        elif item is None:
            raise CallError("index of nil pointer")
        else:
            raise CallError(f"can't index item of type {type_name(item).lstrip('*')}")
    return item


def _slice(item: Value, *indexes: Value) -> Value:
    if item is None:
        raise CallError("slice of untyped nil")
    if len(indexes) > 3:
        raise CallError(f"too many slice indexes: {len(indexes)}")
    if not isinstance(item, (str, QueryResult)):
        raise CallError(f"can't slice item of type {type_name(item).lstrip('*')}")
    if isinstance(item, str) and len(indexes) == 3:
        raise CallError("cannot 3-index slice a string")
    held = to_bytes(item) if isinstance(item, str) else item
    bounds = [0, len(held)]
    bounds[: len(indexes)] = [_index_argument(index, len(held)) for index in indexes]
    for low, high in itertools.pairwise(bounds):
        if low > high:
            raise CallError(f"invalid slice index: {low} > {high}")
    part = held[bounds[0] : bounds[1]]
    return from_bytes(part) if isinstance(part, bytes) else QueryResult(part)


def _len(item: Value) -> int:
    if item is None:
        raise CallError("reflect: call of reflect.Value.Type on zero Value")
    if isinstance(item, str):
        return len(to_bytes(item))
    if isinstance(item, GoMap):
        return len(item.data)
    if isinstance(item, QueryResult):
        return len(item)
    raise CallError(f"len of type {type_name(item).lstrip('*')}")


def _basic_kind(value: Value) -> str:
    """What a value counts as in a comparison; empty for a type that has no order."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, (float, complex)):
        return type(value).__name__
    if isinstance(value, int) or (isinstance(value, Duration) and not value.pointer):
        return "int"
    return ""


def _plain(value: Value) -> Value:
    if isinstance(value, str):
        return to_bytes(value)
    return value.ns if isinstance(value, (Duration, Time)) else value


def _equal(first: Value, *others: Value) -> bool:
    if not others:
        raise CallError("missing argument for comparison")
    kind = _basic_kind(first)
    return any(_equal_pair(first, kind, other) for other in others)


def _equal_pair(first: Value, kind: str, other: Value) -> bool:
    other_kind = _basic_kind(other)
    if kind != other_kind:
        if first is not None and other is not None:
            raise CallError(f"incompatible types for comparison: {type_name(first)} and {type_name(other)}")
        return False
    if kind:
        return bool(_plain(first) == _plain(other))
    if first is None or other is None:
        return first is None and other is None
    if _reflect_kind(first) != _reflect_kind(other):
        types = type_name(first), type_name(other)
        raise CallError(sprintf("non-comparable types %s: %s, %s: %v", (first, types[0], types[1], other)))
    if isinstance(other, (AlertData, GoMap, QueryResult)):
        raise CallError(sprintf("non-comparable type %s: %s", (other, type_name(other))))
    if isinstance(first, Time) and isinstance(other, Time) and not (first.pointer or other.pointer):
        return first.ns == other.ns
    return first is other


def _reflect_kind(value: Value) -> str:
    """Map, slice, struct or pointer."""
    name = type_name(value)
    return "pointer" if name.startswith("*") else "map" if isinstance(value, GoMap) else type(value).__name__


def _less(first: Value, second: Value) -> bool:
    kinds = _basic_kind(first), _basic_kind(second)
    if not all(kinds):
        raise CallError(_BAD_COMPARISON)
    if kinds[0] != kinds[1]:
        raise CallError(f"incompatible types for comparison: {type_name(first)} and {type_name(second)}")
    if kinds[0] in ("bool", "complex"):
        raise CallError(_BAD_COMPARISON)
    return bool(_plain(first) < _plain(second))


def _less_or_equal(first: Value, second: Value) -> bool:
    return _less(first, second) or _equal(first, second)


def _text(values: tuple[Value, ...]) -> str:
    """What the escaping functions escape: the arguments as ``print`` joins them."""
    if len(values) == 1:
        return printed(values[0])
    return sprint([printed(value) if value is None or type_name(value)[0] == "*" else value for value in values])


def _html(*values: Value) -> str:
    text = _text(values)
    return "".join(_HTML.get(char, char) for char in text)


def _js(*values: Value) -> str:
    return "".join(_js_char(char) for char in _text(values))


def _js_char(char: str) -> str:
    if char in _JS:
        return _JS[char]
    if char < " ":
        return f"\\u00{ord(char):02X}"
    if "\udc80" <= char <= "\udcff":
        return "\ufffd"
    return char if char.isprintable() or char.isascii() else f"\\u{ord(char):04X}"


def _anything(call: object, least: int = 0) -> Function:
    """A function of any arguments, ``least`` of them and more."""
    return Function(("value",) * (least + 1), lambda _, *values: call(*values), variadic=True)  # type: ignore[operator]


def _pair(call: object) -> Function:
    return Function(("value", "value"), lambda _, first, second: call(first, second))  # type: ignore[operator]


def _call(name: str, function: Value, *_: Value) -> Value:
    """No value of a template is a function, so this only ever reports what was called."""
    if function is None:
        raise CallError("call of nil")
    raise CallError(f"non-function {name} of type {type_name(function)}")


BUILTINS: dict[str, Function] = {
    "and": _anything(lambda *values: values[-1], 1),
    "call": _anything(_call, 1),
    "eq": _anything(_equal, 1),
    "ge": _pair(lambda first, second: not _less(first, second)),
    "gt": _pair(lambda first, second: not _less_or_equal(first, second)),
    "html": _anything(_html),
    "index": _anything(_index, 1),
    "js": _anything(_js),
    "le": _pair(_less_or_equal),
    "len": Function(("value",), lambda _, item: _len(item)),
    "lt": _pair(_less),
    "ne": _pair(lambda first, second: not _equal(first, second)),
    "not": Function(("value",), lambda _, value: not truth(value)),
    "or": _anything(lambda *values: values[-1], 1),
    "print": _anything(lambda *values: sprint(values)),
    "printf": Function(("string", "any"), lambda _, template, *values: sprintf(template, values), variadic=True),
    "println": _anything(lambda *values: sprintln(values)),
    "slice": _anything(_slice, 1),
    "urlquery": _anything(lambda *values: query_escape(_text(values))),
}
