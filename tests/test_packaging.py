"""What ``--setup_file`` ships: every package of ours, and every file that is not Python which one of them reads."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("tidemark", "pipelines", "transforms", "rules", "schemas", "services", "deploy")
LEFT_OUT = {"__pycache__"}


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Paths in the source distribution, below its top folder; made of a copy, so that the checkout stays as it is."""
    copy = tmp_path_factory.mktemp("tree")
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    for name in filter(None, files.decode().split("\0")):
        target = copy / name
        if (ROOT / name).is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    made = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", "sdist", "--formats=gztar", f"--dist-dir={made}"],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (archive,) = made.iterdir()
    with tarfile.open(archive) as tar:
        return {member.name.partition("/")[2] for member in tar.getmembers() if member.isfile()}


@pytest.mark.parametrize("package", PACKAGES)
def test_all_of_a_package_is_shipped(package: str, shipped: set[str]) -> None:
    here = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / package).rglob("*")
        if path.is_file() and not LEFT_OUT & set(path.parts)
    }
    assert here - shipped == set()


def test_nothing_else_of_weight_is_shipped(shipped: set[str]) -> None:
    assert not {name for name in shipped if name.startswith(("tests/", "benchmarks/", "docs/"))}
