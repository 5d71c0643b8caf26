"""Options of a command line: :mod:`argparse` with additions.

- A name may be written with dashes or with underscores.
- An unknown option is reported before any missing one, with the option that may be meant.
- An option that takes one value refuses an empty one. Of several values the last counts, with a warning.
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


def value_type(read: Callable[[str], T]) -> Callable[[str], T]:
    """A ``type`` for :mod:`argparse` that shows the ``ValueError`` of a reader, with the option's name."""

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
            if parser.seen.setdefault(self.dest, values) != values:
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
        lenient: whether :meth:`parse_known_args` returns unknown arguments, for another program to take. Otherwise they are an error.
        settings: of :class:`argparse.ArgumentParser`. An option declared with ``empty=True`` may be given an empty value.
    """

    def __init__(self, *, lenient: bool = False, **settings: Any) -> None:
        super().__init__(**settings)
        self.lenient = lenient
        self.seen: dict[str, Any] = {}
        for name, action in ((None, _Store), ("store", _Store), ("append", _Append)):
            self.register("action", name, action)
        self.register("type", int, value_type(whole))
        self.register("type", float, value_type(decimal))

    @property
    def options(self) -> list[str]:
        """The long options, as they are declared."""
        return [name for name in self._option_string_actions if name.startswith("--")]

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As in :class:`argparse.ArgumentParser`. Unknown arguments are an error, unless the parser is lenient."""
        argv = list(sys.argv[1:] if args is None else args)
        end = argv.index("--") if "--" in argv else len(argv)
        argv[:end] = map(self._spelt, argv[:end])
        self.seen = {}
        if not self.lenient and self._subparsers is None:
            self.refuse(argument for argument in _options(argv) if not self._knows(argument))
        found, rest = super().parse_known_args(argv, namespace)
        if rest and not self.lenient:
            self.refuse(rest)
        return found, rest

    def refuse(self, unknown: Iterable[str]) -> None:
        """Exit with an error about the first of some unknown arguments, if there is one."""
        for argument in unknown:
            name = argument.partition("=")[0]
            if not name.startswith("-"):
                self.error(f"not expected: {argument!r}")
            self.error(f"no such option: {name}{did_you_mean(name, self.options)}")

    def error(self, message: str) -> NoReturn:
        """Exit with status 2, and print the message on standard error."""
        self.exit(2, f"{self.prog}: {message.removeprefix('argument ')}\n`{self.prog} --help` shows what there is\n")

    def _spelt(self, argument: str) -> str:
        """The argument with the option's name as it is declared."""
        name, equals, value = argument.partition("=")
        if not name.startswith("--") or self._knows(name):
            return argument
        for other in (name[2:].replace("_", "-"), name[2:].replace("-", "_")):
            if self._knows(f"--{other}"):
                return f"--{other}{equals}{value}"
        return argument

    def _knows(self, argument: str) -> bool:
        name = argument.partition("=")[0]
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


class Commands:
    """The commands of a command, each with options and a ``--help`` of its own, which shows those examples of the whole that are its own.

    The argument ``command`` is the name of the one that is chosen.

    Args:
        parser: of the whole; its examples are in the epilog.
        parents: of every command: options that all of them have.
        settings: of :meth:`argparse.ArgumentParser.add_subparsers`.
    """

    def __init__(self, parser: Parser, parents: Sequence[Parser] = (), **settings: Any) -> None:
        self._parser = parser
        self._parents = list(parents)
        self._commands: argparse._SubParsersAction[Parser] = parser.add_subparsers(
            dest="command", required=True, metavar="COMMAND", **settings
        )

    def add(self, name: str, meaning: str) -> Parser:
        """The parser of a new command."""
        own = f"{self._parser.prog} {name}"
        examples = "\n".join(line for line in (self._parser.epilog or "").splitlines() if own in line)
        return self._commands.add_parser(
            name,
            parents=self._parents,
            help=meaning,
            description=meaning,
            epilog=f"examples:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )


def _options(args: Sequence[str]) -> Iterable[str]:
    """The arguments that look like long options, up to ``--``."""
    for argument in args:
        if argument == "--":
            return
        if argument.startswith("--"):
            yield argument
