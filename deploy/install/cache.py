"""The cache of downloaded and built parts: one directory per recipe, written whole or not at all.

A recipe's directory carries its version and a fingerprint of all that decides its content, so a changed recipe is a new
directory and an installed one never changes. A file lock keeps two processes from building the same thing.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.errors import InstallFailed
from deploy.install.tools import require
from deploy.progress import SILENT, Reporter

LOG_LINES = 25


def cache_dir() -> Path:
    """``TIDEMARK_CACHE``, else ``tidemark`` under the user's cache directory (XDG Base Directory Specification)."""
    if explicit := os.environ.get("TIDEMARK_CACHE"):
        return Path(explicit).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tidemark"


@dataclass(frozen=True)
class Build:
    """What a recipe's build function works with: a scratch directory, and the directory which becomes the install."""

    scratch: Path
    target: Path
    log: Path

    def run(self, argv: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
        """Run one command with its output in the log.

        Raises:
            InstallFailed: when it exits with another status than 0, with the log's path and last lines.
        """
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(argv)}\n")
            log.flush()
            done = subprocess.run(
                argv,
                cwd=cwd or self.scratch,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode:
            tail = "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:])
            raise InstallFailed(f"{argv[0]} exited with {done.returncode}; the whole log is {self.log}\n{tail}")


@dataclass(frozen=True)
class Recipe:
    """How one thing is downloaded or built.

    Attributes:
        name: the directory's name in the cache, and the word of ``tidemark stack install``.
        version: the version of what is installed.
        tools: programs the build needs on PATH.
        files: committed files which decide the content (lock files, build descriptions): part of the fingerprint.
        build: fills ``Build.target``.
        verb: what a person reads while it runs.
        revision: raised by hand when the build function changes what it makes.
    """

    name: str
    version: str
    tools: tuple[str, ...]
    files: tuple[Path, ...]
    build: Callable[[Build], None]
    verb: str = "downloading"
    revision: int = 1

    def fingerprint(self) -> str:
        """Eight hexadecimal digits over the version, the revision and the content of `files`."""
        digest = hashlib.sha256(f"{self.name} {self.version} {self.revision}".encode())
        for path in self.files:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()[:8]

    def directory(self) -> Path:
        """Where it is, or will be, installed."""
        return cache_dir() / f"{self.name}-{self.version}-{self.fingerprint()}"

    def installed(self) -> bool:
        """Whether the install is there; a directory is renamed into place only when it is complete."""
        return self.directory().is_dir()


def install(recipe: Recipe, progress: Reporter = SILENT) -> Path:
    """The recipe's directory, built first if it is not there; waits if another process is building it.

    Raises:
        MissingTools: before anything starts, when a tool is not on PATH.
        InstallFailed: when the build fails; nothing of it stays but the log.
    """
    target = recipe.directory()
    if target.is_dir():
        return target
    require(recipe.tools, f"installing {recipe.name} {recipe.version}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.with_name(f"{target.name}.lock"), recipe, progress):
        if target.is_dir():
            return target
        with progress.step(f"{recipe.verb} {recipe.name} {recipe.version}"):
            _build(recipe, target)
    return target


def _build(recipe: Recipe, target: Path) -> None:
    logs = cache_dir() / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}.partial")
    _remove(scratch)  # what a killed build left: the lock is ours, so nobody else works there
    try:
        log = logs / f"{target.name}.log"
        log.write_text("", encoding="utf-8")
        build = Build(scratch / "scratch", scratch / "install", log)
        build.scratch.mkdir(parents=True)
        build.target.mkdir()
        recipe.build(build)
        build.target.rename(target)
    finally:
        _remove(scratch)


def _remove(directory: Path) -> None:
    if directory.exists():
        shutil.rmtree(directory)


@contextmanager
def _locked(path: Path, recipe: Recipe, progress: Reporter) -> Iterator[None]:
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with progress.step(f"waiting for another process that installs {recipe.name}"):
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield
