"""``tidemark rules``: the tools of the people who write alert rules."""

from __future__ import annotations

import importlib
import os
import sys

from pipelines.cli import Command

COMMANDS: dict[str, Command] = {
    "check": Command("pipelines.authoring.check", "faults and doubts in rule files, each with its place"),
    "fmt": Command("pipelines.authoring.fmt", "lay rule files out: YAML and PromQL, comments kept"),
    "test": Command("pipelines.authoring.test", "run unit tests of rules, as `promtool test rules` does"),
    "backtest": Command("pipelines.authoring.backtest", "when alerts would have fired over archived data"),
    "explain": Command("pipelines.authoring.explain", "an expression as a tree: what each part does and needs"),
    "library": Command("pipelines.authoring.library", "the rules that come with Tidemark, to read and to copy"),
    "schema": Command("pipelines.authoring.schema", "the JSON Schema of rule files, for editors"),
}


def usage() -> str:
    """The overview printed by ``tidemark rules --help``."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.help}" for name, command in COMMANDS.items()]
    return (
        "usage: tidemark rules COMMAND [OPTIONS]\n\nAlert and recording rules are Prometheus rule files, unchanged.\n\n"
        + "\n".join(lines)
        + "\n\nexamples:\n"
        "  tidemark rules check rules/                 every file below, errors and doubts\n"
        "  tidemark rules fmt --diff rules/            what a canonical layout would change\n"
        "  tidemark rules test rules/tests/*.yml\n"
        "\n`tidemark rules COMMAND --help` tells the rest."
    )


def main(argv: list[str] | None = None) -> int:
    """Dispatch to a command; returns the process's exit status (2 for words it does not know)."""
    words = sys.argv[1:] if argv is None else argv
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if words else 2
    command = COMMANDS.get(words[0])
    if command is None:
        print(f"tidemark rules: no command {words[0]!r}\n\n{usage()}", file=sys.stderr)
        return 2
    try:
        return int(importlib.import_module(command.module).main(words[1:]) or 0)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read the output has read enough; the interpreter's own flush at exit must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
