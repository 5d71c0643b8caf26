"""The command: files that are the same every time, a summary and a truth that agree, and errors that say what to do."""

from __future__ import annotations

import argparse
import gzip
import json

import duckdb
import pytest

from schemas.codecs.block import BlockDecoder
from tests.tidemark.command import command
from tidemark.generate.arguments import add_metrics
from tidemark.generate.options import checked
from transforms.io.files.records import read_blocks

main = command("generate")

BASE = ["metrics", "--hosts=6", "--metrics=12", "--duration=2m", "--start=2026-01-12T00:00:00Z", "--seed=3", "--quiet"]
FAULTS = ["--lateness=20%:30s:2m", "--duplicates=10%:50%", "--malformed=10%"]


def run(*words):
    return main([*BASE, *map(str, words)])


def test_equal_runs_give_equal_files(tmp_path):
    paths = [tmp_path / "one.jsonl.gz", tmp_path / "two.jsonl.gz"]
    for path in paths:
        assert run(f"--output=file:{path}", *FAULTS) == 0
    assert paths[0].read_bytes() == paths[1].read_bytes()
    plain = tmp_path / "plain.jsonl"
    assert run(f"--output=file:{plain}", *FAULTS) == 0
    assert gzip.decompress(paths[0].read_bytes()) == plain.read_bytes()


@pytest.mark.parametrize("format_name", ["json", "line"])
def test_summary_file_and_truth_agree(tmp_path, format_name):
    out, summary, truth = tmp_path / "out", tmp_path / "sent.json", tmp_path / "truth.parquet"
    words = [f"--output=file:{out}", f"--format={format_name}", f"--truth={truth}", f"--summary-json={summary}"]
    assert run(*words, *FAULTS) == 0
    sent = json.loads(summary.read_text())
    assert sent["scrapes"]["distinct"] == 6 * 12
    assert sent["records"] == len(out.read_bytes().splitlines())
    assert sent["bytes"] <= out.stat().st_size
    rows, samples, superseded, distinct = duckdb.sql(
        f"""select count(*), sum(copies), count(*) filter (fate = 'superseded'), count(distinct (target, metric, ts))
        from '{truth}'"""
    ).fetchall()[0]
    assert samples == sent["samples"]["sent"]
    assert distinct == sent["samples"]["distinct"] == 6 * 12 * 12
    assert superseded == sent["samples"]["differing"] == rows - distinct
    assert sent["malformed"]["total"] == sum(n for kind, n in sent["malformed"].items() if kind != "total") > 0
    assert min(sent["scrapes"].values()) > 0


@pytest.mark.parametrize(
    ("name", "words", "begin"),
    [
        ("a.lp", [], b"system,"),
        ("a.LP.GZ", [], b"system,"),
        ("a.out", ["--format=line"], b"system,"),
        ("a", [], b"{"),
        ("a.jsonl", ["--format=json"], b"{"),
    ],
)
def test_what_is_written_to_a_file_is_what_its_name_says_and_a_job_reads_it(tmp_path, name, words, begin):
    assert run(f"--output=file:{tmp_path / name}", "--malformed=10%", *words) == 0
    records = [record for block in read_blocks(str(tmp_path / name)) for record in block]
    assert records[0].value.startswith(begin)
    block = BlockDecoder().decode_block(records, "a", 0)
    assert len(block.batch) == 6 * 12 * 12
    assert len(block.dead_letters) == 12


def test_a_name_that_says_another_format_is_refused(capsys):
    assert run("--output=file:a.jsonl", "--format=line") == 2
    assert (
        "--format=line: by its name a job would read a.jsonl as json; give it another ending" in capsys.readouterr().err
    )


def test_standard_output_carries_records_and_nothing_else(capfdbinary):
    assert run("--output=-") == 0
    records, summary = capfdbinary.readouterr()
    assert [json.loads(line)["timestamp"] for line in records.splitlines()] == sorted(
        1_768_176_000_000 + 10_000 * tick for tick in range(12) for _ in range(6)
    )
    assert b"records sent" in summary


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--output=file:/proc/such/folder/x"], "--output=/proc/such/folder/x: cannot be written"),
        (["--output=nowhere"], "write kafka://HOST:9092/metrics.raw"),
        (["--output=-", "--format=mixed"], "needs Kafka"),
        (["--output=-", "--lateness=2x"], "write it like 2% or 0.02"),
        (["--output=-", "--lateness=1%:2m:1m"], "mean delay"),
        (["--output=-", "--lateness=1%:2:3"], "not a duration"),
        (["--output=-", "--lateness=1:1s:1s:1s"], "SHARE:MEAN:MAX"),
        (["--output=-", "--duplicates=150%"], "a share from 0 to 1"),
        (["--output=-", "--start=soon"], "2026-01-12T00:00:00Z"),
        (["--output=-", "--interval=0s"], "above zero"),
        (["--output=-", "--rate=-1"], "--rate"),
        (["--output=-", "--realtime"], "leave out --start"),
        (["--output=-", "--create-topic=3"], "are for --output=kafka"),
        (["--output=-", "--hosts=0"], "hosts: at least one"),
        (["--output=kafka://127.0.0.1:1/metrics.raw", "--kafka-config=/no/file"], "/no/file"),
    ],
)
def test_a_mistake_is_reported_before_anything_is_sent(words, message, capsys):
    try:
        status = run(*words)
    except SystemExit as error:
        status = error.code
    reported = capsys.readouterr()
    assert status == 2
    assert reported.out == ""
    assert message in reported.err


def test_times_are_utc_unless_they_say_otherwise():
    parser = argparse.ArgumentParser()
    add_metrics(parser.add_subparsers())
    starts = {"2026-01-12": 0, "2026-01-12T01:00:00Z": 3_600_000, "2026-01-12T01:00:00+01:00": 0, "1768176000005": 5}
    for text, offset in starts.items():
        options = checked(parser.parse_args(["metrics", "--output=-", f"--start={text}"]))
        assert options.start_ms == 1_768_176_000_000 + offset
