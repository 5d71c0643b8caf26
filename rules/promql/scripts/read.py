"""Test scripts of PromQL engines: the language of Prometheus' ``promqltest``, read into commands.

A script loads series, evaluates expressions and says what must come out. Reference: the README of Prometheus'
``promql/promqltest``; the older forms (``eval_fail``, ``eval_warn``, ``eval_info``, ``eval_ordered``, ``expected_fail_message`` and
``expected_fail_regexp``) are read too.
"""

from __future__ import annotations

import re
from typing import Any

import re2

from rules.golang.quoting import unquote
from rules.promql.engine import FURTHEST_MS
from rules.promql.notation import parse_mixed_series, parse_series
from rules.promql.scripts.commands import Clear, Command, Eval, Labels, Load, Message, Series
from rules.promql.syntax.errors import PromQLError
from rules.promql.syntax.literals import parse_number
from schemas.times import parse_duration

_LOAD = re.compile(r"load(?:_(with_nhcb))?\s+(.+)")
_INSTANT = re.compile(r"eval(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+(.+?))?\s+(.+)")
_RANGE = re.compile(r"eval(?:_(fail|warn|info))?\s+range\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+?)\s+(.+)")
_EXPECT = re.compile(r"expect\s+(ordered|fail|warn|no_warn|info|no_info)(?:\s+(regex|msg):(.+))?")
_EXPECT_RANGE = re.compile(r"expect range vector\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+)")
_START_TIMES = re.compile(r"(\S+)@st\s")
_COMMAND = re.compile(r"(?:load|eval|clear)(?:_\w+)?(?:\s|$)")
_NUMBER = re.compile(r"[+-]?(?:[0-9.]\S*|(?i:inf|nan))")

_OPPOSITES = (("info", "no_info"), ("warn", "no_warn"))


MAX_SAMPLES = 5_000_000
"""Samples that a whole script may spell out."""


class ScriptError(ValueError):
    """A script that cannot be read.

    Attributes:
        line: the line it is about, from 1.
        message: what is wrong with it.
    """

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line
        self.message = message


def parse_script(text: str) -> list[Command]:
    """The commands of a script.

    Raises:
        ScriptError: a line is none of the language. Expressions are not looked at.
    """
    return _Reader(text).read()


class _Reader:
    def __init__(self, text: str) -> None:
        self._lines = ["" if line.strip().startswith("#") else line.strip() for line in text.split("\n")]
        self._place = 0
        self._samples = 0

    def read(self) -> list[Command]:
        commands: list[Command] = []
        while self._place < len(self._lines):
            line = self._lines[self._place]
            self._place += 1
            if not line:
                continue
            word = re.split(r"[\t ]+", line, maxsplit=1)[0].lower()
            if word == "clear":
                commands.append(Clear(self._place))
            elif word.startswith("load"):
                commands.append(self._load(line))
            elif word.startswith("eval"):
                commands.append(self._eval(line))
            else:
                raise self._fail(f"unknown command {word!r}: a command is load, clear or eval")
        return commands

    def _fail(self, message: str) -> ScriptError:
        return ScriptError(self._place, message)

    def _next(self) -> str:
        """The next line of the command's block; empty at its end."""
        line = self._lines[self._place] if self._place < len(self._lines) else ""
        self._place += 1 if line else 0
        return line

    def _duration(self, text: str, what: str) -> int:
        try:
            return parse_duration(text)
        except ValueError as error:
            raise self._fail(f"invalid {what}: {error}") from error

    def _load(self, line: str) -> Load:
        number = self._place
        found = _LOAD.fullmatch(line)
        if found is None:
            raise self._fail("a load command reads: load STEP, or load_with_nhcb STEP")
        step = self._duration(found[2], "step")
        series: list[Series] = []
        started: list[Labels] = []
        while line := self._next():
            times = _START_TIMES.match(line)
            if times is not None:
                started.append(self._labels(times[1]))
            else:
                series.append(self._series(line))
                if step * len(series[-1].values) > FURTHEST_MS:
                    raise self._fail("the last samples of the series are more than 146 million years after the first")
        return Load(number, step, tuple(series), found[1] is not None, tuple(started))

    def _labels(self, text: str) -> Labels:
        try:
            return parse_series(text)
        except PromQLError as error:
            raise self._fail(f"{error.message} in {text!r}") from error

    def _series(self, line: str) -> Series:
        try:
            series = Series(*parse_mixed_series(line))
        except PromQLError as error:
            column = error.span.start + 1 if error.span else 1
            if _COMMAND.match(line):
                raise self._fail("an empty line ends a block of series; there is none before this command") from error
            raise self._fail(f"column {column}: {error.message}") from error
        self._samples += len(series.values)
        if self._samples > MAX_SAMPLES:
            raise self._fail(f"the script holds more than {MAX_SAMPLES:,} samples")
        return series

    def _eval(self, line: str) -> Eval:
        instant, ranged = _INSTANT.fullmatch(line), _RANGE.fullmatch(line)
        if instant is not None:
            mode, at, expr = instant.groups()
            time = self._duration(at or "", "time")
            command = Eval(self._place, expr, time, time, 0, is_range=False)
        elif ranged is not None:
            mode, start, end, step, expr = ranged.groups()
            command = Eval(self._place, expr, *self._instants(start, end, step), is_range=True)
        else:
            raise self._fail(
                "an eval command reads: eval instant at TIME EXPR, or eval range from START to END step STEP EXPR"
            )
        if mode is not None:
            kind: Any = mode
            command.expects[kind] = [Message()]
        while line := self._next():
            if not self._expectation(command, line, legacy=mode == "fail"):
                break
        return command

    def _instants(self, start: str, end: str, step: str) -> tuple[int, int, int]:
        first, last = self._duration(start, "start"), self._duration(end, "end")
        if last < first:
            raise self._fail(f"the end ({end}) is before the start ({start})")
        every = self._duration(step, "step")
        if not every:
            raise self._fail("a step is longer than 0")
        return first, last, every

    def _expectation(self, command: Eval, line: str, *, legacy: bool) -> bool:
        """Takes in a line; whether more may follow."""
        if legacy and line.startswith("expected_fail_message"):
            command.expects["fail"] = [Message(line.removeprefix("expected_fail_message").strip())]
            return False
        if legacy and line.startswith("expected_fail_regexp"):
            command.expects["fail"] = [self._pattern(line.removeprefix("expected_fail_regexp").strip())]
            return False
        if line.startswith("expect range vector"):
            found = _EXPECT_RANGE.fullmatch(line)
            if found is None:
                raise self._fail("the line reads: expect range vector from START to END step STEP")
            command.start_ms, command.end_ms, command.step_ms = self._instants(*found.groups())
            command.only_instant = True
            return True
        if line.startswith("expect string"):
            command.text, command.only_instant = self._string(line.removeprefix("expect string").strip()), True
            return True
        if line == "expect" or line.startswith("expect "):
            self._expect(command, line)
            return True
        number = self._number(line)
        if number is not None:
            command.number = number
            return False
        series = self._series(line)
        if len(series.values) > 1 and not command.is_range and not command.only_instant:
            raise self._fail(
                "an instant query yields one value a series; for a range vector, write expect range vector first"
            )
        command.series.append(series)
        return True

    def _expect(self, command: Eval, line: str) -> None:
        found = _EXPECT.fullmatch(line)
        if found is None:
            raise self._fail(
                "an expect line reads: expect ordered|fail|warn|no_warn|info|no_info, then msg: TEXT or regex: PATTERN"
            )
        kind: Any = found[1]
        argument = (found[3] or "").strip()
        message = self._pattern(argument) if found[2] == "regex" else Message(argument)
        command.expects.setdefault(kind, []).append(message)
        for one, other in _OPPOSITES:
            if one in command.expects and other in command.expects:
                raise self._fail(f"expect {one} and expect {other} contradict each other")
        if len(command.expects.get("fail", ())) > 1:
            raise self._fail("an expression fails once: write one expect fail line")

    def _pattern(self, text: str) -> Message:
        try:
            return Message(text, re2.compile(text))
        except re2.error as error:
            raise self._fail(f"invalid pattern {text!r}: {error}") from error

    def _string(self, text: str) -> str:
        try:
            if len(text) < 2 or text[0] not in "\"'`" or text[-1] != text[0]:
                raise ValueError("a string stands in quotes")
            return unquote(text)
        except ValueError as error:
            raise self._fail(f"invalid string: {error}") from error

    def _number(self, line: str) -> float | None:
        if _NUMBER.fullmatch(line) is None:
            return None
        try:
            value = parse_number(line.lstrip("+-"))
        except ValueError:
            return None
        return -value if line.startswith("-") else value
