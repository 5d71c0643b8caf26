"""How far a shard is, in the bytes that a state holds of it."""

from __future__ import annotations

import pytest

from schemas.times import LONG_AGO
from transforms.alerts.shards.meta import Meta

META = Meta(b"token-of", 120_000, -60_000, 180_000, 175_000, 7, 60_000, 3)
STORED = (
    b"\x02token-of"
    b"\x00\x00\x00\x00\x00\x01\xd4\xc0"
    b"\xff\xff\xff\xff\xff\xff\x15\xa0"
    b"\x00\x00\x00\x00\x00\x02\xbf\x20"
    b"\x00\x00\x00\x00\x00\x02\xab\x98"
    b"\x00\x00\x00\x00\x00\x00\x00\x07"
    b"\x00\x00\x00\x00\x00\x00\xea\x60"
    b"\x00\x00\x00\x00\x00\x00\x00\x03"
)


def test_the_stored_form_is_read_by_later_releases() -> None:
    assert META.encode() == STORED
    assert Meta.decode(STORED) == META


def test_a_new_shard_has_been_nowhere() -> None:
    new = Meta.decode(Meta().encode())
    assert (new.due, new.begin, new.armed, new.newest, new.compacted) == (LONG_AGO,) * 5
    assert (new.stored, new.amendments) == (0, 0)


def test_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="of version 3; this release reads version 2"):
        Meta.decode(b"\x03" + STORED[1:])


@pytest.mark.parametrize(
    ("evaluated", "begin", "after"),
    [
        (120_000, 60_000, 120_000),
        (0, 60_000, 0),
        # The first evaluation time may be that of the first sample itself.
        (LONG_AGO, 60_000, 59_999),
    ],
)
def test_evaluation_times_come_after_the_last_one_or_from_the_first_sample_on(
    evaluated: int, begin: int, after: int
) -> None:
    assert Meta(due=evaluated, begin=begin).after == after
