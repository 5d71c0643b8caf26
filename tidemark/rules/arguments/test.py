"""The command line of ``tidemark rules test``."""

from __future__ import annotations

from services.kit import outputs
from services.kit.arguments import Parser
from tidemark.rules.arguments.common import command_parser

ENGINES = ("batch", "stream", "both")
"""What evaluates tests: all evaluation times at once, the stages of a stream, or both for comparison."""

DESCRIPTION = """\
Run unit tests of rules. The files are those of `promtool test rules`, unchanged, and so is the verdict; what fails is shown beside what was
expected, with its place, all at once. docs/rules-test.md shows how to write them.
"""
EPILOG = """\
exit status:
  0  all tests pass, and the coverage is not below --coverage-threshold
  1  a test fails, a file cannot be read or loaded, the coverage is below the threshold, or nothing was tested: no test
     at all, or none of a file's that the stream engine can evaluate
  2  wrong usage

examples:
  tidemark rules test rules/tests/                        every test file below
  tidemark rules test --run 'disk' --debug hosts_test.yml the tests so named, and the course of their alerts
  tidemark rules test --coverage rules/tests/             what the tests do not exercise
  tidemark rules test --engine=both rules/tests/          the same as a stream, and where the verdicts differ
  tidemark rules test --junit report.xml --coverage-threshold 90 rules/tests/
"""


def parser() -> Parser:
    """The command line."""
    parser = command_parser("test", DESCRIPTION, EPILOG)
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE|DIR|GLOB", help="test files, or directories in which to look for them")
    add("--run", action="append", default=[], metavar="REGEX", help="only tests whose name matches; may be repeated")
    add("--debug", action="store_true", help="print the course of every alert, and all samples that rules wrote")
    add("--diff", action="store_true", help="show failures as a unified diff of what was expected and what came")
    add(
        "--ignore-unknown-fields",
        action="store_true",
        help="leave out keys of rule files that Prometheus does not know",
    )
    add("--junit", type=outputs.path, metavar="FILE", help="also write a JUnit report")
    add("--coverage", action="store_true", help="also report which parts of the rules the tests exercise")
    add("--coverage-threshold", type=float, metavar="PERCENT", help="fail if less is covered; implies --coverage")
    add("--coverage-format", choices=("text", "json"), default="text", help="(%(default)s)")
    add(
        "--engine",
        choices=ENGINES,
        default="batch",
        help="what evaluates the rules: all evaluation times at once, the stages of a stream, or both, to report where they disagree (%(default)s)",
    )
    add("--jobs", type=int, metavar="N", help="processes (as many as pay)")
    return parser
