"""The rules' part of a pipeline, fed by one step with one collection, so that a shard has rule files, samples and marks in their order on any runner.

Bundles are the runner's: give it bundles of one element, or the samples of a step and those of the next are evaluated together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from schemas.batch import read_newest
from tests.transcripts.alerts.hosts import RULE_FILES, Element, Programme
from transforms.alerts import messages
from transforms.alerts.beam import GROUP_KEY
from transforms.alerts.groups.machine import GroupMachine
from transforms.alerts.settings import CONTRIBUTIONS, EVENTS, SAMPLES, EvaluationSettings
from transforms.alerts.shards.beam import extents_of
from transforms.alerts.shards.machine import ShardMachine, key_of
from transforms.machines import watermarks
from transforms.machines.beam import machine_step
from transforms.machines.watermarks import LAUNCH
from transforms.windows.content import Key

_KEYED = tuple[bytes, bytes]
_FILES = "files"


def for_shards(programme: Programme, launch_ms: int) -> list[Element]:
    """What the shards receive, in order: the launch time, then each step's samples with its marks behind them, or its rule files."""
    shards = programme.settings.shards
    found: list[Element] = extents_of(launch_ms, shards, [LAUNCH])
    for elements, _ in programme.steps:
        newest, marks = None, []
        for key, data in elements:
            if key == RULE_FILES:
                found += [(key_of(number), data) for number in range(shards)]
            elif watermarks.is_mark((key, data)):
                marks += watermarks.decode(data)
            else:
                newest = max(newest or 0, read_newest(data))
                found.append((key_of(Key.decode(key).shard % shards), messages.of_samples(data)))
        if marks:
            found += extents_of(newest, shards, marks)
    return found


class _InOrder(beam.DoFn):
    """All elements; the groups get a rule file once, of the first shard."""

    def __init__(self, elements: Sequence[Element]) -> None:
        self._elements = elements

    def process(self, _: object) -> Iterator[object]:
        for key, data in self._elements:
            if data[:1] == messages.RULES and key == key_of(0):
                yield TaggedOutput(_FILES, (GROUP_KEY, data))
            yield key, data


def _to_group(data: bytes) -> Element:
    return GROUP_KEY, data


def evaluated(pipeline: beam.Pipeline, elements: Sequence[Element], settings: EvaluationSettings) -> beam.PCollection:
    """The events of the rules, as bytes."""
    fed = (
        pipeline
        | "Once" >> beam.Impulse()
        | "In order" >> beam.ParDo(_InOrder(elements)).with_outputs(_FILES, main="shards")
    )
    shards = fed.shards | "To shards" >> beam.Map(_same).with_output_types(_KEYED)
    files = fed[_FILES] | "To groups" >> beam.Map(_same).with_output_types(_KEYED)
    contributions = shards | "Shards" >> machine_step(ShardMachine, settings, "instants_shards", CONTRIBUTIONS)
    keyed = contributions | "Key by group" >> beam.Map(_to_group).with_output_types(_KEYED)
    groups = (files, keyed) | "All for groups" >> beam.Flatten()
    return (groups | "Groups" >> machine_step(GroupMachine, settings, "instants_groups", EVENTS, SAMPLES))[EVENTS]


def _same(element: Element) -> Element:
    return element


def append(event: bytes, path: str) -> None:
    """Put an event behind those of a file."""
    with Path(path).open("ab") as file:
        file.write(event + b"\n")
