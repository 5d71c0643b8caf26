"""Seeded rules over a seeded data set: random expressions (:mod:`tests.oracle.expressions`) as recordings and alerts of several groups and files."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import yaml

from rules.files.load import load_rules
from rules.promql.syntax import ast
from rules.promql.syntax.parser import parse
from tests.oracle.data import BASE_MS, SPAN_MS, Dataset, dataset
from tests.oracle.expressions import Expressions
from tests.oracle.prometheus import Series
from transforms.alerts.live.live import streamable

START_MS = BASE_MS
END_MS = BASE_MS + SPAN_MS

_HOLDS = ("0s", "0s", "15s", "1m", "2m", "5m")
_KEEPS = ("0s", "0s", "0s", "1m", "4m")
_LABELS: tuple[dict[str, str], ...] = (
    {},
    {},
    {"severity": "page"},
    {"job": ""},
    {"instance": "all"},
    {"team": "a", "dev": ""},
)
_THRESHOLDS = ("> 0", "> 1", "> 20", "< 10", "<= 2.5", ">= 0", "> 100", "< 0.3")
_LONGEST = 400


@dataclass(frozen=True)
class Generated:
    """Rule files by name, and the samples they are about."""

    files: dict[str, str]
    series: tuple[Series, ...]


def generated(seed: int, rules: int = 40) -> Generated:
    """The same rules and samples for the same seed; rules read what came in, and what rules before them write."""
    rng = random.Random(f"rules {seed}")
    data = dataset(seed, 0)
    draw = _Draw(rng, data)
    files: dict[str, list[dict[str, Any]]] = {"a.yml": [], "b.yml": []}
    left, behind = rules, 0
    for name, groups in files.items():
        for number in range(rng.randint(2, 3)):
            count = min(left, rng.randint(4, 10))
            left -= count
            group: dict[str, Any] = {"name": f"{name[0]}{number}", "interval": rng.choice(("15s", "15s", "30s", "1m"))}
            # Of a rule with a larger offset than its own a reader would see what is dated later than it was written.
            behind = rng.choice((15, 60)) if not behind and rng.random() < 0.15 else behind
            if behind:
                group["query_offset"] = f"{behind}s"
            if rng.random() < 0.2:
                group["labels"] = {"group": group["name"]}
            group["rules"] = [draw.rule() for _ in range(max(count, 1))]
            groups.append(group)
    texts = {name: yaml.safe_dump({"groups": groups}) for name, groups in files.items()}
    return Generated(texts, data.series)


class _Draw:
    def __init__(self, rng: random.Random, data: Dataset) -> None:
        self._rng = rng
        self._plain = Expressions(rng, data)
        self._data = data
        self._recorded: list[str] = []
        self._alerts: list[str] = []
        self._number = 0

    def rule(self) -> dict[str, Any]:
        self._number += 1
        rng = self._rng
        labels = dict(rng.choice(_LABELS))
        if rng.random() < 0.35:
            name = f"{self._data.prefix}rec:{self._number}"
            rule = {"record": name, "expr": self._expression(), "labels": labels}
            self._recorded.append(name)
            return rule
        condition = self._condition()
        self._alerts.append(f"A{self._number}")
        return {
            "alert": f"A{self._number}",
            "expr": condition,
            "for": rng.choice(_HOLDS),
            "keep_firing_for": rng.choice(_KEEPS),
            "labels": labels,
            "annotations": {"summary": "{{ $labels.job }} is at {{ $value | humanize }}"},
        }

    def _condition(self) -> str:
        kind = self._rng.random()
        if kind < 0.1:
            return f"absent({self._selector()})"
        if kind < 0.2:
            return f"{self._selector()} unless {self._selector()} offset 1m"
        if kind < 0.3 and self._alerts:
            return f'ALERTS{{alertname="{self._rng.choice(self._alerts)}"}} and on (job) {self._selector()}'
        if kind < 0.7:
            expr = self._expression()
            vector = f"vector({expr})" if parse(expr).type is ast.ValueType.SCALAR else f"({expr})"
            return f"{vector} {self._rng.choice(_THRESHOLDS)}"
        return self._expression()

    def _selector(self) -> str:
        return self._source().bare()

    def _source(self) -> Expressions:
        """Draws over what came in, or over what rules have recorded so far."""
        if len(self._recorded) < 2 or self._rng.random() < 0.5:
            return self._plain
        first, second = self._rng.sample(self._recorded, 2)
        return Expressions(self._rng, replace(self._data, gauges=(first, second)))

    def _expression(self) -> str:
        return next(filter(usable, self._drawn()))

    def _drawn(self) -> Iterator[str]:
        while True:
            yield self._source().root(ranged=True)


def usable(expr: str) -> bool:
    """Whether a rule of a stream may be this, and its outcome is defined."""
    tree = parse(expr)
    if len(expr) > _LONGEST or tree.type not in (ast.ValueType.SCALAR, ast.ValueType.VECTOR):
        return False
    if any(isinstance(node, ast.Aggregate) and node.op in ("topk", "bottomk") for node in ast.walk(tree)):
        return False
    text = yaml.safe_dump({"groups": [{"name": "g", "rules": [{"record": "r", "expr": expr}]}]})
    file = load_rules(text, "r.yml").file
    return file is not None and not streamable(file)
