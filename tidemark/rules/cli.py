"""``tidemark rules``: the tools of the people who write alert rules."""

from __future__ import annotations

import sys

from services.kit.commands import Command, dispatch, listing

COMMANDS: dict[str, Command] = {
    "check": Command(
        "tidemark.rules.check",
        "faults and doubts in rule files, each with its place",
        parser="tidemark.rules.arguments.check:parser",
    ),
    "fmt": Command(
        "tidemark.rules.fmt",
        "lay rule files out: YAML and PromQL, comments kept",
        parser="tidemark.rules.arguments.fmt:parser",
    ),
    "test": Command(
        "tidemark.rules.test",
        "run unit tests of rules, as `promtool test rules` does",
        parser="tidemark.rules.arguments.test:parser",
    ),
    "backtest": Command(
        "tidemark.rules.backtest",
        "when alerts would have fired over archived data",
        parser="tidemark.rules.arguments.backtest:parser",
    ),
    "explain": Command(
        "tidemark.rules.explain",
        "an expression as a tree: what each part does and needs",
        parser="tidemark.rules.arguments.explain:parser",
    ),
    "library": Command("tidemark.rules.library", "the rules that come with Tidemark, to read and to copy"),
    "schema": Command("tidemark.rules.schema", "the JSON Schema of rule files, for editors"),
}


def usage() -> str:
    """The overview printed by ``tidemark rules --help``."""
    return (
        "usage: tidemark rules COMMAND [OPTIONS]\n\nAlert and recording rules are Prometheus rule files, unchanged.\n\n"
        + listing(COMMANDS)
        + "\n\nexamples:\n"
        "  tidemark rules check rules/                 every file below, errors and doubts\n"
        "  tidemark rules fmt --diff rules/            what a canonical layout would change\n"
        "  tidemark rules test rules/tests/*.yml\n"
        "\n`tidemark rules COMMAND --help` shows its options and examples."
    )


def main(argv: list[str] | None = None) -> int:
    """Dispatch to a command; returns the process's exit status (2 for words it does not know)."""
    return dispatch("tidemark rules", COMMANDS, usage(), sys.argv[1:] if argv is None else argv)
