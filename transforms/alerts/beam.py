"""Rules evaluated in a stream: the two machines of :mod:`transforms.alerts` as steps of a pipeline.

::

    samples --> keyed by rule shard --+
    launch time ----------------------+--> shards --> contributions --+--> groups --> events, samples
    rule files -----------------------+-------------------------------+

Timers of a key may fire in no order of time (:mod:`transforms.machines.beam`): the machines take a timer for all evaluation times up to its own.
"""

from __future__ import annotations

import time

import apache_beam as beam

from schemas import alert_event
from transforms.alerts.groups.machine import GroupMachine
from transforms.alerts.rule_files.source import RuleSource, WatchRules
from transforms.alerts.settings import CONTRIBUTIONS, EVENTS, SAMPLES, EvaluationSettings
from transforms.alerts.shards.beam import KeyByRuleShard, extents_of
from transforms.alerts.shards.machine import ShardMachine, key_of
from transforms.machines.beam import machine_step
from transforms.machines.watermarks import LAUNCH

GROUP_KEY = b"rules"
"""The one key of the second stage."""

_KEYED = tuple[bytes, bytes]


class Events(beam.PTransform):
    """Alert events in wire form, of :class:`EvaluateRules`, to :class:`schemas.alert_event.AlertEvent`."""

    def expand(self, events: beam.PCollection) -> beam.PCollection:
        """One step."""
        return events | "Decode" >> beam.Map(alert_event.decode).with_output_types(alert_event.AlertEvent)


def _to_shards(element: bytes, shards: int) -> list[tuple[bytes, bytes]]:
    return [(key_of(number), element) for number in range(shards)]


def _to_groups(element: bytes) -> tuple[bytes, bytes]:
    return GROUP_KEY, element


def _one(collections: list[beam.PCollection], label: str) -> beam.PCollection:
    return collections[0] if len(collections) == 1 else tuple(collections) | label >> beam.Flatten()


class EvaluateRules(beam.PTransform):
    """Samples to alert events, and to the samples that rules write.

    Input: ``(Key.encode(), schemas.batch.encode(...))``, as the sources give them (:func:`transforms.intake.beam.take_in`), marks too. Output:
    ``{"events": ..., "samples": ...}``, events as :func:`schemas.alert_event.encode` gives them, samples in wire form; ``samples`` are
    ``ALERTS``, ``ALERTS_FOR_STATE`` and the results of recording rules.

    Args:
        settings: of both stages; fixed for the life of a job's state, but for the files.
        watch: where the rule files are looked for while the job runs; None if they stay as they are.
    """

    def __init__(self, settings: EvaluationSettings, watch: RuleSource | None = None) -> None:
        super().__init__()
        self._settings, self._watch = settings, watch

    def expand(self, samples: beam.PCollection) -> dict[str, beam.PCollection]:
        """Two stateful steps; each reads a collection that nothing else reads, for Flink's runner names its state after that."""
        settings = self._settings
        keyed = samples | "Key by rule shard" >> beam.ParDo(KeyByRuleShard(settings.shards)).with_output_types(_KEYED)
        to_shards, to_groups = [keyed], []
        if not settings.bounded:
            # `absent()` must fire without any sample: event time begins with the first extent that a shard receives.
            launched = extents_of(int(time.time() * 1000), settings.shards, [LAUNCH])
            to_shards.append(samples.pipeline | "Launch time" >> beam.Create(launched).with_output_types(_KEYED))
        if self._watch is not None:
            found = samples.pipeline | "Rule files" >> WatchRules(self._watch)
            to_shards.append(
                found | "Files for shards" >> beam.FlatMap(_to_shards, settings.shards).with_output_types(_KEYED)
            )
            to_groups.append(found | "Files for groups" >> beam.Map(_to_groups).with_output_types(_KEYED))
        contributions = _one(to_shards, "All for shards") | "Shards" >> machine_step(
            ShardMachine, settings, "instants_shards", CONTRIBUTIONS
        )
        if settings.bounded:
            # The local runner would put both steps into one stage, where nothing makes the timers of groups wait for those of shards.
            contributions = contributions | "Wait for shards" >> beam.Reshuffle()
        to_groups.append(contributions | "Key by group" >> beam.Map(_to_groups).with_output_types(_KEYED))
        evaluated = _one(to_groups, "All for groups") | "Groups" >> machine_step(
            GroupMachine, settings, "instants_groups", EVENTS, SAMPLES
        )
        return {EVENTS: evaluated[EVENTS], SAMPLES: evaluated[SAMPLES]}
