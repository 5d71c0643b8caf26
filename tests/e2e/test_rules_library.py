"""The shipped rules and their unit tests, judged by Prometheus' own promtool."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from deploy.install.recipes import prometheus3_binary

LIBRARY = Path(__file__).parents[2] / "rules" / "library"
FILES = sorted(LIBRARY.glob("*.yml"))

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [prometheus3_binary("promtool"), *words], capture_output=True, text=True, check=False, timeout=240
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_promtool_finds_no_fault(path: Path) -> None:
    done = promtool("check", "rules", "--lint-fatal", path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_unit_tests_pass_with_promtool(path: Path) -> None:
    done = promtool("test", "rules", path.with_name("tests") / f"{path.stem}.test.yml")
    assert done.returncode == 0, done.stdout + done.stderr
