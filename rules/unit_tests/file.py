"""Unit-test files of rules: from text to the tests they hold, or to all that is wrong with them.

Semantics: ``promtool test rules`` of Prometheus 3 (``cmd/promtool/unittest.go``); the format is "Unit testing rules" in Prometheus'
documentation.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from rules.diagnostics.model import Diagnostic, Severity, TextSpan, in_order
from rules.files.yaml.decode import Decoder, Field
from rules.files.yaml.tree import Kind, Node, YamlFault, compose
from rules.files.yaml.types import number_of, tag_of
from rules.unit_tests.model import (
    DEFAULT_INTERVAL_MS,
    AlertCase,
    ExpectedAlert,
    ExpectedSample,
    ExprCase,
    InputSeries,
    RuleFilePattern,
    UnitTest,
    UnitTestFile,
)

FILE_KEYS = ("rule_files", "evaluation_interval", "group_eval_order", "tests", "fuzzy_compare")
TEST_KEYS = (
    "name",
    "interval",
    "input_series",
    "alert_rule_test",
    "promql_expr_test",
    "external_labels",
    "external_url",
    "start_timestamp",
)
SERIES_KEYS = ("series", "values")
ALERT_KEYS = ("eval_time", "alertname", "exp_alerts")
EXPECTED_ALERT_KEYS = ("exp_labels", "exp_annotations")
EXPR_KEYS = ("expr", "eval_time", "exp_samples")
SAMPLE_KEYS = ("labels", "value", "histogram")

CODES = {
    "repeated-group": "`group_eval_order` names a group twice.",
    "bad-timestamp": "`start_timestamp` is neither seconds since 1970 nor a time like `2024-01-01T00:00:00Z`.",
    "no-such-file": "A pattern of `rule_files` fits no file (a warning).",
    "no-data": "Nothing is expected, and nothing comes for want of data: the test passes whatever the rule says (a warning).",
}
"""The kinds of faults that only unit-test files have; the others are those of rule files."""

_FILE_HINTS = dict.fromkeys(("groups",), "this is a rule file: name it under `rule_files` of a test file")
_TEST_HINTS = dict.fromkeys(("evaluation_interval", "rule_files", "fuzzy_compare"), "it is set for the whole file")
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(?:Z|([+-])(\d\d):(\d\d))\Z", re.ASCII
)
_TRUE = {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"}
_FALSE = {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"}
_FLOAT_NAMES = {".nan": math.nan, ".inf": math.inf, "+.inf": math.inf, "-.inf": -math.inf}
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class LoadedTests:
    """What came of a text: the tests, None if there was an error; and the diagnostics in the order of their places."""

    file: UnitTestFile | None
    diagnostics: list[Diagnostic] = field(default_factory=list)


def load_unit_tests(text: str, name: str) -> LoadedTests:
    """Read a unit-test file; ``name`` is what diagnostics call it. Raises nothing: whatever is wrong is a diagnostic."""
    try:
        tree = compose(text)
    except YamlFault as fault:
        return LoadedTests(None, [_fault(fault, name)])
    decoder = Decoder(tree, name)
    file = UnitTestFile(name, text=text)
    try:
        if tree.root is not None:
            file = _Loader(decoder).file(tree.root, text)
    except YamlFault as fault:
        decoder.diagnostics.append(_fault(fault, name))
    found = in_order(decoder.diagnostics)
    refused = any(each.severity is Severity.ERROR for each in found)
    return LoadedTests(None if refused else file, found)


def _fault(fault: YamlFault, name: str) -> Diagnostic:
    return Diagnostic(fault.code, Severity.ERROR, fault.message, name, fault.span, fault.hint)


class _Loader:
    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def file(self, root: Node, text: str) -> UnitTestFile:
        fields = self._decoder.struct(root, FILE_KEYS, "a unit-test file", _FILE_HINTS) or {}
        interval = self._duration(fields, "evaluation_interval") or DEFAULT_INTERVAL_MS
        patterns = [
            RuleFilePattern(self._decoder.string(node, "a rule file") or "", self._span(node))
            for node in self._members(fields, "rule_files")
        ]
        tests = [self._test(node, number, interval) for number, node in enumerate(self._members(fields, "tests"))]
        return UnitTestFile(
            name=self._decoder.file,
            rule_files=tuple(patterns),
            evaluation_interval_ms=interval,
            group_eval_order=tuple(self._order(fields)),
            tests=tuple(tests),
            fuzzy_compare=self._truth(fields, "fuzzy_compare"),
            text=text,
        )

    def _order(self, fields: Mapping[str, Field]) -> list[str]:
        names: list[str] = []
        for node in self._members(fields, "group_eval_order"):
            name = self._decoder.string(node, "the name of a group") or ""
            if name in names:
                message = f"group {name!r} stands twice in the order of evaluation"
                self._decoder.error("repeated-group", message, node, "name each group once")
            names.append(name)
        return names

    def _test(self, node: Node, number: int, interval: int) -> UnitTest:
        fields = self._decoder.struct(node, TEST_KEYS, "a test", _TEST_HINTS) or {}
        return UnitTest(
            name=self._text(fields, "name"),
            number=number,
            interval_ms=self._duration(fields, "interval") or interval,
            input_series=tuple(self._series(each) for each in self._members(fields, "input_series")),
            alert_cases=tuple(self._alert_case(each) for each in self._members(fields, "alert_rule_test")),
            expr_cases=tuple(self._expr_case(each) for each in self._members(fields, "promql_expr_test")),
            external_labels=self._texts(fields, "external_labels"),
            external_url=self._text(fields, "external_url"),
            start_ms=self._start(fields),
            span=self._head(node),
        )

    def _series(self, node: Node) -> InputSeries:
        fields = self._decoder.struct(node, SERIES_KEYS, "an input series") or {}
        return InputSeries(self._text(fields, "series"), self._text(fields, "values"), self._head(node))

    def _alert_case(self, node: Node) -> AlertCase:
        fields = self._decoder.struct(node, ALERT_KEYS, "an alert test") or {}
        expected = tuple(self._expected_alert(each) for each in self._members(fields, "exp_alerts"))
        name, when = self._text(fields, "alertname"), self._duration(fields, "eval_time")
        return AlertCase(name, when or 0, expected, self._head(node))

    def _expected_alert(self, node: Node) -> ExpectedAlert:
        fields = self._decoder.struct(node, EXPECTED_ALERT_KEYS, "an expected alert") or {}
        labels, annotations = self._texts(fields, "exp_labels"), self._texts(fields, "exp_annotations")
        return ExpectedAlert(labels, annotations, self._head(node))

    def _expr_case(self, node: Node) -> ExprCase:
        fields = self._decoder.struct(node, EXPR_KEYS, "an expression test") or {}
        expected = tuple(self._expected_sample(each) for each in self._members(fields, "exp_samples"))
        expr, when = self._text(fields, "expr"), self._duration(fields, "eval_time")
        return ExprCase(expr, when or 0, expected, self._head(node))

    def _expected_sample(self, node: Node) -> ExpectedSample:
        fields = self._decoder.struct(node, SAMPLE_KEYS, "an expected sample") or {}
        value = self._number(fields, "value")
        return ExpectedSample(self._text(fields, "labels"), value, self._text(fields, "histogram"), self._head(node))

    def _members(self, fields: Mapping[str, Field], key: str) -> Iterator[Node]:
        """The members of a list; a null one counts as an empty one, as it does there."""
        if key not in fields:
            return
        node = self._decoder.follow(fields[key].via)
        if node.kind is Kind.SEQUENCE:
            yield from node.items
        elif not self._decoder.is_null(node):
            self._decoder.error("wrong-type", f"{key} is a list, each member begun by `- `", fields[key].via)

    def _text(self, fields: Mapping[str, Field], key: str) -> str:
        return (self._decoder.string(fields[key].via, key) or "") if key in fields else ""

    def _texts(self, fields: Mapping[str, Field], key: str) -> dict[str, str]:
        if key not in fields:
            return {}
        found = self._decoder.strings(fields[key].via, key) or {}
        return {name: self._decoder.string(each.via, f"{key} {name!r}") or "" for name, each in found.items()}

    def _duration(self, fields: Mapping[str, Field], key: str) -> int | None:
        return self._decoder.duration(fields[key].via, key) if key in fields else None

    def _number(self, fields: Mapping[str, Field], key: str) -> float:
        if key not in fields:
            return 0.0
        node = self._decoder.follow(fields[key].via)
        if self._decoder.is_null(node):
            return 0.0
        number = number_of(node) if node.kind is Kind.SCALAR else None
        if number is None and node.kind is Kind.SCALAR and tag_of(node) == "!!float":
            number = _FLOAT_NAMES.get(node.value.lower())
        if number is None:
            hint = "write numbers without quotes; infinities are .inf and -.inf"
            self._decoder.error("wrong-type", f"{key} is a number", fields[key].via, hint)
            return 0.0
        return float(number)

    def _truth(self, fields: Mapping[str, Field], key: str) -> bool:
        if key not in fields:
            return False
        node = self._decoder.follow(fields[key].via)
        if self._decoder.is_null(node):
            return False
        if node.kind is not Kind.SCALAR or node.style or node.value not in _TRUE | _FALSE:
            self._decoder.error("wrong-type", f"{key} is true or false", fields[key].via)
            return False
        return node.value in _TRUE

    def _start(self, fields: Mapping[str, Field]) -> int:
        if "start_timestamp" not in fields:
            return 0
        text = self._text(fields, "start_timestamp")
        start = start_of(text)
        if start is None:
            hint = "write 1704067200, or 2024-01-01T00:00:00Z"
            message = f"{text!r} is no point in time"
            self._decoder.error("bad-timestamp", message, fields["start_timestamp"].via, hint)
            return 0
        return start

    def _span(self, node: Node) -> TextSpan:
        return self._decoder.tree.span(node)

    def _head(self, node: Node) -> TextSpan:
        """What to underline of a whole mapping: its first key."""
        return self._span(node.items[0] if node.kind is Kind.MAPPING and node.items else node)


def start_of(text: str) -> int | None:
    """Milliseconds since 1970 of a time in seconds or in RFC 3339; None if it is neither."""
    try:
        seconds = float(text) if "_" not in text else math.nan
    except ValueError:
        return _rfc3339(text)
    return math.floor(seconds * 1000) if abs(seconds) < 2**63 / 1e9 else None


def _rfc3339(text: str) -> int | None:
    found = _RFC3339.match(text)
    if found is None:
        return None
    *parts, fraction, sign, hours, minutes = found.groups()
    try:
        moment = datetime(*(int(part) for part in parts), tzinfo=timezone.utc)  # type: ignore[arg-type,misc]
    except ValueError:
        return None
    shift = timedelta(hours=int(hours or 0), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
    whole = (moment - shift - _EPOCH) // timedelta(milliseconds=1)
    return whole + int((fraction or "").ljust(3, "0")[:3] or 0)
