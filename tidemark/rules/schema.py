"""``tidemark rules schema``: the JSON Schema that editors complete and validate rule files with."""

from __future__ import annotations

import importlib.resources
import sys
from collections.abc import Sequence

from tidemark.rules.arguments.common import command_parser

EPILOG = """\
An editor with the YAML language server takes it from the first line of a rule file:
  # yaml-language-server: $schema=.schemas/rules.schema.json

examples:
  tidemark rules schema > .schemas/rules.schema.json
  tidemark rules schema --tests > .schemas/rule_tests.schema.json
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Print a schema; returns 0."""
    parser = command_parser(
        "schema", "Print the JSON Schema (draft 2020-12) of rule files, or of their unit tests.", EPILOG
    )
    parser.add_argument("--tests", action="store_true", help="of unit-test files")
    options = parser.parse_args(argv)
    name = "rule_tests.schema.json" if options.tests else "rules.schema.json"
    sys.stdout.write(importlib.resources.files("schemas").joinpath(name).read_text(encoding="utf-8"))
    return 0
