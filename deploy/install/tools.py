"""The programs that installs and parts need from the machine, and how a person gets each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable

from deploy.errors import MissingTools

HOW_TO_GET: dict[str, str] = {
    "java": "a Java 17 runtime: `apt-get install openjdk-17-jdk-headless`, `brew install openjdk@17`",
    "javac": "a Java 17 JDK: `apt-get install openjdk-17-jdk-headless`, `brew install openjdk@17`",
    "mvn": "Apache Maven 3.6 or newer: `apt-get install maven`, `brew install maven`",
    "go": "Go 1.26 or newer: the archive that the Go project publishes, `brew install go`",
    "cargo": "Rust, stable: `rustup toolchain install stable`, `brew install rustup`",
    "cc": "a C compiler: `apt-get install build-essential`, `xcode-select --install`",
}


def require(tools: Iterable[str], purpose: str) -> None:
    """Check that every tool is on PATH.

    Raises:
        MissingTools: with each missing one, what wants it and how to get it.
    """
    missing = [tool for tool in dict.fromkeys(tools) if shutil.which(tool) is None]
    if missing:
        lines = "\n".join(f"  {tool:<8} {HOW_TO_GET[tool]}" for tool in missing)
        raise MissingTools(
            f"not found on PATH, but needed for {purpose}:\n{lines}\nPATH is {os.environ.get('PATH', '')}"
        )
