"""The command line of ``tidemark rules fmt``."""

from __future__ import annotations

from services.kit.arguments import Parser
from tidemark.rules.arguments.common import add_rule_files, command_parser

DESCRIPTION = """\
Lay rule files out in one way: keys in one order, two blanks a level, PromQL over several lines where one is too long. Comments stay, and the
meaning is loaded again and compared before anything is written. A file with errors is left alone. Files are replaced whole.
"""
EPILOG = """\
exit status:
  0  all files are in the layout now (with --check, --diff: were already)
  1  with --check or --diff: some are not; else: some could not be formatted
  2  wrong usage, or a file that cannot be read or written

examples:
  tidemark rules fmt rules/                 every *.yml and *.yaml below, in place
  tidemark rules fmt --check rules/         in CI: names what is not in the layout
  tidemark rules fmt --diff rules/web.yml   what would change
  tidemark rules fmt - < web.yml            standard input to standard output
"""


def parser() -> Parser:
    """The command line."""
    parser = command_parser("fmt", DESCRIPTION, EPILOG)
    add_rule_files(parser)
    parser.add_argument("--check", action="store_true", help="write nothing; name the files that would change")
    parser.add_argument("--diff", action="store_true", help="write nothing; show what would change")
    return parser
