"""What the intake counts of a block of records."""

from __future__ import annotations

from collections import Counter

import pytest

from schemas.records import JSON_SCRAPE, LINE_PROTOCOL, RawRecord
from transforms import accounting
from transforms.intake.beam import Intake, IntakeSettings


def counts(*records: tuple[str, bytes]) -> Counter[str]:
    found: Counter[str] = Counter()
    intake = Intake(IntakeSettings())
    intake.count = lambda name, number: found.update({name: number})  # type: ignore[method-assign]
    raw = [RawRecord(value, offset, content_type=kind) for offset, (kind, value) in enumerate(records)]
    list(intake.take(raw, "t", 0).outputs())
    return found


GOOD = b"cpu,host=a usage=1 1700000000000000000"


@pytest.mark.parametrize(
    ("records", "read", "dead", "letters", "samples"),
    [
        ([(LINE_PROTOCOL, GOOD)], 1, 0, 0, 1),
        # A record of which some lines are dead letters is one dead record, however many lines these are.
        ([(LINE_PROTOCOL, b"\n".join([GOOD, b"cpu", b"cpu,", b"cpu x"]))], 1, 1, 3, 1),
        ([(LINE_PROTOCOL, b"cpu\ncpu"), (LINE_PROTOCOL, GOOD), (JSON_SCRAPE, b"{")], 3, 2, 3, 1),
    ],
)
def test_dead_records_are_counted_as_records(
    records: list[tuple[str, bytes]], read: int, dead: int, letters: int, samples: int
) -> None:
    found = counts(*records)
    assert (found[accounting.RECORDS_READ], found[accounting.RECORDS_DEAD_LETTERED]) == (read, dead)
    assert found[accounting.RECORDS_DECODED] == read - dead
    assert (found[accounting.DEAD_LETTERS], found[accounting.SAMPLES_READ]) == (letters, samples)
