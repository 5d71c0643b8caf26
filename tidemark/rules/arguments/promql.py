"""The command line of ``tidemark promql``."""

from __future__ import annotations

import argparse

from services.kit.arguments import Parser

DESCRIPTION = "Run PromQL test scripts, and look at expressions as this engine reads them."
TEST_DESCRIPTION = """\
Run test scripts of PromQL engines: the language of Prometheus' own tests (load, clear, eval). An eval passes, fails with both sides
laid side by side, or is refused because it needs what this engine does not have, native histograms for one; refusals are counted by reason.
"""
TEST_EPILOG = """\
exit status:
  0  nothing failed (what is refused does not count)
  1  an eval failed, a script cannot be read, or there is no eval in any
  2  wrong usage, or a file that cannot be read

examples:
  tidemark promql test rates.test
  tidemark promql test --verbose testdata/              every *.test below; each refusal with its place
  tidemark promql test --format=json testdata/ | jq .totals

a script (an empty line ends a block):
  load 30s
    requests_total{job="api"}  0+15x10

  eval instant at 5m rate(requests_total[5m])
    {job="api"} 0.5
"""
EPILOG = """\
examples:
  tidemark promql parse 'sum by (job) (rate(requests_total[5m])) > 10'
  tidemark promql fmt 'sum(rate(x[5m]))by(job)>10'
"""


def parser() -> Parser:
    """The command line."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog="tidemark promql", description=DESCRIPTION, epilog=EPILOG, formatter_class=raw)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    test = commands.add_parser(
        "test",
        help="run test scripts, as Prometheus' promqltest does",
        description=TEST_DESCRIPTION,
        epilog=TEST_EPILOG,
        formatter_class=raw,
    )
    test.add_argument(
        "files", nargs="+", metavar="FILE|DIR", help="scripts, directories of *.test, - for standard input"
    )
    test.add_argument("--format", choices=("text", "json"), default="text", help="(%(default)s)")
    test.add_argument("-v", "--verbose", action="store_true", help="list each refusal with its place")
    for name, help_text in (
        ("parse", "the tree of an expression, with the type and place of each part"),
        ("fmt", "an expression in the canonical layout"),
    ):
        command = commands.add_parser(
            name, help=help_text, description=f"Print {help_text}.", epilog=EPILOG, formatter_class=raw
        )
        command.add_argument("expr", metavar="EXPR", help="the expression, in quotes; - for standard input")
    return parser
