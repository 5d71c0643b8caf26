"""The parts of the stack, in the order in which they are shown and waited for."""

from __future__ import annotations

from collections.abc import Iterable

from deploy.errors import UnknownPart
from deploy.parts import flink, influxdb, jobserver, kafka, workers
from deploy.parts.base import Part

PARTS: dict[str, Part] = {
    part.name: part
    for part in (
        kafka.PART,
        influxdb.PART,
        flink.JOBMANAGER_PART,
        flink.TASKMANAGER_PART,
        jobserver.PART,
        workers.PART,
    )
}

GROUPS: dict[str, tuple[str, ...]] = {"flink": ("flink-jobmanager", "flink-taskmanager")}

STANDARD_PORTS: dict[str, int] = {name: number for part in PARTS.values() for name, number in part.ports.items()}


def resolve(words: Iterable[str], *, with_needs: bool = False) -> list[Part]:
    """The parts that words name, groups expanded, in the stack's order; no words name all.

    Raises:
        UnknownPart: for a word that is neither a part nor a group.
    """
    wanted: set[str] = set()
    for word in words:
        if word not in PARTS and word not in GROUPS:
            raise UnknownPart(f"no part {word!r}; the stack has {', '.join([*PARTS, *GROUPS])}")
        wanted.update(GROUPS.get(word, (word,)))
    if not wanted:
        wanted = set(PARTS)
    if with_needs:
        wanted.update(need for name in list(wanted) for need in PARTS[name].needs)
    return [part for name, part in PARTS.items() if name in wanted]
