"""The command line of ``tidemark rules check``."""

from __future__ import annotations

from rules.diagnostics.codes import LINTS
from services.kit.arguments import Parser
from tidemark.rules.arguments.common import add_rule_files, command_parser

DESCRIPTION = """\
Check rule files: errors are what Prometheus refuses (the verdict is that of `promtool check rules`), warnings what it accepts and the author
hardly means. All faults of all files in one run, each with its place, the text underlined, and what to do. PrometheusRule objects are
checked where they stand; of a directory, files of other kinds are left out.
"""
EPILOG = f"""\
exit status:
  0  no errors (warnings do not count, unless --fail-on=warning)
  1  errors
  2  wrong usage, or a file that cannot be read
  3  no errors, but warnings, and --fail-on=warning

warnings ({len(LINTS)}):
  {", ".join(LINTS)}
A comment on a rule, or right above it, silences one for this rule:  # tidemark: ignore=label-lost

examples:
  tidemark rules check rules/                            every *.yml and *.yaml below
  tidemark rules check rules/ --metrics names.txt        and whether each metric exists
  curl -s HOST:9090/api/v1/label/__name__/values | tidemark rules check rules/ --metrics -
  kubectl get prometheusrules -A -o yaml | tidemark rules check -
  tidemark rules check --lint=all,-for-below-interval --fail-on=warning rules/
  tidemark rules check --format=sarif rules/ > rules.sarif
"""


def parser() -> Parser:
    """The command line."""
    parser = command_parser("check", DESCRIPTION, EPILOG)
    add_rule_files(parser)
    parser.add_argument(
        "--lint",
        default="all",
        metavar="CODES",
        help="warnings to look for: all, none, or codes; -CODE leaves one out (all)",
    )
    parser.add_argument(
        "--metrics",
        metavar="FILE",
        help="the metrics there are: names one a line, or what a target exposes, or /api/v1/label/__name__/values",
    )
    parser.add_argument("--interval", metavar="DURATION", help="evaluation interval of groups that state none")
    parser.add_argument("--format", choices=("text", "json", "sarif"), default="text", help="(%(default)s)")
    parser.add_argument(
        "--fail-on",
        choices=("error", "warning"),
        default="error",
        help="what makes the exit status other than 0 (%(default)s)",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no summary after the text")
    return parser
