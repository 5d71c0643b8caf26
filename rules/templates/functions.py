"""The functions that Prometheus gives its templates (``template/template.go`` of 3.14)."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from rules.golang.quoting import from_bytes, quote, to_bytes
from rules.golang.regexp import expand
from rules.promql.syntax.errors import PromQLError
from rules.templates import humanize
from rules.templates.errors import CallError
from rules.templates.fmt.printing import MAX_TEXT, too_large
from rules.templates.gotime import parse_duration, to_ns
from rules.templates.values import Duration, GoMap, Html, QueryResult, Sample, SamplePointer, Value

if TYPE_CHECKING:
    import re2


@dataclass(frozen=True, slots=True)
class TemplateContext:
    """What an alert's template is expanded with.

    Attributes:
        labels: of the series that the alert's expression gave, ``__name__`` included.
        value: of that series.
        external_labels: of the whole installation.
        external_url: where people reach it.
        query: answers the ``query`` function: an expression and the instant in milliseconds to its samples, in order.
        time_ms: the instant of the evaluation, milliseconds since 1970.
    """

    labels: Mapping[str, str]
    value: float
    external_labels: Mapping[str, str] = field(default_factory=dict)
    external_url: str = ""
    query: Callable[[str, int], list[Any]] | None = None
    time_ms: int = 0


class Function(NamedTuple):
    """A function: the types of its parameters, whether the last one takes any number of arguments, and what it does.

    ``call`` gets the context and the arguments.
    """

    params: tuple[str, ...]
    call: Callable[..., Value]
    variadic: bool = False


def _pure(params: tuple[str, ...], call: Callable[..., Value]) -> Function:
    return Function(params, lambda _, *args: call(*args))


def _query(context: TemplateContext, expr: str) -> QueryResult:
    if context.query is None:
        raise CallError("no query can be run here: the template is expanded without data")
    try:
        samples: list[Sample] = context.query(expr, context.time_ms)
    except PromQLError as error:
        raise CallError(str(error)) from error
    return QueryResult(SamplePointer(GoMap(dict(sample.labels)), float(sample.value)) for sample in samples)


def _first(result: QueryResult | None) -> SamplePointer:
    if not result:
        raise CallError("first() called on vector with no elements")
    return result[0]


def _sample(sample: SamplePointer | None) -> SamplePointer:
    if sample is None:
        raise CallError("runtime error: invalid memory address or nil pointer dereference")
    return sample


def _sort_by_label(label: str, result: QueryResult | None) -> QueryResult:
    # In place, as there: a variable that holds the vector sees the order too.
    result = QueryResult() if result is None else result
    result.sort(key=lambda sample: to_bytes(sample.Labels.get(label)))
    return result


def _args(*values: Value) -> GoMap:
    return GoMap({f"arg{position}": value for position, value in enumerate(values)}, "interface {}")


@lru_cache(maxsize=1024)
def _pattern(pattern: str) -> re2._Regexp[bytes]:
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(to_bytes(pattern), options)
    except re2.error as error:
        text = error.args[0]
        reason, _, part = (from_bytes(text) if isinstance(text, bytes) else str(text)).partition(": ")
        reason = _RE2_REASONS.get(reason, reason)
        raise CallError(f"error parsing regexp: {reason}: `{part}`") from error


_RE2_REASONS = {
    "missing )": "missing closing )",
    "missing ]": "missing closing ]",
    "bad repetition operator": "invalid nested repetition operator",
    "no argument for repetition operator": "missing argument to repetition operator",
    "invalid repetition size": "invalid repeat count",
    "invalid named capture group": "invalid named capture",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "trailing \\": "trailing backslash at end of expression",
}


def _match(pattern: str, text: str) -> bool:
    return _pattern(pattern).search(to_bytes(text)) is not None


def _replace_all(pattern: str, replacement: str, text: str) -> str:
    try:
        compiled = _pattern(pattern)
    except CallError as error:
        raise CallError(f"regexp: Compile({_backquoted(pattern)}): {error}") from error
    data = to_bytes(text)
    names = {name.decode() if isinstance(name, bytes) else name: at for name, at in compiled.groupindex.items()}
    parts, size, pos = [], 0, 0
    for found in _matches(compiled, data):
        groups = [None if group is None else from_bytes(group) for group in (found[0], *found.groups())]
        part = data[pos : found.start()] + to_bytes(expand(replacement, groups, names))
        size += len(part)
        if size > MAX_TEXT:
            raise too_large()
        parts.append(part)
        pos = found.end()
    return from_bytes(b"".join(parts) + data[pos:])


def _matches(pattern: re2._Regexp[bytes], data: bytes) -> Iterator[re2._Match[bytes]]:
    """Matches from left to right, an empty one neither right after another nor inside of a character, as Go finds them."""
    last = -1
    for found in pattern.finditer(data):
        inside = found.start() < len(data) and data[found.start()] & 0xC0 == 0x80
        if found.start() == found.end() and (found.start() == last or inside):
            continue
        last = found.end()
        yield found


def _backquoted(text: str) -> str:
    return quote(text) if "`" in text or not text.isprintable() else f"`{text}`"


_MIDDLE = frozenset("'.:·․‘’․‧﹒﹕＇．：")

_WITHIN_WORDS = frozenset(("Cf", "Ll", "Lm", "Lo", "Lt", "Lu", "Mc", "Me", "Mn", "Nd", "Pc"))


def _title(text: str) -> str:
    """Every word with a capital, the rest as it is; an apostrophe or full stop between letters does not end a word."""
    shown = []
    inside = previous_middle = False
    for char in text:
        middle = char in _MIDDLE
        if previous_middle and middle:
            inside = False
        if char.lower() != char.upper():
            shown.append(char if inside else char.title())
            inside = True
        else:
            shown.append(char)
            if not middle and unicodedata.category(char) not in _WITHIN_WORDS:
                inside = False
        previous_middle = middle
    return "".join(shown)


def _split_host_port(text: str) -> tuple[str, str] | None:
    """Host and port of ``host:port`` or ``[host]:port``."""
    colon = text.rfind(":")
    if colon < 0:
        return None
    if text.startswith("["):
        end = text.find("]")
        if end + 1 != colon or "[" in text[1:] or "]" in text[end + 1 :]:
            return None
        return text[1:end], text[colon + 1 :]
    host = text[:colon]
    return (
        None if any(mark in host for mark in ":[]") or any(mark in text for mark in "[]") else (host, text[colon + 1 :])
    )


def _strip_port(text: str) -> str:
    parts = _split_host_port(text)
    return text if parts is None else parts[0]


def _strip_domain(text: str) -> str:
    host, port = _split_host_port(text) or (text, "")
    if _is_address(host):
        return text
    host = host.partition(".")[0]
    return f"[{host}]:{port}" if port and ":" in host else f"{host}:{port}" if port else host


def _is_address(text: str) -> bool:
    import ipaddress

    try:
        return bool(ipaddress.ip_address(text)) and "%" not in text
    except ValueError:
        return False


def query_escape(text: str) -> str:
    """A text for the query part of a URL."""
    from urllib.parse import quote_plus

    return quote_plus(to_bytes(text), safe="")


def _path_prefix(context: TemplateContext) -> str:
    from urllib.parse import unquote, urlsplit

    try:
        return unquote(urlsplit(context.external_url).path)
    except ValueError as error:
        raise CallError(f"the external URL cannot be read: {error}") from error


def _upper(text: str) -> str:
    return "".join(char.upper() if len(char.upper()) == 1 else char for char in text)


def _lower(text: str) -> str:
    # One character to one, as Unicode's simple mapping has it; only the dotted capital I has another full one.
    return "".join(char.lower() if len(char.lower()) == 1 else "i" for char in text)


PROMETHEUS_FUNCTIONS: dict[str, Function] = {
    "args": Function(("any",), lambda _, *values: _args(*values), variadic=True),
    "externalURL": Function((), lambda context: context.external_url),
    "first": _pure(("template.queryResult",), _first),
    "graphLink": _pure(("string",), lambda expr: f"/graph?g0.expr={query_escape(expr)}&g0.tab=0"),
    "humanize": _pure(("any",), humanize.humanize),
    "humanize1024": _pure(("any",), humanize.humanize1024),
    "humanizeDuration": _pure(("any",), humanize.humanize_duration),
    "humanizePercentage": _pure(("any",), humanize.humanize_percentage),
    "humanizeTimestamp": _pure(("any",), humanize.humanize_timestamp),
    "label": _pure(("string", "*template.sample"), lambda name, sample: _sample(sample).Labels.get(name)),
    "match": _pure(("string", "string"), _match),
    "now": Function((), lambda context: context.time_ms / 1000.0),
    "parseDuration": _pure(("string",), parse_duration),
    "pathPrefix": Function((), _path_prefix),
    "query": Function(("string",), _query),
    "reReplaceAll": _pure(("string", "string", "string"), _replace_all),
    "safeHtml": _pure(("string",), Html),
    "sortByLabel": _pure(("string", "template.queryResult"), _sort_by_label),
    "stripDomain": _pure(("string",), _strip_domain),
    "stripPort": _pure(("string",), _strip_port),
    "strvalue": _pure(("*template.sample",), lambda sample: _sample(sample).Labels.get("__value__")),
    "tableLink": _pure(("string",), lambda expr: f"/graph?g0.expr={query_escape(expr)}&g0.tab=1"),
    "title": _pure(("string",), _title),
    "toDuration": _pure(("any",), lambda value: Duration(to_ns(humanize.to_float(value)), pointer=True)),
    "toLower": _pure(("string",), _lower),
    "toTime": _pure(("any",), humanize.to_time),
    "toUpper": _pure(("string",), _upper),
    "urlQueryEscape": _pure(("string",), query_escape),
    "value": _pure(("*template.sample",), lambda sample: _sample(sample).Value),
}
