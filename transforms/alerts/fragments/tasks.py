"""Fragments ready to be evaluated, and the evaluation times at which they are due."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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
    times: dict[tuple[Schedule, ...], bytes] = {}
    found: dict[bytes, list[Task]] = {}
    for task in tasks:
        key = _schedules(task.spec)
        if key not in times:
            times[key] = union([each.times(after_ms, until_ms) for each in key]).tobytes()
        found.setdefault(times[key], []).append(task)
    return [Run(tuple(together), np.frombuffer(due_at, np.int64)) for due_at, together in found.items() if due_at]


def _schedules(spec: FragmentSpec) -> tuple[Schedule, ...]:
    return spec.schedules if spec.step_ms is None else (Schedule(spec.step_ms),)
