"""Values as Go's ``fmt`` prints them: ``Sprint``, ``Sprintln``, and every verb with its flags, misuse included."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from rules.golang.floats import format_float
from rules.golang.quoting import quote, to_bytes
from rules.templates.errors import LimitError
from rules.templates.gotime import duration_text, time_text
from rules.templates.values import (
    STRUCT_FIELDS,
    Duration,
    GoMap,
    Html,
    NamedInt,
    QueryResult,
    SamplePointer,
    Time,
    Value,
    type_name,
)

MAX_TEXT = 1 << 20
"""Characters that one expansion, or one string made on the way, may have."""
_POINTER = "0xc000000000"
"""What stands for an address, which in Go differs from run to run."""
_NO_RAW = re.compile("[\x00-\x08\x0a-\x1f\x7f`\ufeff\udc80-\udcff]")
"""What a string in backquotes cannot hold."""
_BASES = {"d": (10, "d"), "v": (10, "d"), "b": (2, "b"), "o": (8, "o"), "O": (8, "o"), "x": (16, "x"), "X": (16, "X")}
_FLOAT_DEFAULTS = {"v": -1, "g": -1, "G": -1, "b": -1, "x": -1, "X": -1, "f": 6, "F": 6, "e": 6, "E": 6}


def too_large() -> LimitError:
    """The error of a text that outgrows ``MAX_TEXT``."""
    return LimitError(f"the text grows beyond {MAX_TEXT} characters")


def sprint(values: Sequence[Value]) -> str:
    """The values one after the other, with a space between two that are no strings."""
    printer = Printer()
    for position, value in enumerate(values):
        if position and not isinstance(value, str) and not isinstance(values[position - 1], str):
            printer.write(" ")
        printer.argument(value, "v")
    return printer.text()


def sprintln(values: Sequence[Value]) -> str:
    """The values with spaces between them and a newline after the last."""
    printer = Printer()
    for position, value in enumerate(values):
        if position:
            printer.write(" ")
        printer.argument(value, "v")
    printer.write("\n")
    return printer.text()


@dataclass(slots=True)
class Flags:
    """What stands between the percent sign and the verb."""

    sharp: bool = False
    zero: bool = False
    plus: bool = False
    minus: bool = False
    space: bool = False
    width: int | None = None
    precision: int | None = None
    sharp_v: bool = False
    plus_v: bool = False

    def of_value(self) -> None:
        """``%#v`` and ``%+v`` mean another notation, not the flags of numbers."""
        self.sharp_v, self.sharp = self.sharp, False
        self.plus_v, self.plus = self.plus, False


class Printer:
    """Text that grows, value by value, up to ``MAX_TEXT``; ``flags`` hold for what is printed next."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._size = 0
        self.flags = Flags()

    def text(self) -> str:
        """All that was written."""
        return "".join(self._parts)

    def write(self, text: str) -> None:
        """Adds a text as it is."""
        self._size += len(text)
        if self._size > MAX_TEXT:
            raise too_large()
        self._parts.append(text)

    def _pad(self, text: str, zeros: bool = True) -> None:
        width = self.flags.width or 0
        if self.flags.minus:
            self.write(text.ljust(width))
        else:
            self.write(text.rjust(width, "0" if self.flags.zero and zeros else " "))

    def bad_verb(self, value: Value, verb: str) -> None:
        """Adds the report of a verb that does not fit its value: ``%!d(string=x)``."""
        self.write(f"%!{verb}(")
        if value is None:
            self.write("<nil>")
        else:
            self.write(f"{type_name(value)}=")
            # While it reports misuse, fmt does not ask a value for its text.
            named = isinstance(value, NamedInt) or (isinstance(value, Duration) and not value.pointer)
            self.argument(int(value) if isinstance(value, NamedInt) else value.ns if named else value, "v")
        self.write(")")

    def argument(self, value: Value, verb: str, depth: int = 0) -> None:
        """Adds a value in the notation of a verb."""
        if verb == "w":
            # Wraps errors where there are any; no value of a template is one.
            return self.bad_verb(value, verb)
        if verb == "T":
            return self._string(type_name(value), "s")
        if verb == "p":
            return self._pad(_POINTER) if type_name(value).startswith("*") else self.bad_verb(value, verb)
        match value:
            case None:
                return self._pad("<nil>") if verb == "v" else self.bad_verb(value, verb)
            case bool():
                return self._pad("true" if value else "false") if verb in "tv" else self.bad_verb(value, verb)
            case NamedInt() if verb in "vsxXq" and not self.flags.sharp_v:
                return self._string(value.name, verb)
            case int():
                return self._integer(value, verb)
            case float():
                return self._float(value, verb) if verb in _FLOAT_DEFAULTS else self.bad_verb(value, verb)
            case complex():
                return self._complex(value, verb)
            case str():
                return self._string(value, verb)
            case Duration() | Time():
                return self._moment(value, verb)
            case GoMap():
                return self._map(value, verb, depth)
            case QueryResult():
                return self._sequence(value, verb, depth)
            case _:
                return self._struct(value, verb, depth)

    def _string(self, value: str, verb: str) -> None:
        flags = self.flags
        if verb == "q" or (verb == "v" and flags.sharp_v):
            cut = value[: flags.precision]
            raw = flags.sharp and not _NO_RAW.search(cut)
            self._pad(f"`{cut}`" if raw else quote(cut, ascii_only=flags.plus))
        elif verb in "vs":
            self._pad(value[: flags.precision])
        elif verb in "xX":
            data = to_bytes(value)[: flags.precision]
            digits = [f"{byte:02x}" for byte in data]
            mark = "0x" if flags.sharp and data else ""
            text = mark + f" {mark}".join(digits) if flags.space else mark + "".join(digits)
            self._pad(text.upper() if verb == "X" else text)
        else:
            self.bad_verb(value, verb)

    def _integer(self, value: int, verb: str) -> None:
        if verb in ("c", "q", "U"):
            return self._character(value, verb)
        if verb not in _BASES:
            return self.bad_verb(value, verb)
        flags = self.flags
        base, notation = _BASES[verb]
        sign = "-" if value < 0 else "+" if flags.plus else " " if flags.space else ""
        digits = format(abs(value), notation)
        if flags.precision is not None:
            digits = "" if not flags.precision and not value else digits.rjust(flags.precision, "0")
            if not digits:
                return self._pad("", zeros=False)
        elif flags.zero and not flags.minus and flags.width:
            digits = digits.rjust(flags.width - len(sign), "0")
        if flags.sharp:
            prefix = {2: "0b", 8: "" if digits.startswith("0") else "0", 16: f"0{notation}"}
            digits = prefix.get(base, "") + digits
        return self._pad(sign + ("0o" if verb == "O" else "") + digits, zeros=False)

    def _character(self, value: int, verb: str) -> None:
        valid = 0 <= value <= 0x10FFFF and not 0xD800 <= value < 0xE000
        char = chr(value) if valid else "\ufffd"
        if verb == "c":
            self._pad(char)
        elif verb == "q":
            self._pad(quote(char, "'", self.flags.plus))
        else:
            tail = f" '{char}'" if self.flags.sharp and valid and char.isprintable() else ""
            self._pad(f"U+{value % (1 << 64):04X}{tail}", zeros=False)

    def _float(self, value: float, verb: str) -> None:
        flags = self.flags
        precision = _FLOAT_DEFAULTS[verb] if flags.precision is None else flags.precision
        text = format_float(value, {"v": "g", "F": "f"}.get(verb, verb), precision, flags.sharp)
        sign, number = (text[0], text[1:]) if text[0] in "+-" else ("+", text)
        if sign == "+" and flags.space and not flags.plus:
            sign = " "
        if not math.isfinite(value):
            shown = flags.plus or flags.space or not math.isnan(value)
            self._pad(sign + number if shown else number, zeros=False)
        elif flags.plus or sign != "+":
            zeros = flags.zero and not flags.minus and flags.width
            self._pad(sign + (number.rjust((flags.width or 0) - 1, "0") if zeros else number))
        else:
            self._pad(number)

    def _complex(self, value: complex, verb: str) -> None:
        if verb not in _FLOAT_DEFAULTS:
            return self.bad_verb(value, verb)
        self.write("(")
        self._float(value.real, verb)
        plus, self.flags.plus = self.flags.plus, True
        self._float(value.imag, verb)
        self.flags.plus = plus
        return self.write("i)")

    def _moment(self, value: Duration | Time, verb: str) -> None:
        if verb in "vsxXq":
            self._string(duration_text(value.ns) if isinstance(value, Duration) else time_text(value.ns), verb)
        elif isinstance(value, Duration) and not value.pointer:
            self._integer(value.ns, verb)
        else:
            self.bad_verb(value, verb)

    def _map(self, value: GoMap, verb: str, depth: int) -> None:
        start, between, end = (f"{type_name(value)}{{", ", ", "}") if self.flags.sharp_v else ("map[", " ", "]")
        self.write(start)
        for position, key in enumerate(sorted(value.data, key=to_bytes)):
            self.write(between if position else "")
            self.argument(key, verb, depth + 1)
            self.write(":")
            self.argument(value.data[key], verb, depth + 1)
        self.write(end)

    def _sequence(self, value: QueryResult, verb: str, depth: int) -> None:
        start, between, end = (f"{type_name(value)}{{", ", ", "}") if self.flags.sharp_v else ("[", " ", "]")
        self.write(start)
        for position, element in enumerate(value):
            self.write(between if position else "")
            self.argument(element, verb, depth + 1)
        self.write(end)

    def _struct(self, value: Value, verb: str, depth: int) -> None:
        if isinstance(value, SamplePointer):
            if depth:
                return self._pad(_POINTER) if verb in "vbodxX" else self.bad_verb(value, verb)
            self.write("&")
        self.structure(value, verb, depth)

    def structure(self, value: Value, verb: str, depth: int) -> None:
        """The fields of a struct in braces."""
        flags = self.flags
        if flags.sharp_v:
            self.write(type_name(value).lstrip("*"))
        self.write("{")
        for position, name in enumerate(STRUCT_FIELDS[type(value)]):
            self.write((", " if flags.sharp_v else " ") if position else "")
            if flags.sharp_v or flags.plus_v:
                self.write(f"{name}:")
            self.argument(getattr(value, name), verb, depth + 1)
        self.write("}")


def printed(value: Value) -> str:
    """A value as an action prints it."""
    if value is None:
        return "<no value>"
    if isinstance(value, SamplePointer):
        printer = Printer()
        printer.structure(value, "v", 0)
        return printer.text()
    return str(value) if isinstance(value, (str, Html)) else sprint((value,))
