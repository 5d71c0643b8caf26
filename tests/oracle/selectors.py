"""Seeded selectors over a data set."""

from __future__ import annotations

import random

from tests.oracle.data import BASE_MS, INSTANCES, JOBS, SPAN_MS, Dataset
from tests.oracle.vocabulary import OFFSETS


class Selectors:
    """Draws selectors that mostly find something."""

    def __init__(self, rng: random.Random, data: Dataset) -> None:
        self.rng = rng
        self.data = data

    def pick(self, *choices: str) -> str:
        return self.rng.choice(choices)

    def selector(self) -> str:
        """A selector with matchers and modifiers."""
        return self.bare() + self.modifiers()

    def bare(self, names: tuple[str, ...] | None = None) -> str:
        """A selector without modifiers."""
        if names is None and self.rng.random() < 0.05:
            return f'{{__name__=~"{self.data.prefix}(temp|{self.pick("free", "errs_total", "nosuch")})"}}'
        name = self.rng.choice(names or self.data.names)
        return name + self.matchers(name)

    def matchers(self, name: str) -> str:
        """Matchers that mostly find something of the metric."""
        if self.rng.random() < 0.7:
            return ""
        choices = [
            f'job="{self.rng.choice(JOBS)}"', f'job!="{self.rng.choice(JOBS)}"', 'job=~".+"', 'nosuch=~".*"', 'nosuch=""',
        ]  # fmt: skip
        if name != self.data.info:
            choices += [
                f'instance="{self.rng.choice(INSTANCES)}"',
                'instance=~"h[01]"',
                'instance!~"h0|h2"',
                'instance!="h1"',
            ]
        own = {self.data.gauges[1]: 'dev="sda"', self.data.counters[0]: 'code=~"5.."', self.data.buckets: 'le!="+Inf"'}
        choices += [own[name]] * 4 if name in own else []
        return "{" + ",".join(self.rng.sample(choices, self.rng.choice((1, 1, 2)))) + "}"

    def modifiers(self) -> str:
        text = ""
        if self.rng.random() < 0.1:
            text += f" offset {self.rng.choice(OFFSETS)}"
        if self.rng.random() < 0.06:
            second = (BASE_MS + self.rng.randrange(SPAN_MS)) / 1000
            text += " @ " + self.pick("start()", "end()", f"{second:.0f}", f"{second:.3f}")
        return text
