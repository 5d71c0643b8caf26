"""From the store to a source of the report."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from schemas.records import DeadLetter
from schemas.tiers import Tiers
from tests.tidemark.report.test_series import TARGET, raw_table, rollup_table
from tidemark.report import build

TIERS = Tiers.from_config({"rollups": [{"name": "10s", "window": "10s", "retention": "7d"}]})


@pytest.mark.parametrize("written", ['ALERTS{alertname="A",alertstate="firing"}', "job:m:sum"])
def test_what_rules_wrote_is_neither_drawn_nor_takes_part_in_finding_what_came_late(written, monkeypatch):
    # Samples of rules have no place in the source; by those here, the last of the others would have come late.
    wrote = [(written, TARGET, 60_000, 1.0, 1)]
    came = [("m", TARGET, 1_000, 1.0, 0), ("m", TARGET, 5_000, 2.0, 2)]
    rows = rollup_table({"window": 0, "count": 2, "sum": 3.0, "min": 1.0, "max": 2.0})
    monkeypatch.setattr(build, "read_raw", lambda *_: raw_table(*wrote, *came))
    monkeypatch.setattr(build, "read_rollups", lambda *_: rows)
    source = build.read_source(Path(), "s", "", "", TIERS, (0, 70_000), (), {}, 5_000, draw_samples=True)
    assert [(line.metric, line.value.tolist()) for line in source.raw] == [("m", [1.0, 2.0])]
    assert source.tiers["10s"].lines[0].late == []


def test_a_dead_letter_that_was_written_twice_is_one(tmp_path):
    def put(name, reason, written):
        letter = DeadLetter(reason, "/in/a.lp", 0, 4, b"x", "application/json", line=2)
        (tmp_path / name).write_bytes(letter.encode() + b"\n")
        os.utime(tmp_path / name, ns=(0, written))

    put("dead_letters-1.ndjson", "the second reason", 2)
    put("dead_letters-2.ndjson", "the first reason", 1)
    assert [refusal.reason for refusal in build.read_refusals(tmp_path)] == ["the second reason"]
