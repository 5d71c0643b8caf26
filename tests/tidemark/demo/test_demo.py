"""The demo from end to end, short: every record accounted for, the files in place, the page whole."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from schemas.records import DeadLetter
from schemas.series import parse_labels, parse_metric
from tests.tidemark.report.alert_events import events_of
from tidemark.cli import main
from tidemark.demo.inputs import DAY_START_MS, SILENT_FROM_MS, SILENT_UNTIL_MS
from tidemark.demo.job import MARKER
from tidemark.demo.outcome import CONFIGS
from tidemark.demo.rule_files import texts
from tidemark.report.alerts import alerts_of, read_alerts


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The folder of a demo of some seconds and hours, and how it ended."""
    folder = tmp_path_factory.mktemp("demo") / "out"
    status = main(["demo", "--seconds=4", "--hours=2", "--seed=11", f"--output={folder}", "--no-open"])
    return folder, status


def test_it_ends_well(ran):
    folder, status = ran
    assert status == 0, (folder / "fleet.log").read_text()


def test_every_sample_of_this_computer_is_in_the_store(ran):
    folder, _ = ran
    documents = [json.loads(line) for line in (folder / "input" / "this-computer.jsonl").read_text().splitlines()]
    assert len(documents) == 4
    wanted = sorted((d["timestamp"], m, float(v)) for d in documents for m, v in d["samples"].items())
    raw = duckdb.sql(
        f"select epoch_ms(ts), metric, value from '{folder}/store/raw/*/*.parquet' "
        "where target like '%job=\"agent\"%' and metric not like 'ALERTS%'"
    ).fetchall()
    assert sorted(raw) == wanted
    rolled = duckdb.sql(
        f"select sum(count)::bigint from '{folder}/store/10s/*/*.parquet' where target like '%job=\"agent\"%'"
    ).fetchall()
    assert rolled == [(len(wanted),)]


def test_the_fleets_minutes_are_those_of_its_raw_samples(ran):
    folder, _ = ran
    wrong = duckdb.sql(
        f"""
        with raw as (
            select metric, target, time_bucket(interval 1 minute, ts) as window,
                count(*) as count, sum(value) as sum, min(value) as min, max(value) as max
            from '{folder}/store/raw/*/*.parquet' where target like '%job="node"%' group by all)
        select * from raw full join '{folder}/store/1m/*/*.parquet' as stored using (metric, target, "window")
        where stored.target like '%job="node"%' and not (
            stored.count = raw.count and stored.min = raw.min and stored.max = raw.max
            and abs(stored.sum - raw.sum) <= 1e-9 * abs(raw.sum))
        """
    ).fetchall()
    assert wrong == []
    rows = duckdb.sql(f"select count(*) from '{folder}/store/1m/*/*.parquet' where target like '%job=\"node\"%'")
    silent = (SILENT_UNTIL_MS - SILENT_FROM_MS) // 60_000
    assert rows.fetchall() == [(8 * (6 * 120 - silent),)]


def test_alerts_are_those_of_the_same_rules_over_the_stored_samples(ran):
    folder, _ = ran
    stored = duckdb.sql(
        f"""
        select metric, target, list(epoch_ms(ts) order by ts), list(value order by ts) from (
            select distinct on (metric, target, ts) * from '{folder}/store/raw/*/*.parquet'
            where target like '%job="node"%' and metric not like 'ALERTS%' and metric not like '%:%'
            order by seq desc)
        group by all
        """
    ).fetchall()
    series = [
        ({"__name__": parse_metric(metric)[0], **parse_metric(metric)[1], **parse_labels(target)}, times, values)
        for metric, target, times, values in stored
    ]
    text = (folder / "rules" / "fleet.yml").read_text()
    assert text == texts(None)["fleet"]
    span = (DAY_START_MS, max(int(times[-1]) for _, times, _ in series))
    wanted = alerts_of(events_of(text, series, *span), (), span)
    found = read_alerts(folder / "alerts" / "fleet", (), span)
    # A trace shows what a rule saw when it was reported, and where shards work, their parts of it.
    plain = [[replace(each, trace=(), corrected=False) for each in alerts.episodes] for alerts in (found, wanted)]
    assert plain[0] == plain[1]
    assert {"HostSilent", "PoolGone"} <= {each.rule[1] for each in found.fired}


def test_alerts_are_reported_in_the_report(ran):
    folder, _ = ran
    page = (folder / "report.html").read_text()
    assert "api-00001 has sent nothing for three minutes" in page


def test_the_backtest_that_it_proposes_finds_the_same_alerts(ran, capsys):
    folder, _ = ran
    (command,) = re.findall(r"tidemark (rules backtest [^\"]+) --html=", (folder / "report.html").read_text())
    assert main([*shlex.split(command), "--format=json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    silent = [each for each in found if each["kind"] == "episode" and each["rule"] == "HostSilent"]
    assert len(silent) == 1, "not all hosts after the end of their day"


def test_what_was_refused_is_kept_and_shown(ran):
    folder, _ = ran
    kept = [
        DeadLetter.decode(line)
        for path in (folder / "dead-letters").glob("*.ndjson")
        for line in path.read_bytes().splitlines()
    ]
    balance = json.loads((folder / "fleet-balance.json").read_text())
    assert len(kept) == balance.get("dead_letters", 0) > 0
    for letter in kept:
        line = Path(letter.topic).read_bytes().splitlines()[letter.offset]
        assert letter.payload == line
    page = (folder / "report.html").read_text()
    assert all(json.dumps(letter.reason, ensure_ascii=False)[1:-1] in page for letter in kept)


def test_an_earlier_demo_is_replaced_and_nothing_else(ran, tmp_path, capsys):
    folder, _ = ran
    assert (folder / MARKER).exists()
    (tmp_path / "precious").write_text("mine")
    assert main(["demo", f"--output={tmp_path}", "--no-open"]) == 1
    assert "choose another with --output" in capsys.readouterr().err
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_job_that_fails_is_reported_at_once_with_its_last_words(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(CONFIGS["fleet"], "shards", 0)
    assert main(["demo", "--seconds=600", "--hours=1", f"--output={tmp_path / 'out'}", "--no-open"]) == 1
    reported = capsys.readouterr().err
    assert "the job fleet ended with status 2" in reported
    assert "shards: a number from 1" in reported


@pytest.mark.parametrize("words", [["--seconds=0"], ["--hours=x"], ["--nothing"]])
def test_a_mistake_in_the_options_is_reported(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["demo", *words])
    assert stopped.value.code == 2
    assert "tidemark demo: " in capsys.readouterr().err
