"""requirements.lock: complete for each Python version, in the ranges of setup.py, free of addresses, and what runs here."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LOCK = (ROOT / "requirements.lock").read_text()
TOOLS = "# Tools of the tests"
PYTHONS = ("3.10", "3.11", "3.12")


def entries(text: str) -> list[tuple[Requirement, int]]:
    """Each requirement of a lock, with the number of its hashes."""
    joined = text.replace("\\\n", " ").splitlines()
    return [
        (Requirement(line.split("--hash", 1)[0]), line.count("--hash=sha256:"))
        for line in joined
        if line and line[0] != "#"
    ]


def versions(text: str, python: str) -> dict[str, str]:
    """Name to version of what a lock installs on Linux with one Python version."""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    chosen: dict[str, str] = {}
    for requirement, _ in entries(text):
        if requirement.marker is None or requirement.marker.evaluate(environment):
            name = canonicalize_name(requirement.name)
            assert name not in chosen, f"{name} twice for Python {python}"
            (pin,) = requirement.specifier
            assert pin.operator == "=="
            chosen[name] = pin.version
    return chosen


def asked(extra: str) -> list[Requirement]:
    """What this package requires, of itself or with an extra."""
    every = [Requirement(line) for line in importlib.metadata.requires("tidemark") or []]
    return [each for each in every if each.marker is None or each.marker.evaluate({"extra": extra})]


@pytest.mark.parametrize("path", ["requirements.lock", "tests/mutants/requirements.lock"])
def test_each_entry_is_exact_and_hashed_and_names_no_address(path: str) -> None:
    text = (ROOT / path).read_text()
    assert entries(text)
    assert all(hashes and len(each.specifier) == 1 for each, hashes in entries(text))
    assert not re.search(r"://|--(extra-)?index|--find-links", text)


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("extra", ["", "dev"])
def test_the_lock_is_within_the_ranges_of_setup_py(python: str, extra: str) -> None:
    runtime, found = LOCK.split(TOOLS)[0], versions(LOCK, python)
    if not extra:
        found = versions(runtime, python)
    outside = [
        f"{each} is locked at {found.get(canonicalize_name(each.name))}"
        for each in asked(extra)
        if found.get(canonicalize_name(each.name)) not in each.specifier
    ]
    assert outside == [], "run `make lock`"


def test_what_is_installed_is_what_is_locked() -> None:
    locked = versions(LOCK, "{}.{}".format(*sys.version_info))
    todo, seen = asked("dev"), set()
    while todo:
        each = todo.pop()
        name = canonicalize_name(each.name)
        if name in seen:
            continue
        seen.add(name)
        needs = [Requirement(line) for line in importlib.metadata.requires(name) or []]
        extras = ["", *each.extras]
        todo += [
            need
            for need in needs
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in extras)
        ]
    assert {"apache-beam", "pytest"} <= seen
    installed = {name: importlib.metadata.version(name) for name in seen}
    other = {name: (version, locked.get(name)) for name, version in installed.items() if locked.get(name) != version}
    assert other == {}, "installed, locked: `make` brings this environment up to date"
