"""The rules' part of a pipeline, with rule files and samples from one stream of elements, so that a transcript has them in order."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import apache_beam as beam
from apache_beam.coders import BytesCoder
from apache_beam.testing.test_stream import TestStream as Stream

from schemas.batch import MIN_WATERMARK
from tests.transcripts.alerts.hosts import RULE_FILES, Element, Programme
from transforms.alerts import beam as alerts
from transforms.alerts.beam import EvaluateRules
from transforms.alerts.settings import EvaluationSettings


class _Given(beam.PTransform):
    """Rule files of a collection, in the place of those that are watched."""

    def __init__(self, files: beam.PCollection) -> None:
        super().__init__()
        self._files = files

    def expand(self, _: Any) -> beam.PCollection:
        return self._files | beam.Values().with_output_types(bytes)


def apart(element: bytes) -> Element:
    """Key and value of an element of a stream."""
    end = element[0] + 1
    return element[1:end], element[end:]


def has_rules(element: Element) -> bool:
    """Whether an element is a rule file."""
    return element[0] == RULE_FILES


def has_samples(element: Element) -> bool:
    """Whether an element is one of a source."""
    return element[0] != RULE_FILES


def stream(programme: Programme) -> Stream:
    """The elements of transcripts, with the job's watermark after those of each step."""
    # Runners decode the elements themselves, and all know bytes.
    found = Stream(coder=BytesCoder())
    reached = MIN_WATERMARK
    for elements, watermark in programme.steps:
        found.add_elements([bytes([len(key)]) + key + data for key, data in elements])
        if watermark > reached:
            found.advance_watermark_to(watermark / 1000)
            reached = watermark
    return found.advance_watermark_to_infinity()


def evaluated(elements: beam.PCollection, settings: EvaluationSettings, launch_ms: int) -> dict[str, beam.PCollection]:
    """The outputs of the rules.

    Args:
        elements: those of a :func:`stream`.
        settings: of both stages.
        launch_ms: the time by the clock when the job is launched.
    """
    kind = tuple[bytes, bytes]
    elements |= "Keys" >> beam.Map(apart).with_output_types(kind)
    files = elements | "Rule files alone" >> beam.Filter(has_rules).with_output_types(kind)
    samples = elements | "Others alone" >> beam.Filter(has_samples).with_output_types(kind)
    with (
        patch.object(alerts, "WatchRules", _Given),
        patch.object(alerts, "time", SimpleNamespace(time=lambda: launch_ms / 1000)),
    ):
        watched: Any = files
        return samples | "Rules" >> EvaluateRules(settings, watched)
