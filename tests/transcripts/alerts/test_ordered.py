"""Every transcript of alerts with each element in a bundle of its own, as on Flink with bundles of one element; without a runner."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.alert_event import AlertEvent, decode
from tests.transcripts.alerts.hosts import Element, Programme
from tests.transcripts.alerts.ordered import for_shards
from tests.transcripts.alerts.transcript import BEGIN, load
from tests.transcripts.transcript import BASE
from transforms.alerts import messages
from transforms.alerts.beam import GROUP_KEY
from transforms.alerts.local import LocalPipeline
from transforms.alerts.settings import CONTRIBUTIONS, EVENTS
from transforms.alerts.shards.machine import key_of

PATHS = sorted(Path(__file__).parent.glob("*.yaml"))
PROGRAMME = Programme([load(path) for path in PATHS], 2)


def _played(*, files_first: bool) -> list[AlertEvent]:
    stages = LocalPipeline(PROGRAMME.settings)
    events: list[AlertEvent] = []

    def to_groups(data: bytes) -> None:
        events.extend(decode(out.data) for out in stages.groups.run([(GROUP_KEY, data)]) if out.tag == EVENTS)

    def is_file(element: Element) -> bool:
        return element[0] == key_of(0) and element[1][:1] == messages.RULES

    elements = for_shards(PROGRAMME, BASE + BEGIN)
    for element in filter(is_file, elements if files_first else ()):
        to_groups(element[1])
    for element in elements:
        if is_file(element) and not files_first:
            to_groups(element[1])
        for out in stages.shards.run([element]):
            if out.tag == CONTRIBUTIONS:
                to_groups(out.data)
    return events


@pytest.mark.parametrize("files_first", [False, True], ids=["in order", "files overtake"])
def test_element_by_element(files_first: bool) -> None:
    events = _played(files_first=files_first)
    for path in PATHS:
        transcript = load(path)
        assert PROGRAMME.lines(transcript, events) == transcript.expected, transcript.name
