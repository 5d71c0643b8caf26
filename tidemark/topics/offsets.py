"""Topics and where they begin and end, and how far a consumer group has come."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import CoordinatorNotAvailableError
from kafka.structs import OffsetAndMetadata

from schemas.errors import FAILURE, UserError

_COORDINATOR_ATTEMPTS = 20
_COORDINATOR_WAIT_S = 0.5


class Partition(NamedTuple):
    """A partition: its records have offsets from ``begin`` to before ``end``."""

    topic: str
    partition: int
    begin: int
    end: int

    @property
    def records(self) -> int:
        """At most so many: compaction and transactions leave gaps."""
        return self.end - self.begin


class Lag(NamedTuple):
    """How far a group has come in a partition; ``committed`` is None where it has committed nothing."""

    topic: str
    partition: int
    committed: int | None
    end: int
    lag: int


def partitions(admin: KafkaAdminClient, topics: Sequence[str]) -> list[Partition]:
    """The partitions of topics, in order; of all topics if none is named.

    Raises:
        UserError: no such topic; the message says which there are.
        kafka.errors.KafkaError: the broker refuses.
    """
    known = admin.list_topics()
    missing = sorted(set(topics) - set(known))
    if missing:
        raise UserError(f"no topic {', '.join(missing)}; there are: {', '.join(sorted(known)) or 'none'}", FAILURE)
    wanted = sorted(topics or known)
    if not wanted:
        return []
    found = [
        TopicPartition(described["name"], partition["partition_index"])
        for described in admin.describe_topics(wanted)
        for partition in described["partitions"]
    ]
    begins = admin.list_partition_offsets(dict.fromkeys(found, OffsetSpec.EARLIEST))
    ends = admin.list_partition_offsets(dict.fromkeys(found, OffsetSpec.LATEST))
    return [Partition(tp.topic, tp.partition, begins[tp].offset, ends[tp].offset) for tp in sorted(found)]


def lag(admin: KafkaAdminClient, group: str, topics: Sequence[str] = ()) -> list[Lag]:
    """How far a group is behind, in the topics named or in all that it has committed offsets for.

    Where it has committed nothing, all records of the partition count.

    Raises:
        UserError: the group has committed nothing, or there is no such topic; the message says what there is.
        kafka.errors.KafkaError: the broker refuses.
    """
    committed = _committed(admin, group)
    offsets = {tp: meta.offset for tp, meta in committed.items() if meta.offset >= 0}
    if not offsets:
        groups = sorted(each["group_id"] for each in admin.list_groups())
        raise UserError(f"the group {group} has committed no offsets; groups: {', '.join(groups) or 'none'}", FAILURE)
    wanted = topics or sorted({tp.topic for tp in offsets})
    found = []
    for topic, partition, begin, end in partitions(admin, wanted):
        offset = offsets.get(TopicPartition(topic, partition))
        found.append(Lag(topic, partition, offset, end, end - (begin if offset is None else offset)))
    return found


def _committed(admin: KafkaAdminClient, group: str) -> dict[TopicPartition, OffsetAndMetadata]:
    for _ in range(_COORDINATOR_ATTEMPTS):
        try:
            return admin.list_group_offsets({group: None}).get(group) or {}
        except CoordinatorNotAvailableError:
            # A broker that no group has asked before creates its topic of offsets first.
            time.sleep(_COORDINATOR_WAIT_S)
    return admin.list_group_offsets({group: None}).get(group) or {}
