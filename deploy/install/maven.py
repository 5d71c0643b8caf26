"""Jars from Maven: a committed ``pom.xml`` says which, a committed ``jars.sha256`` says what they must be."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from deploy.errors import IntegrityError
from deploy.install.cache import Build

COPY_DEPENDENCIES = "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies"


def description(folder: str) -> tuple[Path, Path]:
    """The ``pom.xml`` and the ``jars.sha256`` of a folder beside this module."""
    here = Path(__file__).parent / folder
    return here / "pom.xml", here / "jars.sha256"


def copy_jars(build: Build, pom: Path, lock: Path, lib: Path) -> None:
    """Resolve the pom's runtime dependencies into `lib` and hold them against the lock.

    Raises:
        InstallFailed: when Maven fails.
        IntegrityError: when a jar is missing, unknown or different.
    """
    shutil.copy(pom, build.scratch / "pom.xml")
    build.run(["mvn", "-B", "-ntp", COPY_DEPENDENCIES, "-DincludeScope=runtime", f"-DoutputDirectory={lib}"])
    verify(lib, lock)


def verify(lib: Path, lock: Path) -> None:
    """Compare the jars of a directory with a lock file in the format of ``sha256sum``.

    Raises:
        IntegrityError: naming each jar that is missing, unknown or different.
    """
    wanted = {name: digest for digest, name in map(str.split, lock.read_text(encoding="utf-8").splitlines())}
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in lib.glob("*.jar")}
    faults = [f"  {name}: missing" for name in sorted(wanted.keys() - found.keys())]
    faults += [f"  {name}: not in the lock" for name in sorted(found.keys() - wanted.keys())]
    faults += [
        f"  {name}: SHA-256 {found[name]}, expected {wanted[name]}"
        for name in sorted(wanted.keys() & found.keys())
        if found[name] != wanted[name]
    ]
    if faults:
        raise IntegrityError(
            f"the jars from Maven are not those of {lock}:\n" + "\n".join(faults) + "\n"
            "Delete them from the local Maven repository and try again; if it stays so, the repository serves other files."
        )
