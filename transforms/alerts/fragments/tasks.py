"""Fragments ready to be evaluated, and the evaluation times at which they are due."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from rules.evaluation.schedule import Schedule, union
from rules.promql.values import Times
from schemas.series import stable_hash
from transforms.alerts.fragments.fragments import FragmentSpec


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A fragment with what is worked out about it once.

    Attributes:
        id: 63 bits that every program has for the same fragment.
    """

    spec: FragmentSpec
    id: int

    @classmethod
    def of(cls, spec: FragmentSpec) -> Task:
        """The task of a fragment."""
        return cls(spec, stable_hash(spec.key) >> 1)


@dataclass(frozen=True, slots=True)
class Run:
    """Fragments that are due at the same evaluation times, ascending, ms."""

    tasks: tuple[Task, ...]
    times: Times


def due(tasks: Iterable[Task], after_ms: int, until_ms: int) -> list[Run]:
    """The fragments due in ``(after_ms, until_ms]`` with their evaluation times. Those with the same times are together."""
    every = tuple(tasks)
    found: dict[bytes, list[tuple[Schedule, ...]]] = {}
    for schedules in _all_schedules(every):
        times = union([each.times(after_ms, until_ms) for each in schedules]).tobytes()
        found.setdefault(times, []).append(schedules)
    return [
        Run(_scheduled(every, tuple(together)), np.frombuffer(due_at, np.int64))
        for due_at, together in found.items()
        if due_at
    ]


# The same fragments are asked for again and again, by all shards of a process.


@lru_cache(maxsize=64)
def _all_schedules(tasks: tuple[Task, ...]) -> tuple[tuple[Schedule, ...], ...]:
    """When fragments are due, each once."""
    return tuple(dict.fromkeys(_schedules(task.spec) for task in tasks))


@lru_cache(maxsize=64)
def _scheduled(tasks: tuple[Task, ...], among: tuple[tuple[Schedule, ...], ...]) -> tuple[Task, ...]:
    """The fragments that are due at some of these, in their order."""
    wanted = set(among)
    return tuple(task for task in tasks if _schedules(task.spec) in wanted)


def _schedules(spec: FragmentSpec) -> tuple[Schedule, ...]:
    return spec.schedules if spec.step_ms is None else (Schedule(spec.step_ms),)
