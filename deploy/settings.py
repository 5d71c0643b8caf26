"""What a person may choose about the stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

DAY = 24 * 3600

TOPICS: dict[str, int] = {"metrics.raw": 4, "metrics.dead-letter": 1, "metrics.late": 1, "alerts.events": 4}
TOPIC_CONFIGS: dict[str, dict[str, str]] = {
    # The history of alerts: every event counts, so none may give way to a later one of its key.
    "alerts.events": {"cleanup.policy": "delete", "retention.ms": str(30 * DAY * 1000)},
}
"""What topics do not take from the broker's defaults."""

BUCKETS: dict[str, int] = {"raw": 7 * DAY, "rollup_1m": 30 * DAY, "rollup_1h": 365 * DAY}


@dataclass(frozen=True)
class Settings:
    """Choices that hold for an instance, kept in its state file.

    Attributes:
        slots: task slots of the TaskManager: the highest parallelism of all running jobs together.
        taskmanager_memory: the TaskManager's whole process memory, in Flink's notation.
        flink: further Flink configuration, winning over ours, such as ``{"state.backend.type": "rocksdb"}``.
        topics: Kafka topics made at start, with their numbers of partitions.
        buckets: InfluxDB buckets made at start, with their retention in seconds; 0 keeps for ever.
    """

    slots: int = 4
    taskmanager_memory: str = "4608m"
    flink: Mapping[str, str] = field(default_factory=dict)
    topics: Mapping[str, int] = field(default_factory=lambda: dict(TOPICS))
    buckets: Mapping[str, int] = field(default_factory=lambda: dict(BUCKETS))

    def to_json(self) -> dict[str, object]:
        """The settings as a JSON object; `Settings(**...)` reads it back."""
        return asdict(self)
