"""The options of a command line: :mod:`argparse` with what it lacks.

- A name may be written with dashes or with underscores.
- An option that is not known is named before anything else is found missing, with the one that may be meant.
- An option that takes one value is refused if that is empty. Of several values the last counts, which is said.
- Numbers are those of :mod:`schemas.numbers`: no ``1_000``, no ``nan``, nothing that a float cannot hold.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn, TypeVar

from schemas.numbers import decimal, whole
from services.kit.suggestions import did_you_mean

T = TypeVar("T")


def told(read: Callable[[str], T]) -> Callable[[str], T]:
    """A reader of a value whose ``ValueError`` is shown beside the option's name."""

    def argument(text: str) -> T:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return argument


class _Store(argparse.Action):
    """One value. With ``empty``, it may be the empty text."""

    def __init__(self, *args: Any, empty: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._empty = empty

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        if option is not None and isinstance(parser, Parser):
            self._refuse_empty(values)
            if parser.given.setdefault(self.dest, values) != values:
                print(
                    f"{parser.prog}: {self.option_strings[0]} is given more than once: the last counts", file=sys.stderr
                )
        setattr(namespace, self.dest, values)

    def _refuse_empty(self, value: Any) -> None:
        if value == "" and not self._empty:
            wanted = f"; {self.metavar} is wanted" if isinstance(self.metavar, str) else ""
            raise argparse.ArgumentError(self, f"the value is empty{wanted}")


class _Append(_Store):
    """One value more of a list."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        self._refuse_empty(values)
        setattr(namespace, self.dest, [*(getattr(namespace, self.dest, None) or []), values])


class Parser(argparse.ArgumentParser):
    """A parser of options, see the module.

    Args:
        lenient: whether words that are not known are given back, as :meth:`parse_known_args` promises, because another program takes
            them; else they are an error there too.
        settings: of :class:`argparse.ArgumentParser`. An option declared with ``empty=True`` may be given an empty value.
    """

    def __init__(self, *, lenient: bool = False, **settings: Any) -> None:
        super().__init__(**settings)
        self.lenient = lenient
        self.given: dict[str, Any] = {}
        for name, action in ((None, _Store), ("store", _Store), ("append", _Append)):
            self.register("action", name, action)
        self.register("type", int, told(whole))
        self.register("type", float, told(decimal))

    @property
    def options(self) -> list[str]:
        """The long options, as they are declared."""
        return [name for name in self._option_string_actions if name.startswith("--")]

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As of :class:`argparse.ArgumentParser`; words that are not known are an error, unless the parser is lenient."""
        words = list(sys.argv[1:] if args is None else args)
        end = words.index("--") if "--" in words else len(words)
        words[:end] = map(self._spelt, words[:end])
        self.given = {}
        if not self.lenient and self._subparsers is None:
            self.refuse(word for word in _options(words) if not self._knows(word))
        found, rest = super().parse_known_args(words, namespace)
        if rest and not self.lenient:
            self.refuse(rest)
        return found, rest

    def refuse(self, words: Iterable[str]) -> None:
        """End with an error about the first of some words that are not known, if there is one."""
        for word in words:
            name = word.partition("=")[0]
            if not name.startswith("-"):
                self.error(f"not expected: {word!r}")
            self.error(f"no such option: {name}{did_you_mean(name, self.options)}")

    def error(self, message: str) -> NoReturn:
        """End with status 2, and the message on standard error."""
        self.exit(2, f"{self.prog}: {message.removeprefix('argument ')}\n`{self.prog} --help` shows what there is\n")

    def _spelt(self, word: str) -> str:
        """The word with the name of the option as it is declared."""
        name, equals, value = word.partition("=")
        if not name.startswith("--") or self._knows(name):
            return word
        for other in (name[2:].replace("_", "-"), name[2:].replace("-", "_")):
            if self._knows(f"--{other}"):
                return f"--{other}{equals}{value}"
        return word

    def _knows(self, word: str) -> bool:
        name = word.partition("=")[0]
        return name in self._option_string_actions or (
            self.allow_abbrev and any(option.startswith(name) for option in self.options)
        )

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        known = [str(choice) for choice in action.choices]
        what = "no command" if isinstance(action, argparse._SubParsersAction) else "no"
        near = did_you_mean(str(value), known)
        raise argparse.ArgumentError(action, f"{what} {value!r} among {', '.join(known)}{near}")


def _options(words: Sequence[str]) -> Iterable[str]:
    """The words that begin like long options, as far as options go."""
    for word in words:
        if word == "--":
            return
        if word.startswith("--"):
            yield word
