"""Fragments ready to be evaluated, and the evaluation times at which they are due."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from rules.evaluation.groups import aligned
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
    instants: dict[object, bytes] = {}
    found: dict[bytes, list[Task]] = {}
    for task in tasks:
        spec = task.spec
        key = spec.schedules if spec.step_ms is None else spec.step_ms
        if key not in instants:
            instants[key] = np.unique(np.concatenate([*_instants(spec, after_ms, until_ms)])).tobytes()
        found.setdefault(instants[key], []).append(task)
    return [Run(tuple(together), np.frombuffer(times, np.int64)) for times, together in found.items() if times]


def _instants(spec: FragmentSpec, after_ms: int, until_ms: int) -> Iterator[Times]:
    yield np.empty(0, np.int64)
    if spec.step_ms is not None:
        yield aligned(spec.step_ms, after_ms, until_ms)
        return
    for schedule in spec.schedules:
        behind = schedule.behind_ms
        yield aligned(schedule.interval_ms, after_ms + behind, until_ms + behind) - behind
