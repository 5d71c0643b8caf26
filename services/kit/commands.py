"""A table of commands: each owns its options and its ``--help``, and is imported when it is run."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from services.kit.suggestions import did_you_mean, nearest

OPTIONS = ("--help", "--version")


class Command(NamedTuple):
    """One command: the module whose ``main(argv) -> int`` runs it, a line for the overview, and the names of its own commands, if any."""

    module: str
    help: str
    commands: tuple[str, ...] = ()


def listing(commands: Mapping[str, Command]) -> str:
    """A line for each command of a table."""
    width = max(map(len, commands))
    return "\n".join(f"  {name:<{width}}  {command.help}" for name, command in commands.items())


def dispatch(program: str, commands: Mapping[str, Command], overview: str, words: Sequence[str]) -> int:
    """Run the command of a table that the first word names; print the overview where it names none.

    ``help COMMAND`` is ``COMMAND --help``.

    Returns:
        the command's exit status; 2 for a word that is no command, and for no words at all.
    """
    if not words or words[0] in ("-h", "--help") or list(words) == ["help"]:
        print(overview)
        return 0 if words else 2
    name, *rest = [*words[1:], "--help"] if words[0] == "help" else words
    command = commands.get(name)
    if command is None:
        print(f"{program}: {_unknown(program, commands, name)}", file=sys.stderr)
        return 2
    return int(importlib.import_module(command.module).main(rest) or 0)


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
