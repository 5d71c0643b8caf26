"""The guide does what it says: its files are written, its commands are run, and what they print is what it shows.

In a guide a fenced block ``yaml NAME`` is a file, and a block ``console`` holds commands (``$ ...``), each with its output; ``...`` in the output
stands for any text, on a line of its own for any lines. They are run from top to bottom in one empty directory. Commands of a block ``console nab``
need a corpus, and run in a directory with it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
GUIDES = ("rules.md",)
CORPORA = ROOT.parent / "shared" / "corpora"
_FENCE = re.compile(r"^```(\w+)(?: +(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Step(NamedTuple):
    """A file to write, or a command to run; ``text`` is the content, or the output, and ``name`` that of the file, or of the corpus needed."""

    line: int
    name: str
    command: str
    text: str


def steps(guide: str) -> Iterator[Step]:
    for fence in _FENCE.finditer(guide):
        language, name, body = fence.groups()
        line = guide.count("\n", 0, fence.start()) + 2
        if language == "console":
            yield from commands(body, line, name or "")
        elif name:
            yield Step(line, name, "", body)


def commands(body: str, line: int, corpus: str) -> Iterator[Step]:
    for part in re.split(r"^(?=\$ )", body, flags=re.MULTILINE):
        if part.startswith("$ "):
            command, _, output = part[2:].partition("\n")
            yield Step(line, corpus, command, output)
        line += part.count("\n")


def shown(output: str) -> re.Pattern[str]:
    """What an output must be to be the one that a guide shows; blanks at the ends of lines do not count."""
    lines = output.rstrip("\n").split("\n") if output.strip() else []
    return re.compile(
        "".join(
            "(?:.*\n)*?" if line.strip() == "..." else ".*?".join(map(re.escape, line.rstrip().split("..."))) + "\n"
            for line in lines
        )
    )


def run(command: str, directory: Path) -> str:
    environment = {
        **{name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "COLUMNS")},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "NO_COLOR": "1",
        "COLUMNS": "100",
        "TZ": "UTC",
    }
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def check(guide: str, found: Sequence[Step], directory: Path) -> None:
    assert found
    for step in found:
        if not step.command:
            (directory / step.name).write_text(step.text)
            continue
        output = run(step.command, directory)
        assert shown(step.text).fullmatch(output), f"docs/{guide}:{step.line}: $ {step.command}\n{output}"


@pytest.mark.parametrize("guide", GUIDES)
def test_a_guide_is_true(guide: str, tmp_path: Path) -> None:
    found = steps((ROOT / "docs" / guide).read_text())
    check(guide, [step for step in found if not (step.command and step.name)], tmp_path)


@pytest.mark.parametrize(("guide", "corpus"), [("rules.md", "nab")])
def test_a_guide_is_true_of_a_corpus(guide: str, corpus: str, tmp_path: Path) -> None:
    if not (CORPORA / corpus).is_dir():
        pytest.skip(f"the corpus {CORPORA / corpus} is absent")
    (tmp_path / corpus).symlink_to(CORPORA / corpus)
    found = steps((ROOT / "docs" / guide).read_text())
    check(guide, [step for step in found if step.command and step.name == corpus], tmp_path)


@pytest.mark.parametrize(
    ("output", "real", "matches"),
    [
        ("a\nb\n", "a\nb\n", True),
        ("a\nb\n", "a\nc\n", False),
        ("a\n...\nd\n", "a\nb\nc\nd\n", True),
        ("a\n...\nd\n", "a\nd\n", True),
        ("a\n...\n", "a\nb\n", True),
        ("in ... s\n", "in 1.5 s\n", True),
        ("in ... s\n", "in 1.5 h\n", False),
        ("", "", True),
        ("", "a\n", False),
    ],
)
def test_shown_output_is_compared(output: str, real: str, matches: bool) -> None:
    assert bool(shown(output).fullmatch(real)) is matches


def test_tests_that_the_guides_name_are_there() -> None:
    written = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    tests = set(re.findall(r"^ *def (test_\w+)\(", written, re.MULTILINE))
    named = {
        (path.name, test)
        for path in (ROOT / "docs").glob("*.md")
        for test in re.findall(r"`(test_\w+)`", path.read_text())
    }
    assert named
    assert {(path, test) for path, test in named if test not in tests} == set()
