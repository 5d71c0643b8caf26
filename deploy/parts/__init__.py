"""The parts of the stack, in the order in which they are shown and waited for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from deploy.errors import UnknownPart
from deploy.parts import flink, influxdb, jobserver, kafka, workers
from deploy.parts.base import Part


@dataclass(frozen=True)
class Catalogue:
    """Which parts there are.

    Attributes:
        members: the parts, in order.
        groups: names for several parts.
    """

    members: tuple[Part, ...]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The names of all parts, in order."""
        return [part.name for part in self.members]

    @property
    def standard_ports(self) -> dict[str, int]:
        """Every named port with its standard number."""
        return {name: number for part in self.members for name, number in part.ports.items()}

    def part(self, name: str) -> Part:
        """The part of a name.

        Raises:
            UnknownPart: when there is none; a group is not a part.
        """
        for part in self.members:
            if part.name == name:
                return part
        raise UnknownPart(f"no part {name!r}; the stack has {', '.join(self.names)}")

    def resolve(self, words: Iterable[str], *, with_needs: bool = False) -> list[Part]:
        """The parts that words name, groups expanded, in order; no words name all.

        Raises:
            UnknownPart: for a word that is neither a part nor a group.
        """
        wanted: set[str] = set()
        for word in words:
            if word not in self.names and word not in self.groups:
                raise UnknownPart(f"no part {word!r}; the stack has {', '.join([*self.names, *self.groups])}")
            wanted.update(self.groups.get(word, (word,)))
        if not wanted:
            wanted = set(self.names)
        if with_needs:
            wanted.update(need for name in list(wanted) for need in self.part(name).needs)
        return [part for part in self.members if part.name in wanted]


CATALOGUE = Catalogue(
    (kafka.PART, influxdb.PART, flink.JOBMANAGER_PART, flink.TASKMANAGER_PART, jobserver.PART, workers.PART),
    {"flink": ("flink-jobmanager", "flink-taskmanager")},
)
