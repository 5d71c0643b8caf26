"""Tidemark for pipelines of one's own, and what a person types: the command and its subcommands.

::

    from tidemark import CutRecords, IntakeSettings, Rollups, Rows, Tiers

    with beam.Pipeline() as pipeline:
        records = pipeline | beam.Create([{"labels": {"host": "a"}, "timestamp": 1700000000000, "samples": {"load": 1.5}}])
        rows = (records | CutRecords(IntakeSettings()))["samples"] | Rollups(Tiers())
        rows["1m"] | Rows() | beam.Map(print)

``docs/pipelines.md`` has what each takes and gives. Nothing is imported before it is used, so the command starts at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.writing import WriteRecords, WriteRollups
    from schemas.tiers import Tier, Tiers
    from transforms.alerts.beam import EvaluateRules, Events
    from transforms.alerts.settings import EvaluationSettings
    from transforms.intake.beam import IntakeSettings
    from transforms.intake.source import CutRecords
    from transforms.io.files.source import ReadFiles
    from transforms.io.kafka.source import KafkaSource, ReadKafka
    from transforms.io.kafka.topic import KafkaTopic
    from transforms.machines.beam import RunMachine
    from transforms.machines.local import LocalMachine
    from transforms.machines.machine import Cells, Machine, Memory, Out, Timer, Timers
    from transforms.rollups.beam import Rollups, Rows

__all__ = [
    "Cells",
    "CutRecords",
    "EvaluateRules",
    "EvaluationSettings",
    "Events",
    "IntakeSettings",
    "KafkaSource",
    "KafkaTopic",
    "LocalMachine",
    "Machine",
    "Memory",
    "Out",
    "ReadFiles",
    "ReadKafka",
    "Rollups",
    "Rows",
    "RunMachine",
    "Tier",
    "Tiers",
    "Timer",
    "Timers",
    "WriteRecords",
    "WriteRollups",
]

_HOMES = {
    "pipelines.writing": ("WriteRecords", "WriteRollups"),
    "schemas.tiers": ("Tier", "Tiers"),
    "transforms.alerts.beam": ("EvaluateRules", "Events"),
    "transforms.alerts.settings": ("EvaluationSettings",),
    "transforms.intake.beam": ("IntakeSettings",),
    "transforms.intake.source": ("CutRecords",),
    "transforms.io.files.source": ("ReadFiles",),
    "transforms.io.kafka.source": ("KafkaSource", "ReadKafka"),
    "transforms.io.kafka.topic": ("KafkaTopic",),
    "transforms.machines.beam": ("RunMachine",),
    "transforms.machines.local": ("LocalMachine",),
    "transforms.machines.machine": ("Cells", "Machine", "Memory", "Out", "Timer", "Timers"),
    "transforms.rollups.beam": ("Rollups", "Rows"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """What :data:`__all__` names, imported when it is asked for.

    Raises:
        ImportError: another installed package has the name of one of Tidemark's.
    """
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tidemark.packages import check_packages

    check_packages()
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
