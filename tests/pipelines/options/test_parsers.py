"""The command lines of the jobs, apart from what reads their values."""

from __future__ import annotations

import subprocess
import sys
from typing import get_args

import pytest

from pipelines.options.parsers import CONTENT_TYPES, FILE_WATERMARKS
from schemas.codecs.block import CODECS
from schemas.units import Precision
from transforms.intake.blocks import FileWatermark


def test_choices_are_those_that_are_known() -> None:
    assert sorted(CONTENT_TYPES) == sorted(CODECS)
    assert get_args(Precision) == ("ns", "us", "ms", "s")
    assert get_args(FileWatermark) == FILE_WATERMARKS


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
