"""The JSON Schemas of rule files and unit-test files: valid themselves, and of one mind with the loader about real files."""

from __future__ import annotations

import importlib.resources
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from jsonschema import Draft202012Validator

from rules.files.load import load_rules
from rules.files.load_groups import GROUP_KEYS, RULE_KEYS

CORPORA = Path(__file__).parents[2].parent / "shared" / "corpora"
# What no schema can see: the text of expressions and templates, and names that stand twice.
UNSEEN = {"promql-syntax", "template-syntax", "experimental", "duplicate-group"}


@cache
def schema(name: str) -> Draft202012Validator:
    document = orjson.loads(importlib.resources.files("schemas").joinpath(name).read_bytes())
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


def documents() -> list[tuple[str, str, Any]]:
    if not CORPORA.exists():
        pytest.skip(f"{CORPORA} is not there")
    found = []
    for folder in ("prometheus/cmd", "prometheus/rules", "awesome-prometheus-alerts"):
        for path in sorted((CORPORA / folder).rglob("*.y*ml")):
            text = path.read_text()
            try:
                found.append((path.name, text, next(iter(yaml.load_all(text, yaml.CSafeLoader)), None)))
            except yaml.YAMLError:
                continue
    return found


def test_rule_files_are_valid_where_the_loader_takes_them() -> None:
    differ = []
    for name, text, document in documents():
        loaded = load_rules(text, name)
        unseen = (
            loaded.file is None and {each.code for each in loaded.diagnostics if each.severity == "error"} <= UNSEEN
        )
        if schema("rules.schema.json").is_valid(document) != (loaded.file is not None) and not unseen:
            differ.append(name)
    assert differ == []


def test_unit_test_files_are_valid() -> None:
    tests = [
        (name, document) for name, _, document in documents() if isinstance(document, dict) and "tests" in document
    ]
    assert len(tests) > 10
    assert [name for name, document in tests if not schema("rule_tests.schema.json").is_valid(document)] == []


def test_the_schema_names_the_keys_that_the_loader_knows() -> None:
    definitions = schema("rules.schema.json").schema["$defs"]
    assert set(definitions["group"]["properties"]) == set(GROUP_KEYS)
    rule = definitions["alerting_rule"]["properties"].keys() | definitions["recording_rule"]["properties"].keys()
    assert rule == set(RULE_KEYS)


@pytest.mark.parametrize(
    "rule",
    [
        {"alert": "A"},
        {"expr": "up"},
        {"alert": "A", "record": "r", "expr": "up"},
        {"record": "r", "expr": "up", "for": "5m"},
        {"alert": "A", "expr": "up", "for": "5"},
        {"alert": "A", "expr": "up", "for": "1s1m"},
        {"alert": "A", "expr": "up", "labels": {"__name__": "x"}},
        {"record": "r{}", "expr": "up"},
        {"alert": "A", "expr": "up", "summary": "x"},
    ],
)
def test_what_is_no_rule(rule: dict[str, Any]) -> None:
    assert not schema("rules.schema.json").is_valid({"groups": [{"name": "g", "rules": [rule]}]})


def test_every_property_is_described() -> None:
    for name in ("rules.schema.json", "rule_tests.schema.json"):
        document = schema(name).schema
        for owner in [document, *document["$defs"].values()]:
            for key, each in owner.get("properties", {}).items():
                described = "description" in each or "$ref" in each
                assert described, f"{name}: {key}"
