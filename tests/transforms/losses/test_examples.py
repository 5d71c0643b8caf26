from __future__ import annotations

import pytest

from schemas.batch import PLACES, sequence
from schemas.builder import Shared
from schemas.series import MEASUREMENT_ORIGIN
from transforms.losses.examples import (
    COLLIDED,
    REFUSED,
    SHARED_NAME,
    UNREADABLE,
    Example,
    collided,
    in_files,
    place_of,
    position,
    shared_name,
    shown,
)
from transforms.rollups.collisions import Collision


def test_an_example_is_read_back() -> None:
    example = Example(REFUSED, "here", "because", "é\n", 12)
    assert Example.decode(example.encode()) == example


def test_an_example_is_reported_in_two_lines_and_in_one_where_there_is_no_record() -> None:
    example = Example(REFUSED, "InfluxDB, bucket raw", "because", "up value=1 0", 1_700_000_000_123)
    assert example.lines() == ["InfluxDB, bucket raw: because", "  up value=1 0  (2023-11-14T22:13:20.123Z)"]
    assert example._replace(time_ms=None).lines() == ["InfluxDB, bucket raw: because", "  up value=1 0"]
    assert Example(UNREADABLE, "/a.lp.gz", "the file is damaged").lines() == ["/a.lp.gz: the file is damaged"]


def test_positions_of_files_and_topics() -> None:
    assert position("/data/a.lp", 0, 11) == "/data/a.lp, line 12"
    assert position("/data/a.lp", 0, 11, 3) == "/data/a.lp, line 14"
    assert position("metrics.raw", 3, 11) == "topic metrics.raw, partition 3, offset 11"
    assert position("/data/a.json", 0, 11, 3, "document") == "/data/a.json, line 12, document 3"
    assert position("metrics.raw", 3, 11, 2, "series") == "topic metrics.raw, partition 3, offset 11, series 2"
    assert position("metrics.raw", 3, 11, 2) == "topic metrics.raw, partition 3, offset 11, line 2"


def test_a_sample_that_collided_is_reported_with_its_position_and_its_time() -> None:
    collision = Collision('{__name__="up",host="a"}', 1_700_000_000_123, 1.5, sequence(3, 17), "of another time")
    assert collided(collision) == Example(
        COLLIDED,
        "partition 3, offset 17",
        "of another time",
        '{__name__="up",host="a"} 1.5',
        1_700_000_000_123,
    )


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ("partition 0, offset 0", "/a.lp, line 1"),
        ("partition 1, offset 41", "/b.lp, line 42"),
        ("partition 2, offset 0", "partition 2, offset 0"),
        ("topic t, partition 1, offset 41", "topic t, partition 1, offset 41"),
    ],
    ids=["the first line", "the second file", "no such file", "of a topic"],
)
def test_in_a_run_over_files_a_partition_is_a_file_and_an_offset_a_line(where: str, wanted: str) -> None:
    example = Example(COLLIDED, where, "because", "up 1", 12)
    assert in_files(example, ["/a.lp", "/b.lp"]) == example._replace(where=wanted)


def test_a_shared_name_is_reported_with_the_measurements_that_make_it() -> None:
    shared = Shared("disk_used_percent", MEASUREMENT_ORIGIN + "disk", MEASUREMENT_ORIGIN + "disk_used")
    assert shared_name(shared) == Example(
        SHARED_NAME, "disk_used_percent", "of measurement disk, and of measurement disk_used"
    )


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (b"a\nb\x00\xff", "a\\nb\\x00\\xff"),
        (b"x" * 200, "x" * 200),
        (b"x" * 201, "x" * 200 + "..."),
        # Characters, not bytes: of four bytes each.
        ("\U0001f30a".encode() * 200, "\U0001f30a" * 200),
        ("\U0001f30a".encode() * 200 + b"x", "\U0001f30a" * 200 + "..."),
        ("\U0001f30a".encode() * 201, "\U0001f30a" * 200 + "..."),
    ],
    ids=["not printable", "just short enough", "one too many", "wide", "wide and one more", "wide and one too many"],
)
def test_of_a_record_two_hundred_characters_are_shown_in_one_line(record: bytes, text: str) -> None:
    assert shown(record) == text


@pytest.mark.parametrize(
    ("partition", "offset"), [(0, 0), (0, 12), (3, 0), (3, 12), (4095, PLACES - 1), (0, PLACES + 5)]
)
def test_a_place_in_the_order_of_records_is_a_partition_and_an_offset(partition: int, offset: int) -> None:
    assert place_of(sequence(partition, offset)) == (partition, offset)
    assert place_of(sequence(partition, offset) + sequence(0, partition * PLACES)) == (partition, offset)
