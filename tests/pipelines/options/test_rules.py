"""The options of rules: what they become, and what is refused before anything starts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.options.job import OptionError, RuleOptions, parse
from pipelines.options.rules import late_ms
from rules.evaluation.alert_text import Site
from schemas.batch import MIN_WATERMARK, SampleBatch
from schemas.tiers import Tier, Tiers
from tests.transforms.naive import NOON
from transforms.intake.beam import IntakeSettings
from transforms.rollups.cutting import cutter_of

KAFKA = "--input=kafka://broker:9092/metrics.raw"
OUTPUT = "--output=blackhole:"
GOOD = "groups: [{name: g, rules: [{alert: High, expr: load > 1, for: 1m}]}]\n"


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with rule files, which is the working directory's ``rules``."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "hosts.yml").write_text(GOOD)
    (rules / "pools.yaml").write_text(GOOD.replace("load", "latency"))
    (rules / "notes.txt").write_text("none of ours")
    monkeypatch.chdir(tmp_path)
    return rules


def options(*words: str) -> RuleOptions:
    found = parse([KAFKA, OUTPUT, *words])[1].rules
    assert found is not None
    return found


def refused(*words: str) -> str:
    with pytest.raises(OptionError) as error:
        parse([KAFKA, OUTPUT, *words])
    return str(error.value)


def test_defaults(directory: Path) -> None:
    found = options("--rules=rules")
    # Workers have a working directory of their own.
    assert found.paths == (str(directory),)
    assert (found.alerts, found.poll_ms) == ("kafka://broker:9092/alerts.events", 30_000)
    settings = found.settings
    assert sorted(settings.files) == ["hosts.yml", "pools.yaml"]
    assert settings.files["hosts.yml"] == GOOD
    assert (settings.shards, settings.grace_ms, settings.bounded) == (4, 0, False)
    assert settings.target_labels == IntakeSettings().target_labels
    program = settings.program
    assert (program.interval_ms, program.options.default_step_ms, program.query_offset_ms) == (60_000, 60_000, 0)
    assert program.site == Site()


def test_without_rules_there_are_none(directory: Path) -> None:
    assert parse([KAFKA, OUTPUT])[1].rules is None


def test_files_directories_and_patterns_may_be_named_together(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "more.yml").write_text(GOOD)
    found = options("--rules=rules/p*.yaml", "--rules=more.yml")
    assert sorted(found.settings.files) == ["more.yml", "pools.yaml"]
    assert found.paths == (f"{directory}/p*.yaml", f"{tmp_path}/more.yml")


def test_words_reach_the_stage(directory: Path) -> None:
    found = options("--rules=rules", "--alerts=file:events", "--rules-poll=0s", "--rule-shards=3")
    assert (found.alerts, found.poll_ms, found.settings.shards) == ("file:events", 0, 3)


def test_a_bounded_run_reads_its_files_once_and_knows_its_end(directory: Path, tmp_path: Path) -> None:
    found = options("--rules=rules", "--bounded")
    assert (found.poll_ms, found.settings.bounded) == (0, True)
    (tmp_path / "m.lp").touch()
    from_files = parse([f"--input=file:{tmp_path}/m.lp", OUTPUT, "--rules=rules"])[1].rules
    assert from_files is not None
    assert (from_files.alerts, from_files.settings.bounded) == ("file:alerts", True)


def test_the_configuration_says_what_rules_mean(directory: Path, tmp_path: Path) -> None:
    config = tmp_path / "job.yaml"
    config.write_text(
        "shards: 16\ntarget_labels: [rack]\ntiers: {lateness: 2m, rollups: [{window: 10s}]}\n"
        "rules: {shards: 16, grace: 5s, external_labels: {region: eu}, external_url: 'http://alerts.example',"
        " evaluation_interval: 15s, query_offset: 30s, max_series: 500}\n"
    )
    settings = options("--rules=rules", f"--config={config}").settings
    assert (settings.shards, settings.grace_ms, settings.target_labels) == (16, 5_000, frozenset({"rack"}))
    assert (settings.late_ms, settings.max_series) == (120_000 + 10_000 + 1_000, 500)
    program = settings.program
    assert (program.interval_ms, program.options.default_step_ms, program.query_offset_ms) == (15_000, 15_000, 30_000)
    assert program.site == Site({"region": "eu"}, "http://alerts.example")
    assert options("--rules=rules", f"--config={config}", "--rule-shards=2").settings.shards == 2


def test_a_job_of_few_shards_evaluates_rules_in_as_many(directory: Path, tmp_path: Path) -> None:
    config = tmp_path / "job.yaml"
    config.write_text("shards: 3\n")
    assert options("--rules=rules", f"--config={config}").settings.shards == 3


@given(lateness=st.integers(0, 5_000), window=st.sampled_from([1_000, 1_500, 10_000]), past=st.integers(0, 20_000))
def test_whatever_the_intake_lets_through_is_not_too_late_for_rules(lateness: int, window: int, past: int) -> None:
    """The oldest samples that are let through are those at the beginnings of windows."""
    settings = IntakeSettings(Tiers((Tier("w", window, 0, "b"),), lateness_ms=lateness))
    start = NOON - NOON % window
    watermark = start + past
    times = np.arange(start - 10 * window, watermark + 1, window)
    zeros = np.zeros(len(times), np.int32)
    batch = SampleBatch(["{}"], ["m"], zeros, zeros, times, np.ones(len(times)), np.arange(len(times)))
    cut = cutter_of(settings.tiers, 1, 0).cut(batch, np.zeros(len(times), np.int64), watermark)
    overtaken = [piece for _, piece in cut.pieces if piece.overtaken > MIN_WATERMARK]
    assert cut.too_late is not None
    assert all(piece.overtaken - int(piece.ts.min()) <= late_ms(settings) for piece in overtaken)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rules=none.yml"], "--rules: no such file or directory: "),
        (["--rules=rules/*.none"], "--rules: no file matches: "),
        (["--rules=."], "--rules: no rule files (*.yml, *.yaml) in the directory: "),
        (["--rules=rules", "--rules=none.yml"], "none.yml"),
        (["--alerts=file:a"], "--alerts: there are no rules: name their files with --rules=PATH"),
        (["--rule-shards=2"], "--rule-shards: there are no rules"),
        (["--rules=rules", "--alerts=tape:x"], "no output for alerts 'tape:x'; write one of: kafka://HOST:PORT/TOPIC"),
        (["--rules=rules", "--rules-poll=soon"], "--rules-poll: not a duration"),
        (["--rules=rules", "--rules-poll=1500ms"], "--rules-poll=1500ms: whole seconds are wanted, or 0s for never"),
        (["--rules=rules", "--rule-shards=0"], "--rule-shards: a number from 1 to 32 is wanted, not 0"),
        (["--rules=rules", "--rule-shards=33"], "--rule-shards: a number from 1 to 32 is wanted, not 33"),
    ],
)
def test_a_wrong_word_is_named_with_what_would_do(directory: Path, words: list[str], message: str) -> None:
    assert message in refused(*words)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3", "a mapping is wanted, not 3"),
        (
            "{shard: 3}",
            "no such key: shard; known: evaluation_interval, external_labels, external_url, grace, max_series, query_off",
        ),
        ("{shards: 33}", "shards: a number from 1 to 32 is wanted, not 33"),
        ("{grace: 5}", "grace: not a duration: '5'"),
        ("{evaluation_interval: 0s}", "evaluation_interval: it must be longer than zero"),
        ("{query_offset: -5s}", "query_offset: not a duration"),
        ("{external_labels: [a]}", "external_labels: a mapping of names to texts is wanted, not ['a']"),
        ("{external_labels: {a: 1}}", "external_labels: a mapping of names to texts is wanted"),
        ("{external_labels: {'': a}}", "external_labels: '' cannot be the name of a label"),
        ("{max_series: 0}", "max_series: a number from 1 to 100000000 is wanted, not 0"),
        ("{external_url: 1}", "external_url: a text is wanted, not 1"),
    ],
)
def test_a_mistake_in_the_configuration_is_named_with_its_file(directory: Path, text: str, message: str) -> None:
    config = directory.parent / "job.yaml"
    config.write_text(f"rules: {text}\n")
    for words in ([], ["--rules=rules"]):
        said = refused(f"--config={config}", *words)
        assert f"--config={config}: rules" in said
        assert message in said


def test_a_broken_rule_file_is_refused_with_the_place_and_what_to_do(directory: Path) -> None:
    (directory / "pools.yaml").write_text("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: sum(load\n")
    said = refused("--rules=rules").splitlines()
    assert said[0] == "--rules: 1 of 2 files cannot be evaluated, and there is no earlier version to go on with:"
    assert said[1].startswith("pools.yaml:5:")
    assert said[1].endswith("[promql-syntax]")
    assert said[-1].startswith("mend them; `tidemark rules check rules`")


def test_a_rule_that_no_stream_can_evaluate_is_refused_with_the_place(directory: Path) -> None:
    (directory / "pools.yaml").write_text(GOOD.replace("load", "load @ 100"))
    said = refused("--rules=rules").splitlines()
    assert said[1].startswith("pools.yaml:1:")
    assert "@ pins an instant" in said[1]
    assert said[-1] == "write them in another way, or leave them to a Prometheus"


def test_a_bounded_run_without_a_rule_is_refused(directory: Path, tmp_path: Path) -> None:
    for file in directory.iterdir():
        file.write_text("groups: []")
    (tmp_path / "x.lp").write_text("x v=1 1\n")
    with pytest.raises(OptionError, match="--rules: there is no rule in rules: nothing would be evaluated"):
        parse(["--input=file:x.lp", OUTPUT, "--rules=rules", "--alerts=blackhole:"])
    # Files of a job that goes on may be filled later.
    assert options("--rules=rules").settings.files.keys() == {"hosts.yml", "pools.yaml"}


def test_doubts_about_a_file_do_not_keep_a_job_from_starting(directory: Path) -> None:
    (directory / "pools.yaml").write_text("groups: []\n")
    assert options("--rules=rules").settings.files["pools.yaml"] == "groups: []\n"


def test_of_many_faults_the_first_are_reported(directory: Path) -> None:
    rules = "".join(f"  - alert: A{number}\n    expr: sum(\n" for number in range(30))
    (directory / "pools.yaml").write_text(f"groups:\n- name: g\n  rules:\n{rules}")
    said = refused("--rules=rules").splitlines()
    assert sum("[promql-syntax]" in line for line in said) == 20
    assert said[-2] == "... and 10 more"
