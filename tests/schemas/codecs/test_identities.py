"""What codecs say of series and times that a batch's names and milliseconds do not hold."""

from __future__ import annotations

import pytest

from schemas.batch import SampleBatch
from schemas.builder import Shared
from schemas.codecs.block import BlockDecoder, DecodedBlock
from schemas.records import JSON_SCRAPE, LINE_PROTOCOL, RawRecord
from schemas.units import Precision

NOW = 1_800_000_000_000


def decoded(*texts: str, content_type: str = JSON_SCRAPE, decoder: BlockDecoder | None = None) -> DecodedBlock:
    records = [RawRecord(text.encode(), offset, NOW, content_type) for offset, text in enumerate(texts)]
    return (decoder or BlockDecoder()).decode_block(records, "t", 0)


def named(batch: SampleBatch) -> list[tuple[str, str, str, float]]:
    """Of each sample target, metric, origin and value."""
    origins = batch.origins or [""] * len(batch.metrics)
    columns = (batch.target.tolist(), batch.metric.tolist(), batch.value.tolist())
    return [
        (batch.targets[target], batch.metrics[metric], origins[metric], value)
        for target, metric, value in zip(*columns, strict=True)
    ]


A1, A2 = ("a", "", 1.0), ("a", "", 2.0)
LINES = """disk,host=a used_percent=1 1000000
disk_used,host=a percent=2 1000000
disk_used_percent,host=a value=3 1000000
"""


@pytest.mark.parametrize("more", ["", 'disk,host=a used_percent=1,s="x" 1000000\n', "disk,host=a used_percent=+1 1\n"])
def test_a_metric_says_of_which_measurement_it_is(more: str) -> None:
    block = decoded(LINES + more, content_type=LINE_PROTOCOL)
    assert named(block.batch)[:3] == [
        ('{host="a"}', "disk_used_percent", "measurement disk", 1.0),
        ('{host="a"}', "disk_used_percent", "measurement disk_used", 2.0),
        ('{host="a"}', "disk_used_percent", "measurement disk_used_percent", 3.0),
    ]
    assert named(decoded('{"samples": {"disk_used_percent": 1}}').batch) == [("{}", "disk_used_percent", "", 1.0)]


def test_a_name_of_two_measurements_is_reported_once_a_pair() -> None:
    decoder = BlockDecoder()
    first, second, third = (
        decoded(lines, content_type=LINE_PROTOCOL, decoder=decoder)
        for lines in ("disk,host=a used_percent=1 1", LINES, LINES + "disk,host=b used_percent=1 1")
    )
    assert first.shared == third.shared == ()
    assert second.shared == (
        Shared("disk_used_percent", "measurement disk", "measurement disk_used"),
        Shared("disk_used_percent", "measurement disk", "measurement disk_used_percent"),
    )


@pytest.mark.parametrize(
    ("time", "precision", "ts", "fine"),
    [
        ("1700000000000999999", "ns", 1_700_000_000_000, 999_999),
        ("1700000000000000000", "ns", 1_700_000_000_000, 0),
        ("1700000000000000001", "ns", 1_700_000_000_000, 1),
        ("7", "ns", 0, 7),
        ("1000007", "ns", 1, 7),
        ("1700000000000123", "us", 1_700_000_000_000, 123_000),
        ("123", "us", 0, 123_000),
        ("1700000000123", "ms", 1_700_000_000_123, 0),
        ("1700000000", "s", 1_700_000_000_000, 0),
    ],
)
@pytest.mark.parametrize("field", ["v=1", 'v=1,s=""', 'v=1,s="\\""'], ids=["plain", "string", "parsed"])
def test_nanoseconds_beyond_the_millisecond(time: str, precision: Precision, ts: int, fine: int, field: str) -> None:
    lines = f"m {field} {time}\nm {field} {time}\nm {field}\n"
    batch = decoded(lines, content_type=LINE_PROTOCOL, decoder=BlockDecoder(precision=precision)).batch
    assert batch.ts.tolist() == [ts, ts, NOW]
    assert (batch.fine.tolist() if batch.fine is not None else [0, 0, 0]) == [fine, fine, 0]


@pytest.mark.parametrize(
    ("document", "samples"),
    [
        ('{"samples": {"a": 1, "a": 2}}', [("{}", "a", "", 1.0), ("{}", "a", "", 2.0)]),
        ('{"samples": {"a": 1, "b": "+Inf", "\\u0061": 2}}', [("{}", *it) for it in (A1, ("b", "", float("inf")), A2)]),
        ('{"samples": {"a{x=\\"1\\u002c2\\"}": 1}}', [("{}", 'a{x="1,2"}', "", 1.0)]),
        ('{"labels": {}, "samples": {}}', []),
        (
            '[{"samples": {"a": 1}, "labels": {"x": "1,2", "y": "3"}}, {"samples": {}}]',
            [("{}", 'a{x="1,2",y="3"}', "", 1.0)],
        ),
        ('[{"samples": {"a": 1, "a": 2}}, {"samples": {"a": 3}}]', [("{}", "a", "", float(n)) for n in (1, 2, 3)]),
    ],
)
def test_a_key_that_is_given_twice_is_two_samples(document: str, samples: list[tuple[str, str, str, float]]) -> None:
    block = decoded(document)
    assert (block.records_ok, block.dead_letters) == (1, [])
    assert named(block.batch) == samples


@pytest.mark.parametrize("left", ["", " x"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_documents_behind_each_other_say_so_too(mark: str, left: str) -> None:
    block = decoded(mark + '{"samples": {"a": 1, "a": 2}} {"samples": {"b": 3}}' + left)
    assert named(block.batch) == [("{}", *A1), ("{}", *A2), ("{}", "b", "", 3.0)]
    assert len(block.dead_letters) == bool(left)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ('{"samples": {"a": 1}, "samples": {"b": 1}}', '"samples" is given twice'),
        ('{"samples": {"a": 1}, "timestamp": 1, "timestamp": 2}', '"timestamp" is given twice'),
        ('{"labels": {"host": "a", "x": "", "host": "b"}, "samples": {"a": 1}}', 'labels: "host" is given twice'),
    ],
)
def test_what_says_two_things_of_all_its_samples_is_refused(document: str, reason: str) -> None:
    assert [letter.reason for letter in decoded(document).dead_letters] == [reason]
    block = decoded(f'[{{"samples": {{"ok": 1}}}}, {document}, {{"samples": {{"ok": 2}}}}]')
    assert [(letter.reason, letter.line) for letter in block.dead_letters] == [(reason, 2)]
    assert [value for *_, value in named(block.batch)] == [1.0, 2.0]


@pytest.mark.parametrize(
    ("labels", "key", "sample"),
    [
        ('{"env": "a"}', 'm{env=\\"z\\"}', ("{}", 'm{env="z"}', 'labels {env="a"}')),
        ('{"env": "z"}', 'm{env=\\"z\\"}', ("{}", 'm{env="z"}', "")),
        ('{"env": "a"}', 'm{env=\\"\\"}', ("{}", "m", 'labels {env="a"}')),
        ('{"host": "a"}', 'm{host=\\"z\\"}', ('{host="z"}', "m", 'labels {host="a"}')),
        ('{"host": "z", "job": "j"}', 'm{host=\\"z\\"}', ('{host="z",job="j"}', "m", "")),
        ('{"job": "j"}', 'm{host=\\"z\\"}', ('{host="z",job="j"}', "m", "")),
        (
            '{"host": "a", "env": "a"}',
            'm{host=\\"z\\",env=\\"z\\"}',
            ('{host="z"}', 'm{env="z"}', 'labels {env="a"} labels {host="a"}'),
        ),
    ],
)
def test_a_label_that_a_key_takes_the_place_of_is_remembered(
    labels: str, key: str, sample: tuple[str, str, str]
) -> None:
    block = decoded(*[f'{{"labels": {labels}, "samples": {{"other": 0, "{key}": 1}}}}'] * 2)
    assert named(block.batch)[1::2] == [(*sample, 1.0)] * 2
    assert block.shared == ()
