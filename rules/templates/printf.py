"""Go's ``fmt``: ``Sprint``, ``Sprintln`` and ``Sprintf`` over the values of templates, with the forms in which it reports misuse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rules.templates.errors import LimitError
from rules.templates.floats import format_float
from rules.templates.gotime import duration_text, time_text
from rules.templates.quoting import quote, to_bytes
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
_TOO_LARGE = 1_000_000
_BASES = {"d": (10, "d"), "v": (10, "d"), "b": (2, "b"), "o": (8, "o"), "O": (8, "o"), "x": (16, "x"), "X": (16, "X")}
_FLOAT_DEFAULTS = {"v": -1, "g": -1, "G": -1, "b": -1, "x": -1, "X": -1, "f": 6, "F": 6, "e": 6, "E": 6}


def too_large() -> LimitError:
    """The error of a text that outgrows ``MAX_TEXT``."""
    return LimitError(f"the text grows beyond {MAX_TEXT} characters")


def sprint(values: Sequence[Value]) -> str:
    """The values one after the other, with a space between two that are no strings."""
    printer = _Printer()
    for position, value in enumerate(values):
        if position and not isinstance(value, str) and not isinstance(values[position - 1], str):
            printer.write(" ")
        printer.argument(value, "v")
    return printer.text()


def sprintln(values: Sequence[Value]) -> str:
    """The values with spaces between them and a newline after the last."""
    printer = _Printer()
    for position, value in enumerate(values):
        if position:
            printer.write(" ")
        printer.argument(value, "v")
    printer.write("\n")
    return printer.text()


def sprintf(template: str, values: Sequence[Value]) -> str:
    """The template with its verbs replaced by the values."""
    return _Formatter(template, values).run()


@dataclass(slots=True)
class _Flags:
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


class _Printer:
    def __init__(self) -> None:
        self._parts: list[str] = []
        self._size = 0
        self.flags = _Flags()

    def text(self) -> str:
        return "".join(self._parts)

    def write(self, text: str) -> None:
        self._size += len(text)
        if self._size > MAX_TEXT:
            raise too_large()
        self._parts.append(text)

    def _pad(self, text: str, zeros: bool = True) -> None:
        width = self.flags.width or 0
        if width > MAX_TEXT:
            raise too_large()
        if self.flags.minus:
            self.write(text.ljust(width))
        else:
            self.write(text.rjust(width, "0" if self.flags.zero and zeros else " "))

    def bad_verb(self, value: Value, verb: str) -> None:
        self.write(f"%!{verb}(")
        if value is None:
            self.write("<nil>")
        else:
            self.write(f"{type_name(value)}=")
            self.argument(value, "v")
        self.write(")")

    def argument(self, value: Value, verb: str, depth: int = 0) -> None:
        if verb == "T":
            return self._string(type_name(value), "s")
        if verb == "p":
            return self._pad(_POINTER) if type_name(value).startswith("*") else self.bad_verb(value, verb)
        match value:
            case None:
                return self._pad("<nil>") if verb == "v" else self.bad_verb(value, verb)
            case bool():
                return self._pad("true" if value else "false") if verb in "tv" else self.bad_verb(value, verb)
            case NamedInt() if verb in "vsq":
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
            raw = flags.sharp and "`" not in cut and cut.isprintable()
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
            digits = digits.rjust(min(flags.width, MAX_TEXT) - len(sign), "0")
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
        if precision > MAX_TEXT:
            raise too_large()
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
                return self._pad(_POINTER)
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
        printer = _Printer()
        printer.structure(value, "v", 0)
        return printer.text()
    return str(value) if isinstance(value, (str, Html)) else sprint((value,))


class _Formatter(_Printer):
    """``Sprintf`` of one template: the verbs are read from left to right, each takes the next value unless it names one."""

    def __init__(self, template: str, values: Sequence[Value]) -> None:
        super().__init__()
        self._template, self._values = template, values
        self._at = 0
        self._next = 0
        self._good_index = True
        self._reordered = False
        self._after_index = False

    def run(self) -> str:
        template = self._template
        while self._at < len(template):
            percent = template.find("%", self._at)
            if percent < 0:
                percent = len(template)
            self.write(template[self._at : percent])
            self._at = percent + 1
            if percent < len(template):
                self._verb()
        if not self._reordered and self._next < len(self._values):
            self._extra()
        return self.text()

    def _peek(self) -> str:
        return self._template[self._at : self._at + 1]

    def _verb(self) -> None:
        self.flags = flags = _Flags()
        self._good_index, self._after_index = True, False
        names = {"#": "sharp", "0": "zero", "+": "plus", "-": "minus", " ": "space"}
        while (name := names.get(self._peek())) is not None:
            setattr(flags, name, True)
            self._at += 1
        self._index()
        if self._peek() == "*":
            self._at += 1
            flags.width = self._star("%!(BADWIDTH)")
            if flags.width is not None and flags.width < 0:
                flags.width, flags.minus, flags.zero = -flags.width, True, False
        else:
            flags.width = self._digits()
            if self._after_index and flags.width is not None:
                self._good_index = False
        if self._peek() == "." and self._at + 1 < len(self._template):
            self._precision(flags)
        if not self._after_index:
            self._index()
        self._finish(flags)

    def _precision(self, flags: _Flags) -> None:
        self._at += 1
        if self._after_index:
            self._good_index = False
        self._index()
        if self._peek() == "*":
            self._at += 1
            flags.precision = self._star("%!(BADPREC)", least=0)
        else:
            flags.precision = self._digits() or 0

    def _finish(self, flags: _Flags) -> None:
        verb = self._peek()
        if not verb:
            return self.write("%!(NOVERB)")
        self._at += 1
        if verb == "%":
            return self.write("%")
        if not self._good_index:
            return self.write(f"%!{verb}(BADINDEX)")
        if self._next >= len(self._values):
            return self.write(f"%!{verb}(MISSING)")
        if verb in "vw":
            flags.of_value()
        self.argument(self._values[self._next], verb)
        self._next += 1
        return None

    def _digits(self) -> int | None:
        start = self._at
        while "0" <= self._peek() <= "9":
            self._at += 1
        digits = self._template[start : self._at]
        if not digits:
            return None
        return int(digits) if len(digits) < 8 and int(digits) <= _TOO_LARGE else None

    def _star(self, fault: str, least: int = -_TOO_LARGE) -> int | None:
        self._after_index = False
        value = self._values[self._next] if self._next < len(self._values) else None
        self._next = min(self._next + 1, len(self._values))
        if not isinstance(value, int) or isinstance(value, bool) or not -_TOO_LARGE <= value <= _TOO_LARGE:
            self.write(fault)
            return None
        if value < least:
            self.write(fault)
            return None
        return int(value)

    def _index(self) -> None:
        """An explicit ``[n]``."""
        self._after_index = False
        if self._peek() != "[":
            return
        self._reordered = True
        end = self._template.find("]", self._at)
        digits = self._template[self._at + 1 : end] if end > 0 else ""
        valid = digits.isascii() and digits.isdigit() and len(digits) < 8
        self._at = end + 1 if end > 0 else self._at + 1
        if valid and 0 < int(digits) <= len(self._values):
            self._next = int(digits) - 1
            self._after_index = True
        else:
            self._good_index = False
            self._after_index = valid

    def _extra(self) -> None:
        self.flags = _Flags()
        self.write("%!(EXTRA ")
        for position, value in enumerate(self._values[self._next :]):
            self.write(", " if position else "")
            if value is None:
                self.write("<nil>")
            else:
                self.write(f"{type_name(value)}=")
                self.argument(value, "v")
        self.write(")")
