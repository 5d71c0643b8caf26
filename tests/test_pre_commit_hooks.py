"""The hooks for pre-commit: which files they look at, and that what they run is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tidemark.rules.cli import COMMANDS

HOOKS = {
    hook["id"]: hook for hook in yaml.safe_load((Path(__file__).parents[1] / ".pre-commit-hooks.yaml").read_text())
}
CHECK, FMT, TEST = "tidemark-rules-check", "tidemark-rules-fmt", "tidemark-rules-test"


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_runs_a_command_that_there_is(name: str) -> None:
    program, group, command = HOOKS[name]["entry"].split()
    assert (program, group) == ("tidemark", "rules")
    assert command in COMMANDS


@pytest.mark.parametrize(
    ("path", "hooks"),
    [
        ("rules/web.yml", {CHECK, FMT, TEST}),
        ("ops/rules/web.yaml", {CHECK, FMT, TEST}),
        ("rules/latest.yml", {CHECK, FMT, TEST}),
        ("rules/tests/web.yml", {TEST}),
        ("rules/web_test.yml", {TEST}),
        ("rules/web.test.yml", {TEST}),
        ("values.yml", set()),
        ("rules/README.md", set()),
    ],
)
def test_hooks_look_at_rules_and_know_unit_tests(path: str, hooks: set[str]) -> None:
    looked = {
        name
        for name, hook in HOOKS.items()
        if re.search(hook["files"], path) and not ("exclude" in hook and re.search(hook["exclude"], path))
    }
    assert looked == hooks
