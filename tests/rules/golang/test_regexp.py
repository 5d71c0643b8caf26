"""Replacements as Go expands them."""

from __future__ import annotations

import pytest

from rules.golang.regexp import expand


@pytest.mark.parametrize(
    ("template", "expanded"),
    [
        ("plain", "plain"),
        ("$0", "whole"),
        ("$1-$2-${1}x", "one--onex"),
        ("$1x", ""),
        ("$name ${name}", "one one"),
        ("$01", ""),
        ("$3", ""),
        ("$999999999999", ""),
        ("$$1 $", "$1 $"),
        ("$é.", "."),
        ("${", "${"),
        ("$-", "$-"),
    ],
)
def test_references(template: str, expanded: str) -> None:
    assert expand(template, ("whole", "one", None), {"name": 1}) == expanded
