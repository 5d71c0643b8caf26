"""The ``tidemark`` command: a table of subcommands, each of which owns its options and its ``--help``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import NamedTuple


class Command(NamedTuple):
    """One subcommand: the module whose ``main(argv) -> int`` runs it, and a line for the overview."""

    module: str
    help: str


COMMANDS: dict[str, Command] = {
    "run": Command("pipelines.run", "run a job: tidemark run metrics --input=... --output=..."),
    "submit": Command("pipelines.submit", "run a job on the local stack's Flink, or stop it with a savepoint"),
    "demo": Command("pipelines.demo", "a job on real input with no servers, and a report of what came out"),
    "rules": Command("pipelines.authoring.cli", "alert and recording rules: check, fmt, test, backtest, explain"),
    "promql": Command("pipelines.authoring.promql", "test scripts of PromQL, and expressions as a tree or laid out"),
    "stack": Command("deploy.cli", "the local stack of real servers: up, down, status, logs"),
    "generate": Command("services.generate.cli", "a seeded load: metrics to Kafka or to files"),
    "store": Command("services.store", "what a Parquet store holds, and its upkeep"),
    "topics": Command("services.topics", "topics, offsets, lag and dead letters of a Kafka broker"),
}


def usage() -> str:
    """The overview printed by ``tidemark --help``."""
    return f"usage: tidemark COMMAND [OPTIONS]\n\n{listing(COMMANDS)}\n\n`tidemark COMMAND --help` tells the rest."


def listing(commands: Mapping[str, Command]) -> str:
    """A line for each command of a table."""
    width = max(map(len, commands))
    return "\n".join(f"  {name:<{width}}  {command.help}" for name, command in commands.items())


def main(argv: list[str] | None = None) -> int:
    """Dispatch to a subcommand; returns the process's exit status (2 for words it does not know)."""
    return dispatch("tidemark", COMMANDS, usage(), sys.argv[1:] if argv is None else argv)


def dispatch(program: str, commands: Mapping[str, Command], overview: str, words: list[str]) -> int:
    """Run the command of a table that the first word names; print the overview where it names none."""
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview)
        return 0 if words else 2
    command = commands.get(words[0])
    if command is None:
        print(f"{program}: no command {words[0]!r}\n\n{overview}", file=sys.stderr)
        return 2
    module = importlib.import_module(command.module)
    return int(module.main(words[1:]) or 0)


if __name__ == "__main__":
    sys.exit(main())
