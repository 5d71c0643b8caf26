"""A table of commands. Each has its own options and ``--help``, and is imported only when it runs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from schemas.errors import UserError
from services.kit.suggestions import did_you_mean, nearest

OPTIONS = ("--help", "--version")


class Command(NamedTuple):
    """One command.

    Attributes:
        module: its ``main(argv) -> int`` runs the command.
        help: a line for the overview.
        commands: the names of its own commands, if any.
        parser: ``MODULE:FUNCTION`` that returns its ``argparse.ArgumentParser``, for a module that imports much: ``--help`` then does not import it.
    """

    module: str
    help: str
    commands: tuple[str, ...] = ()
    parser: str = ""


def listing(commands: Mapping[str, Command]) -> str:
    """A line for each command of a table."""
    width = max(map(len, commands))
    return "\n".join(f"  {name:<{width}}  {command.help}" for name, command in commands.items())


def dispatch(program: str, commands: Mapping[str, Command], overview: str, args: Sequence[str]) -> int:
    """Run the command of a table that the first argument names. Print the overview if there is none.

    ``help COMMAND`` is ``COMMAND --help``.

    Returns:
        The command's exit status; 2 for an unknown command, or without arguments.
    """
    if not args or args[0] in ("-h", "--help") or list(args) == ["help"]:
        print(overview)
        return 0 if args else 2
    name, *rest = [*args[1:], "--help"] if args[0] == "help" else args
    command = commands.get(name)
    if command is None:
        print(f"{program}: {_unknown(program, commands, name)}", file=sys.stderr)
        return 2
    if command.parser and {"-h", "--help"} & {*rest}:
        module, _, function = command.parser.partition(":")
        # It prints the help, of the whole or of the command's command, and exits.
        getattr(importlib.import_module(module), function)().parse_known_args(rest)
    return reported(f"{program} {name}", lambda: int(importlib.import_module(command.module).main(rest) or 0))


def reported(program: str, work: Callable[[], int]) -> int:
    """Do the work of a command. Returns its exit status; of a :class:`schemas.errors.UserError`, its status, and prints its message."""
    try:
        return work()
    except UserError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return error.status


@contextmanager
def refusing(*kinds: type[Exception], status: int) -> Iterator[None]:
    """Raise errors of some kinds, and every :class:`schemas.errors.UserError`, as a ``UserError`` with this exit status.

    Raises:
        UserError: one of these errors was raised within.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, (UserError, *kinds)):
            raise
        raise UserError(str(error), status) from error


def _unknown(program: str, commands: Mapping[str, Command], word: str) -> str:
    """What is wrong with a word, and what may be meant: a command, or one of a command's own."""
    if word.startswith("-"):
        return f"no such option: {word}{did_you_mean(word, OPTIONS)}"
    what = f"no command {word!r}"
    for name, command in commands.items():
        if word in command.commands:
            return f"{what}; did you mean `{program} {name} {word}`?"
    found = nearest(word, commands)
    if found is not None:
        return f"{what}; did you mean `{program} {found}`?"
    for name, command in commands.items():
        if (below := nearest(word, command.commands)) is not None:
            return f"{what}; did you mean `{program} {name} {below}`?"
    return f"{what}; there are {', '.join(commands)}\n`{program} --help` says what they do"
