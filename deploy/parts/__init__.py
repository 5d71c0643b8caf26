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

    def resolve(self, wanted: Iterable[str], *, with_needs: bool = False) -> list[Part]:
        """The named parts, groups expanded, in order; all parts without names.

        Raises:
            UnknownPart: a name is neither a part nor a group.
        """
        found: set[str] = set()
        for name in wanted:
            if name not in self.names and name not in self.groups:
                raise UnknownPart(f"no part {name!r}; the stack has {', '.join([*self.names, *self.groups])}")
            found.update(self.groups.get(name, (name,)))
        if not found:
            found = set(self.names)
        if with_needs:
            found.update(need for name in list(found) for need in self.part(name).needs)
        return [part for part in self.members if part.name in found]


CATALOGUE = Catalogue(
    (kafka.PART, influxdb.PART, flink.JOBMANAGER_PART, flink.TASKMANAGER_PART, jobserver.PART, workers.PART),
    {"flink": ("flink-jobmanager", "flink-taskmanager")},
)
