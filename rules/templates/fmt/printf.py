"""Go's ``fmt.Sprintf`` over the values of templates: flags, widths, precisions, argument indexes, and the forms in which it reports misuse."""

from __future__ import annotations

from collections.abc import Sequence

from rules.templates.fmt.printing import MAX_TEXT, Flags, Printer, too_large
from rules.templates.values import Value, type_name

_TOO_LARGE = 1_000_000


def sprintf(template: str, values: Sequence[Value]) -> str:
    """The template with its verbs replaced by the values."""
    return _Formatter(template, values).run()


class _Formatter(Printer):
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
        self.flags = flags = Flags()
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

    def _precision(self, flags: Flags) -> None:
        self._at += 1
        if self._after_index:
            self._good_index = False
        self._index()
        if self._peek() == "*":
            self._at += 1
            flags.precision = self._star("%!(BADPREC)", least=0)
        else:
            flags.precision = self._digits() or 0

    def _finish(self, flags: Flags) -> None:
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
        if max(flags.width or 0, flags.precision or 0) > MAX_TEXT:
            raise too_large()
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
        if digits and int(digits[:9]) // 10 > _TOO_LARGE:
            # Go reads no further than a number that large.
            self._at = len(self._template)
            return None
        return int(digits) if digits else None

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
        self.flags = Flags()
        self.write("%!(EXTRA ")
        for position, value in enumerate(self._values[self._next :]):
            self.write(", " if position else "")
            if value is None:
                self.write("<nil>")
            else:
                self.write(f"{type_name(value)}=")
                self.argument(value, "v")
        self.write(")")
