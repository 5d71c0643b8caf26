"""Environments of the Python peers: a virtual environment each, in the cache, never in the project's own.

Quix Streams wants an older confluent-kafka than ours, and Pathway brings more than a hundred packages. Versions are exact, so that a run can be
repeated. Only wheels are installed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from deploy.install.cache import Build, Recipe, install
from deploy.progress import Reporter

HERE = Path(__file__).parent
NAMES = ("bytewax", "quixstreams", "pathway")


def requirements(name: str) -> Path:
    """The file with the exact versions of a peer."""
    return HERE / f"{name}.txt"


def version(name: str) -> str:
    """The pinned version of a peer."""
    [line] = [line for line in requirements(name).read_text().splitlines() if line.startswith(f"{name}==")]
    return line.partition("==")[2]


def recipe(name: str) -> Recipe:
    """How the environment of a peer is made."""

    def build(build: Build) -> None:
        build.run([sys.executable, "-m", "venv", str(build.target)])
        pip = [str(build.target / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        build.run([*pip, "--only-binary=:all:", "--no-deps", "--requirement", str(requirements(name))])

    return Recipe(f"peer-{name}", version(name), (), (requirements(name),), build, verb="installing")


def python(name: str, progress: Reporter) -> Path:
    """The interpreter of a peer's environment, which is made if it is not there.

    Raises:
        InstallFailed: a package cannot be installed here; the message names the log.
    """
    return install(recipe(name), progress) / "bin" / "python"
