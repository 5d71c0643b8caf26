"""What is generated, read back by the codecs: exactly the truth, and every malformed record refused."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codecs import BlockDecoder
from schemas.records import RawRecord
from tidemark.generate.arguments import FORMATS
from tidemark.generate.fleet import Fleet
from tidemark.generate.load import Load
from tidemark.generate.malformed import Malformed
from tidemark.generate.plan import Faults, scrapes
from tidemark.generate.truth import Truth

INTERVAL = 10_000
START = 1_768_176_000_000


def generate(fleet, format_name, faults, ticks, headers=True):
    """All records of a run in order, its truth as rows, and its counts."""
    load, truth, records = Load(fleet, FORMATS[format_name], headers), Truth(fleet), []
    for ts in range(START, START + ticks * INTERVAL, INTERVAL):
        planned = scrapes(fleet, ts, INTERVAL, faults)
        truth.add(planned)
        records += load.step(ts, planned)
    records += load.rest()
    return records, truth.take().to_pylist(), load.counts


def decode(records):
    """The decoded block of records in one partition, and its samples as (target, metric, ts, value)."""
    raw = [RawRecord(record.value, i, -1, record.content_type) for i, record in enumerate(records)]
    block = BlockDecoder().decode_block(raw, "metrics.raw", 0)
    batch = block.batch
    samples = [
        (batch.targets[target], batch.metrics[metric], ts, value)
        for target, metric, ts, value in zip(
            batch.target.tolist(), batch.metric.tolist(), batch.ts.tolist(), batch.value.tolist(), strict=True
        )
    ]
    return block, samples


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 1000),
    format_name=st.sampled_from(sorted(FORMATS)),
    hosts=st.integers(1, 7),
    metrics=st.integers(1, 30),
    late=st.sampled_from([0.0, 0.3]),
    duplicates=st.sampled_from([0.0, 0.4]),
    malformed=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_the_codecs_read_back_exactly_the_truth(seed, format_name, hosts, metrics, late, duplicates, malformed):
    faults = Faults(late=late, duplicates=duplicates, differing=0.5, malformed=malformed)
    records, truth, counts = generate(Fleet(seed, hosts, metrics), format_name, faults, 6)
    block, samples = decode(records)
    delivered = Counter(samples)
    assert delivered == {(row["target"], row["metric"], row["ts"], row["value"]): row["copies"] for row in truth}
    assert len(samples) == counts.deliveries * metrics
    assert len(block.dead_letters) == counts.malformed.total() == len(records) - counts.deliveries
    assert block.records_ok == counts.deliveries


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 1000), differing=st.sampled_from([0.0, 0.5, 1.0]))
def test_the_value_that_stands_is_the_last_one_delivered(seed, differing):
    faults = Faults(late=0.3, duplicates=0.5, differing=differing)
    records, truth, counts = generate(Fleet(seed, 5, 4), "json", faults, 8)
    _, samples = decode(records)
    last = {(target, metric, ts): value for target, metric, ts, value in samples}
    standing = {(row["target"], row["metric"], row["ts"]): row["value"] for row in truth if row["fate"] != "superseded"}
    assert standing == last
    fates = Counter(row["fate"] for row in truth)
    assert fates["superseded"] == counts.differing * 4
    assert all((row["delay_ms"] > 0) == (row["fate"] == "late") for row in truth if row["fate"] != "superseded")


@pytest.mark.parametrize("format_name", sorted(FORMATS))
def test_malformed_records_are_of_every_kind_that_fits_and_all_refused(format_name):
    records, _, counts = generate(Fleet(1, 4, 12), format_name, Faults(malformed=1), 5)
    block, _ = decode(records)
    kinds = set(counts.malformed)
    assert Malformed.UNKNOWN_CONTENT_TYPE in kinds
    assert len(kinds) == {"json": 3, "line": 2, "remote-write": 2, "mixed": 5}[format_name]
    assert len(block.dead_letters) == counts.malformed.total() == 20
    assert all(letter.reason for letter in block.dead_letters)


def test_without_headers_no_content_type_is_unknown():
    records, _, counts = generate(Fleet(1, 4, 12), "json", Faults(malformed=1), 5, headers=False)
    assert set(counts.malformed) == {Malformed.BROKEN_JSON, Malformed.BAD_TIMESTAMP}
    assert {record.content_type for record in records} == {"application/json"}


@pytest.mark.parametrize("format_name", ["json", "line"])
def test_records_fit_newline_delimited_files(format_name):
    records, _, _ = generate(Fleet(1, 4, 12), format_name, Faults(malformed=1), 5, headers=False)
    if format_name == "json":
        assert not any(b"\n" in record.value for record in records)
    lines = b"\n".join(record.value for record in records).split(b"\n")
    assert all(lines)


def test_a_host_keeps_its_key_and_format():
    records, _, _ = generate(Fleet(1, 6, 3), "mixed", Faults(), 4)
    formats = defaultdict(set)
    for record in records:
        formats[record.target].add(record.content_type)
    assert len(formats) == 6
    assert all(len(types) == 1 for types in formats.values())
    assert len(set.union(*formats.values())) == 3
