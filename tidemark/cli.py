"""The ``tidemark`` command: a table of subcommands, each of which owns its options and its ``--help``."""

from __future__ import annotations

import sys

from tidemark.packages import ForeignPackageError, check_packages

try:
    check_packages()
except ForeignPackageError as error:
    # Before anything of a package that is another's is imported.
    sys.exit(f"tidemark: {error}")

from services.kit import interrupts, streams
from services.kit.commands import Command, dispatch, listing

COMMANDS: dict[str, Command] = {
    "run": Command(
        "tidemark.run", "run a job: tidemark run metrics --input=... --output=...", commands=("metrics", "alerts")
    ),
    "submit": Command("tidemark.submit", "run a job on the local stack's Flink, or stop it with a savepoint"),
    "demo": Command("tidemark.demo", "a job on real input with no servers, and a report of what came out"),
    "rules": Command(
        "tidemark.rules.cli",
        "alert and recording rules: check, fmt, test, backtest, explain",
        commands=("check", "fmt", "test", "backtest", "explain", "library", "schema"),
    ),
    "promql": Command(
        "tidemark.rules.promql",
        "test scripts of PromQL, and expressions as a tree or laid out",
        commands=("test", "parse", "fmt"),
        parser="tidemark.rules.arguments.promql:parser",
    ),
    "stack": Command(
        "deploy.cli",
        "the local stack of real servers: up, down, status, logs",
        commands=("up", "down", "status", "logs", "install", "env"),
        parser="deploy.arguments:parser",
    ),
    "generate": Command(
        "tidemark.generate.cli",
        "a seeded load: metrics to Kafka or to files",
        commands=("metrics",),
        parser="tidemark.generate.arguments:parser",
    ),
    "store": Command(
        "tidemark.store.cli",
        "what a Parquet store holds, and its upkeep",
        commands=("ls", "runs", "compact", "retain"),
        parser="tidemark.store.arguments:parser",
    ),
    "topics": Command(
        "tidemark.topics.cli",
        "topics, offsets, lag and dead letters of a Kafka broker",
        commands=("ls", "create", "lag", "dead-letters"),
        parser="tidemark.topics.arguments:parser",
    ),
}


def usage() -> str:
    """The overview printed by ``tidemark --help``."""
    return (
        f"usage: tidemark COMMAND [OPTIONS]\n\n{listing(COMMANDS)}\n\n"
        "examples:\n"
        "  tidemark demo                                                  half a minute, no servers\n"
        "  tidemark run metrics --input=file:cpu.lp --output=parquet:store\n"
        "  tidemark rules check rules/\n"
        "  tidemark rules backtest rules/ --data=store                    when would alerts have fired?\n"
        "\n`tidemark COMMAND --help` shows a command's options and examples; `tidemark --version` the version."
    )


def version() -> str:
    """What ``tidemark --version`` prints: a report of a fault needs all of it. Nothing of it is imported."""

    from importlib import metadata

    def of(package: str) -> str:
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            return "(not installed)"

    python = ".".join(map(str, sys.version_info[:3]))
    return f"tidemark {of('tidemark')} (Apache Beam {of('apache-beam')}, Python {python})"


def main(argv: list[str] | None = None) -> int:
    """Run a subcommand. Returns the process's exit status, 2 for an unknown command.

    Without ``argv``, the arguments and the streams are those of the process: a closed pipe ends it without a message.
    """
    if argv is not None:
        return _main(argv)
    streams.guard()
    args = sys.argv[1:]
    try:
        status = interrupts.run(_program(args), lambda: _main(args))
    finally:
        # At the interpreter's own flush it would be too late to set the exit status.
        sys.stdout.flush()
    return interrupts.leave(status) if interrupts.came() else status


def _program(args: list[str]) -> str:
    """The command's name in its messages."""
    known = COMMANDS.get(args[0]) if args else None
    return " ".join(["tidemark", *(args[:2] if known and args[1:2] and args[1] in known.commands else args[:1])])


def _main(args: list[str]) -> int:
    if args and args[0] in ("--version", "-V"):
        print(version())
        return 0
    return dispatch("tidemark", COMMANDS, usage(), args)


if __name__ == "__main__":
    sys.exit(main())
