"""The command lines of the jobs, apart from what reads their values."""

from __future__ import annotations

import subprocess
import sys
from typing import get_args

import pytest

from pipelines.options.parsers import CONTENT_TYPES, FILE_WATERMARKS, metrics_parser
from schemas.codecs.block import CODECS
from schemas.units import Precision
from transforms.intake.blocks import FileWatermark
from transforms.io.outputs import OUTPUTS, OutputType


def test_choices_are_those_that_are_known() -> None:
    assert sorted(CONTENT_TYPES) == sorted(CODECS)
    assert get_args(Precision) == ("ns", "us", "ms", "s")
    assert get_args(FileWatermark) == FILE_WATERMARKS


@pytest.mark.parametrize("each", OUTPUTS, ids=lambda each: each.name)
def test_help_shows_every_output_where_it_can_be_given(each: OutputType) -> None:
    helps = {action.dest: str(action.help) for action in metrics_parser()._actions}
    form = each.forms[0].partition("?")[0]
    assert (form in helps["output"]) is (each.rows is not None)
    for option in ("dead_letter", "alerts"):
        assert (form in helps[option]) is each.records


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("run metrics --help", "usage: tidemark run metrics"),
        ("run help alerts", "usage: tidemark run alerts"),
        ("run metrics --input=x -h", "usage: tidemark run metrics"),
        ("demo --help", "usage: tidemark demo"),
        ("submit --help", "usage: tidemark submit"),
    ],
)
def test_help_imports_no_framework(words: str, shown: str) -> None:
    code = f"""
import sys
from tidemark import cli
try:
    status = cli.main({words.split()!r})
except SystemExit as ended:
    status = ended.code
print(status, [name for name in ('apache_beam', 'numpy', 'pyarrow', 'confluent_kafka') if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith(shown)
    assert done.stdout.splitlines()[-1] == "0 []"
