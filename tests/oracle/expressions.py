"""Seeded expressions over a data set: well typed, limited in depth, every stable function and operator among them.

What would only measure rounding is kept out where it arises. Functions that jump (``floor``, ``%``, ``count_values``, comparison for equality),
or magnify a last digit (``sin`` of a large number, ``ln`` of nearly 1), take operands that are exact in any order of summation; differences and
deviations are not asked for where all numbers lie close together (times, ``tanh``); ``topk`` and ``bottomk``, whose choice among equals is not
defined, stand at the root only, where the comparison allows for it.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from tests.oracle.data import BASE_MS, SPAN_MS, Dataset
from tests.oracle.selectors import Selectors
from tests.oracle.vocabulary import (
    AGGREGATES,
    ARITHMETIC,
    COUNTING,
    DATES,
    DIFFERENCES,
    EQUALITY,
    GROUPINGS,
    JUMPING,
    NUMBERS,
    ORDERING,
    OVER_TIME,
    QUANTILES,
    RANGES,
    SET,
    SMOOTH,
)

# What yields numbers that lie close together for their size.
_CLOSE = re.compile(r"timestamp\(|\btime\(\)|atan2|" + "|".join(rf"\b{name}\(" for name in SMOOTH))


@dataclass(frozen=True)
class Case:
    """One query; instant when ``step_ms`` is 0."""

    dataset: int
    expr: str
    start_ms: int
    end_ms: int
    step_ms: int


def cases(seed: int, data: Dataset, count: int) -> list[Case]:
    """The same queries for the same seed and data set."""
    rng = random.Random(f"expressions {seed} {data.number}")
    made = Expressions(rng, data)
    return [_case(rng, data.number, made) for _ in range(count)]


def _case(rng: random.Random, number: int, made: Expressions) -> Case:
    grid = rng.choice((60_000, 15_000, 1_000, 1))
    start = BASE_MS + rng.randrange(30_000, SPAN_MS + 120_000) // grid * grid
    if rng.random() < 0.5:
        return Case(number, made.root(), start, start, 0)
    step = rng.choice((1_000, 7_001, 15_000, 30_000, 60_000, 90_000, 300_000))
    end = start + step * rng.randrange(12) + rng.choice((0, 0, step // 3))
    return Case(number, made.root(ranged=True), start, end, step)


class Expressions(Selectors):
    """Draws expressions; every method returns text that stands on its own as an operand."""

    def root(self, *, ranged: bool = False) -> str:
        """A whole query."""
        kind = self.rng.random()
        depth = self.rng.randint(1, 4)
        if kind < 0.06:
            inner = self.vector(depth - 1)
            # Prometheus does not prepare a parameter for `@`, nor look at it when it takes the rest to be the same at every step.
            varying = () if "@" in inner else (f"scalar({self.bare()})",)
            param = self.rng.choice(("1", "2", "3", "0", "-1", "2.9", "100", *varying))
            return self.aggregate(self.rng.choice(("topk", "bottomk")), inner, param)
        if kind < 0.10:
            return f"{self.rng.choice(('sort', 'sort_desc'))}({self.vector(depth)})"
        if kind < 0.14:
            return self.scalar(depth)
        if kind < 0.17 and not ranged:
            return self.matrix(1)
        return self.vector(depth)

    def vector(self, depth: int) -> str:
        """An instant vector."""
        if depth <= 0:
            return self.selector()
        kinds = (
            (lambda _: self.selector(), 1), (self.over_time, 6), (self.smooth, 2), (self.jump, 2), (self.clamp, 1), (self.absent, 1),
            (self.labels, 2), (self.histogram, 2), (self.any_aggregate, 6), (self.count_values, 1), (self.with_scalar, 4),
            (self.with_vector, 5), (self.set_operation, 3), (self.chain, 2), (self.minus, 1), (self.other, 2),
        )  # fmt: skip
        [kind] = self.rng.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])
        return kind(depth)

    def matrix(self, depth: int, names: tuple[str, ...] | None = None) -> str:
        """A range vector: a selector's, or a subquery's."""
        if depth > 0 and self.rng.random() < 0.25:
            step = self.pick("", "", "30s", "1m", "17s")
            return f"({self.vector(depth - 1)})[{self.rng.choice(RANGES)}:{step}]{self.modifiers()}"
        return f"{self.bare(names)}[{self.rng.choice(RANGES)}]{self.modifiers()}"

    def over_time(self, depth: int) -> str:
        counters = self.data.counters if self.rng.random() < 0.4 else None
        matrix = self.matrix(depth - 1, counters)
        kind = self.rng.random()
        if kind < 0.06:
            return f"predict_linear({matrix}, {self.pick('60', '3600', '-300', '0')})"
        if kind < 0.12:
            return f"quantile_over_time({self.rng.choice(QUANTILES)}, {matrix})"
        if kind < 0.16:
            return f"absent_over_time({matrix})"
        return f"{self.rng.choice([name for name in OVER_TIME if _deviates_well(name, matrix)])}({matrix})"

    def exact(self) -> str:
        """A vector whose values do not depend on rounding."""
        kind = self.rng.random()
        if kind < 0.6:
            return self.selector()
        if kind < 0.8:
            return f"{self.rng.choice(COUNTING)}({self.matrix(0)})"
        return self.aggregate(self.pick("count", "min", "max", "group"), self.selector())

    def smooth(self, depth: int) -> str:
        return f"{self.rng.choice(SMOOTH)}({self.vector(depth - 1)})"

    def jump(self, depth: int) -> str:
        if self.rng.random() < 0.2:
            return f"{self.rng.choice(DATES)}({self.pick('', f'timestamp({self.selector()})', 'vector(time())')})"
        if self.rng.random() < 0.2:
            return f"round({self.exact()}, {self.pick('5', '0.5', '10', '0', '-2', '0.25')})"
        return f"{self.rng.choice(JUMPING)}({self.exact()})"

    def clamp(self, depth: int) -> str:
        inner = self.vector(depth - 1)
        low, high = self.scalar(0), self.scalar(0)
        return self.pick(f"clamp({inner}, {low}, {high})", f"clamp_min({inner}, {low})", f"clamp_max({inner}, {high})")

    def absent(self, depth: int) -> str:
        if self.rng.random() < 0.4:
            return f'absent({self.data.gauges[0]}{{job="nosuch",instance=~"h.",dev="x",dev="y"}})'
        return f"absent({self.vector(depth - 1)})"

    def labels(self, depth: int) -> str:
        inner = self.vector(depth - 1)
        if self.rng.random() < 0.35:
            sources = ", ".join(f'"{name}"' for name in self.rng.sample(("job", "instance", "dev", "nosuch"), 2))
            return f'label_join({inner}, "{self.pick("joined", "job", "dev")}", "{self.pick("-", "")}", {sources})'
        target = self.pick("copied", "job", "instance", "__name__")
        value, source, pattern = self.rng.choice(
            (
                ("$1", "instance", "h(.*)"), ("${1}x", "instance", "h(?P<n>[01])"), ("$n", "instance", "h(?P<n>[01])"),
                ("", "job", ".*"), ("fixed", "nosuch", ""), ("$2", "job", "(.)(.*)"), ("$0", "job", "a.*"), ("$9", "job", ".*"),
            )
        )  # fmt: skip
        return f'label_replace({inner}, "{target}", "{value}", "{source}", "{pattern}")'

    def histogram(self, depth: int) -> str:
        name = self.data.buckets
        window = f"{name}{self.matchers(name)}[{self.rng.choice(RANGES)}]{self.modifiers()}"
        buckets = self.pick(
            f"{name}{self.modifiers()}", f"rate({window})", f"increase({window})", f"sum by (le) (rate({window}))",
            f"sum by (job, le) ({name})", f"sum without (instance) (rate({window}))", f"sum by (job) ({name})",
        )  # fmt: skip
        if self.rng.random() < 0.25:
            return f"histogram_fraction({self.pick('0', '0.1', '-Inf', '0.3')}, {self.pick('0.7', '1', 'Inf', '0.1')}, {buckets})"
        return f"histogram_quantile({self.rng.choice(QUANTILES)}, {buckets})"

    def any_aggregate(self, depth: int) -> str:
        inner = self.vector(depth - 1)
        if self.rng.random() < 0.12:
            return self.aggregate("quantile", inner, self.rng.choice(QUANTILES))
        return self.aggregate(self.rng.choice([op for op in AGGREGATES if _deviates_well(op, inner)]), inner)

    def aggregate(self, op: str, inner: str, param: str | None = None) -> str:
        clause = "" if self.rng.random() < 0.2 else f" {self.pick('by', 'without')} ({self.rng.choice(GROUPINGS)})"
        return f"{op}{clause} ({inner if param is None else f'{param}, {inner}'})"

    def count_values(self, depth: int) -> str:
        label = self.pick("value", "job", "instance")
        return self.aggregate("count_values", self.exact(), f'"{label}"')

    def with_scalar(self, depth: int) -> str:
        scalar = self.scalar(self.rng.randint(0, 1))
        kind = self.rng.random()
        if kind < 0.45:
            op, vector = self.rng.choice(ARITHMETIC), self.vector(depth - 1)
        elif kind < 0.85:
            op, vector = self.rng.choice(ORDERING), self.vector(depth - 1)
        else:
            op, vector, scalar = self.pick(*EQUALITY, "%"), self.exact(), self.rng.choice(NUMBERS)
        if op in (*ORDERING, *EQUALITY) and self.rng.random() < 0.35:
            op += " bool"
        left, right = (vector, scalar) if self.rng.random() < 0.75 else (scalar, vector)
        return f"({left} {op} {right})"

    def with_vector(self, depth: int) -> str:
        kind = self.rng.random()
        if kind < 0.25:
            left, right, clause = self._many_to_one(depth)
        elif kind < 0.6:
            grouping = self.rng.choice(("job", "instance", "job, instance"))
            left, right = (self.aggregate_by(grouping, depth) for _ in range(2))
            clause = self.pick("", f" on ({grouping})", " ignoring (nosuch)", " on (job)")
        else:
            left, right = self.vector(depth - 1), self.vector(self.rng.randint(0, depth - 1))
            clause = self.pick(
                "", " on (job, instance)", " on (job, instance)", " ignoring (dev, code)", " on ()", " ignoring (job)"
            )
        op = self.rng.choice((*ARITHMETIC, *ORDERING))
        if self.rng.random() < 0.15:
            left, right, op = self.exact(), self.exact(), self.pick(*EQUALITY, "%")
        if op in (*ORDERING, *EQUALITY) and self.rng.random() < 0.35:
            op += " bool"
        return f"({left} {op}{clause} {right})"

    def aggregate_by(self, grouping: str, depth: int) -> str:
        inner = self.vector(depth - 1)
        return f"{self.rng.choice([op for op in AGGREGATES if _deviates_well(op, inner)])} by ({grouping}) ({inner})"

    def _many_to_one(self, depth: int) -> tuple[str, str, str]:
        many = self.vector(depth - 1)
        one = self.pick(
            self.data.info,
            f'{self.data.info}{{version="1"}}',
            self.aggregate_by("job", depth - 1),
            f"{self.data.gauges[0]}",
        )
        on = self.pick("on (job)", "on (job)", "ignoring (instance, dev, code, le)", "on (job, instance)")
        include = self.pick("", " ()", " (version)", " (version, nosuch)", " (code)")
        if self.rng.random() < 0.25:
            if many.startswith("("):
                include = include or " ()"  # or else the operand would be read as the list of labels
            return one, many, f" {on} group_right{include}"
        return many, one, f" {on} group_left{include}"

    def set_operation(self, depth: int) -> str:
        left, right = self.vector(depth - 1), self.vector(self.rng.randint(0, depth - 1))
        clause = self.pick(
            "", "", " on (job)", " on (job, instance)", " ignoring (dev, code)", " on ()", " ignoring (instance)"
        )
        return f"({left} {self.rng.choice(SET)}{clause} {right})"

    def chain(self, depth: int) -> str:
        """Operators without parentheses: precedence and associativity."""
        text = self.selector()
        for _ in range(self.rng.randint(1, 3)):
            vector = self.rng.random() < 0.5
            op = self.rng.choice((*ARITHMETIC, *ORDERING, *SET) if vector else (*ARITHMETIC, *ORDERING))
            sign = self.pick("", "", "-")
            text += f" {op} {sign}{self.bare() if vector else self.pick('2', '0.5', '3')}"
        return f"({text})"

    def minus(self, depth: int) -> str:
        return self.pick("-", "-", "+") + self.selector() if self.rng.random() < 0.5 else f"-({self.vector(depth - 1)})"

    def other(self, depth: int) -> str:
        kind = self.rng.random()
        if kind < 0.3:
            return f"vector({self.scalar(depth - 1)})"
        if kind < 0.6:
            return f"timestamp({self.selector() if self.rng.random() < 0.7 else self.vector(depth - 1)})"
        return f"({self.vector(depth - 1)})"

    def scalar(self, depth: int) -> str:
        """A scalar."""
        kind = self.rng.random()
        if depth <= 0 or kind < 0.5:
            return self.pick(*NUMBERS, "pi()")
        if kind < 0.6:
            return "time()"
        if kind < 0.85:
            return f"scalar({self.vector(depth - 1)})"
        op = self.pick(*ARITHMETIC, *(f"{op} bool" for op in ORDERING))
        return f"({self.scalar(depth - 1)} {op} {self.scalar(depth - 1)})"


def _deviates_well(name: str, operand: str) -> bool:
    return not (name.startswith(DIFFERENCES) and _CLOSE.search(operand))
