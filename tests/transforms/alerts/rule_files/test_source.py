from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.io.watermark_estimators import ManualWatermarkEstimator
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.sdf_utils import RestrictionTrackerView, ThreadsafeRestrictionTracker
from apache_beam.utils.timestamp import MAX_TIMESTAMP, Duration

from transforms.alerts import messages
from transforms.alerts.messages import RuleFiles
from transforms.alerts.rule_files import source as rule_source
from transforms.alerts.rule_files.source import (
    SETTLED_S,
    RuleFilesWatch,
    RuleSource,
    WatchRules,
    left_out_files,
    read_files,
)
from transforms.intake.beam import IntakeSettings
from transforms.io.kafka import source as kafka
from transforms.io.kafka.topic import KafkaTopic

LONG_AGO = 1_000.0
NOW = LONG_AGO + 100


def write(path: Path, text: str | bytes, at: float = LONG_AGO) -> Path:
    """A file, last written to at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    os.utime(path, (at, at))
    return path


# What files there are, and what they are called.


def test_a_directory_has_the_rule_files_in_it_that_are_not_hidden(tmp_path: Path) -> None:
    for name in ("b.yml", "a.yaml", ".hidden.yml", "notes.md", "c.yml.bak", "tests/below.yml"):
        write(tmp_path / name, name)
    (tmp_path / "folder.yml").mkdir()
    assert list(read_files([str(tmp_path)]).items()) == [("a.yaml", "a.yaml"), ("b.yml", "b.yml")]
    assert read_files([f"{tmp_path}/"]) == read_files([str(tmp_path)])


def test_unit_tests_beside_rules_are_no_rules_unless_they_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("groups: []\n")
    tests = tmp_path / "a.test.yml"
    tests.write_text("rule_files: [a.yml]\ntests: []\n")
    assert read_files([str(tmp_path)]) == {"a.yml": "groups: []\n"}
    assert list(read_files([f"{tmp_path}/*.yml"])) == ["a.yml"]
    assert left_out_files([str(tmp_path)]) == [("a.test.yml", "unit tests")]
    assert left_out_files([str(tests)]) == []
    assert list(read_files([str(tests)])) == ["a.test.yml"]
    (tmp_path / "a.yml").unlink()
    with pytest.raises(FileNotFoundError, match="none of these is a rule file"):
        read_files([str(tmp_path)])


def test_what_was_a_rule_file_is_a_broken_one_and_none_of_another_kind(tmp_path: Path) -> None:
    rules, other = tmp_path / "a.yml", write(tmp_path / "compose.yml", "services: {}\n")
    watch = RuleFilesWatch([str(tmp_path)])
    write(rules, "groups: []\n")
    assert watch.poll(1e6) == {"a.yml": "groups: []\n"}
    write(rules, other.read_text(), at=2_000)
    assert watch.poll(1e6) == {"a.yml": "services: {}\n"}


def test_a_file_is_called_by_its_own_name_and_needs_no_suffix(tmp_path: Path) -> None:
    assert read_files([str(write(tmp_path / "rules.conf", "x"))]) == {"rules.conf": "x"}


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.yml", ["a.yml"]),
        ("one/*", ["a.yml", "b.yml"]),
        ("*/a.yml", ["one/a.yml", "two/a.yml"]),
        ("**/*.yml", ["a.yml", "one/a.yml", "one/b.yml", "two/a.yml"]),
        ("[ot]*/a.yml", ["one/a.yml", "two/a.yml"]),
        ("tw?/a.yml", ["two/a.yml"]),
    ],
)
def test_the_files_of_a_pattern_are_called_by_what_is_below_its_fixed_part(
    pattern: str, names: list[str], tmp_path: Path
) -> None:
    for name in ("a.yml", "one/a.yml", "one/b.yml", "two/a.yml"):
        write(tmp_path / name, name)
    assert list(read_files([f"{tmp_path}/{pattern}"])) == names


def test_a_relative_pattern(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "one" / "a.yml", "1")
    monkeypatch.chdir(tmp_path)
    assert read_files(["*/a.yml"]) == {"one/a.yml": "1"}
    assert read_files(["one"]) == read_files(["one/a.yml"]) == {"a.yml": "1"}


def test_a_file_whose_name_looks_like_a_pattern(tmp_path: Path) -> None:
    assert read_files([str(write(tmp_path / "[a].yml", "1"))]) == {"[a].yml": "1"}


def test_files_of_one_name_are_told_apart_by_the_place_of_their_path(tmp_path: Path) -> None:
    paths = [str(write(tmp_path / folder / "a.yml", folder)) for folder in ("x", "y", "z")]
    assert read_files(paths) == {"a.yml": "x", "a.yml (2)": "y", "a.yml (3)": "z"}


def test_a_file_that_several_paths_lead_to_counts_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.yml", "1")
    (tmp_path / "b.yml").symlink_to(path)
    assert read_files([str(tmp_path), str(path), f"{tmp_path}/*.yml"]) == {"a.yml": "1"}


def test_bytes_that_are_no_text_are_replaced(tmp_path: Path) -> None:
    assert read_files([str(write(tmp_path / "a.yml", b"caf\xe9\n"))]) == {"a.yml": "caf\N{REPLACEMENT CHARACTER}\n"}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("gone.yml", "no such file or directory: .*/gone.yml"),
        ("empty", r"no rule files \(\*\.yml, \*\.yaml\) in the directory: .*/empty"),
        ("empty/*.yml", r"no file matches: .*/empty/\*\.yml"),
        ("link.yml", "no such file or directory: .*/link.yml"),
    ],
)
def test_a_path_that_leads_nowhere_is_named(path: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "link.yml").symlink_to(tmp_path / "nothing")
    write(tmp_path / "a.yml", "1")
    with pytest.raises(FileNotFoundError, match=message):
        read_files([str(tmp_path / "a.yml"), str(tmp_path / path)])


# Looking over and over.


def test_a_change_is_seen(tmp_path: Path) -> None:
    watch = RuleFilesWatch([str(tmp_path)])
    path = write(tmp_path / "a.yml", "1")
    assert watch.poll(NOW) == watch.poll(NOW + 1) == {"a.yml": "1"}
    write(path, "2", LONG_AGO + 1)
    assert watch.poll(NOW + 2) == {"a.yml": "2"}
    write(tmp_path / "b.yml", "3")
    assert watch.poll(NOW + 3) == {"a.yml": "2", "b.yml": "3"}
    path.unlink()
    assert watch.poll(NOW + 4) == {"b.yml": "3"}


def test_a_file_that_another_takes_the_place_of_is_read_again_even_with_its_time_and_size(tmp_path: Path) -> None:
    watch = RuleFilesWatch([str(tmp_path)])
    path = write(tmp_path / "a.yml", "1")
    assert watch.poll(NOW) == {"a.yml": "1"}
    write(tmp_path / "draft", "2").rename(path)
    assert watch.poll(NOW) == {"a.yml": "2"}


def test_files_that_are_as_they_were_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = RuleFilesWatch([str(tmp_path)])
    write(tmp_path / "a.yml", "1")
    first = watch.poll(NOW)
    monkeypatch.setattr(rule_source, "_read", None)
    assert watch.poll(NOW + 1) is first


def test_a_file_that_is_being_written_is_left_for_later(tmp_path: Path) -> None:
    watch = RuleFilesWatch([str(tmp_path)])
    write(tmp_path / "a.yml", "gro", NOW)
    assert watch.poll(NOW + SETTLED_S / 2) is None
    write(tmp_path / "a.yml", "groups: []", NOW + SETTLED_S / 2)
    assert watch.poll(NOW + SETTLED_S) is None
    assert watch.poll(NOW + SETTLED_S * 1.5) == {"a.yml": "groups: []"}


def test_a_file_that_changes_while_it_is_read_is_left_for_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.yml", "half")
    watch = RuleFilesWatch([str(tmp_path)])
    read = rule_source._read

    def slowly(*given: Any) -> dict[str, str]:
        found = read(*given)
        write(path, "half and half", LONG_AGO + 1)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(rule_source, "_read", slowly)
        assert watch.poll(NOW) is None
    assert watch.poll(NOW) == {"a.yml": "half and half"}


def test_a_file_from_the_future_is_taken(tmp_path: Path) -> None:
    write(tmp_path / "a.yml", "1", NOW + 60)
    assert RuleFilesWatch([str(tmp_path)]).poll(NOW) == {"a.yml": "1"}


def test_what_cannot_be_read_is_said_once_until_it_can(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "rules"
    watch = RuleFilesWatch([str(folder)])
    with caplog.at_level(logging.WARNING):
        assert watch.poll(NOW) is watch.poll(NOW) is None
        assert [record.getMessage() for record in caplog.records] == [
            f"rule files cannot be read, and those in force stay: no such file or directory: {folder}"
        ]
        path = write(folder / "a.yml", "1")
        assert watch.poll(NOW) == {"a.yml": "1"}
        path.unlink()
        assert watch.poll(NOW) is None
        assert "no rule files" in caplog.records[1].getMessage()
        write(path, "1")
        assert watch.poll(NOW) == {"a.yml": "1"}
        folder.rename(tmp_path / "moved")
        assert watch.poll(NOW) is None
        (tmp_path / "moved").rename(folder)
        assert watch.poll(NOW) == {"a.yml": "1"}
        folder.rename(tmp_path / "moved")
        assert watch.poll(NOW) is None
    assert len(caplog.records) == 4


# As a splittable DoFn: a call, and what it leaves to be called with again.


class Watching:
    """A runner's part: calls the DoFn with what it handed back, and may go back to an earlier restriction."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch, poll_ms: int = 5_000) -> None:
        self.dofn = rule_source._WatchFiles(RuleSource((str(path),), poll_ms))
        self.dofn.setup()
        self.restriction = self.dofn.initial_restriction(b"")
        self.estimator = ManualWatermarkEstimator(None)
        self.delay: Any = None
        self.now = NOW
        monkeypatch.setattr(rule_source.time, "time", lambda: self.now)

    def call(self, before: Callable[[ThreadsafeRestrictionTracker], object] | None = None) -> list[RuleFiles]:
        """One call, with something done first to its tracker."""
        tracker = ThreadsafeRestrictionTracker(self.dofn.create_tracker(self.restriction))
        if before is not None:
            before(tracker)
        found = list(self.dofn.process(b"", RestrictionTrackerView(tracker), self.estimator))
        tracker.check_done()
        left = tracker.deferred_status()
        if left is not None:
            coder = self.dofn.restriction_coder()
            self.restriction, self.delay = coder.decode(coder.encode(left[0])), left[1]
        return [messages.rules(element) for element in found]


def test_what_is_there_is_sent_first_and_then_what_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watching = Watching(tmp_path, monkeypatch)
    write(tmp_path / "a.yml", "1")
    assert watching.call() == [RuleFiles(int(NOW * 1000), {"a.yml": "1"})]
    assert watching.call() == []
    watching.now += 10.5
    write(tmp_path / "a.yml", "2", LONG_AGO + 1)
    assert watching.call() == [RuleFiles(int((NOW + 10.5) * 1000), {"a.yml": "2"})]
    write(tmp_path / "a.yml", "2", LONG_AGO + 2)
    assert watching.call() == []


def test_it_waits_between_calls_and_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watching = Watching(tmp_path, monkeypatch, poll_ms=3_900)
    for _ in range(2):
        watching.call()
        assert Duration(seconds=2) < watching.delay <= Duration(seconds=3)
    tracker = watching.dofn.create_tracker(watching.restriction)
    assert not tracker.is_bounded()
    with pytest.raises(ValueError, match="without an end"):
        tracker.check_done()


def test_its_watermark_holds_back_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watching = Watching(tmp_path / "nothing", monkeypatch)
    for _ in range(2):
        watching.call()
        assert MAX_TIMESTAMP - Duration(seconds=100_000) < watching.estimator.current_watermark() < MAX_TIMESTAMP


def test_after_a_failure_a_change_is_sent_again_and_after_a_restart_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching = Watching(tmp_path, monkeypatch)
    write(tmp_path / "a.yml", "1")
    before = watching.restriction
    assert len(watching.call()) == 1
    after = watching.restriction
    watching.restriction = before
    assert len(watching.call()) == 1
    watching.dofn.setup()
    watching.restriction = after
    assert watching.call() == []


def test_a_checkpoint_in_the_middle_of_a_call_leaves_the_change_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching = Watching(tmp_path, monkeypatch)
    write(tmp_path / "a.yml", "1")
    left: list[Any] = []
    assert watching.call(lambda tracker: left.append(tracker.try_split(0))) == []
    primary, watching.restriction = left[0]
    assert primary == watching.restriction
    assert len(watching.call()) == 1


def test_it_is_not_cut_in_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watching = Watching(tmp_path, monkeypatch)
    assert watching.dofn.create_tracker(watching.restriction).try_split(0.5) is None


def test_what_cannot_be_read_sends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watching = Watching(tmp_path, monkeypatch)
    assert watching.call() == []
    write(tmp_path / "a.yml", "1")
    assert len(watching.call()) == 1
    (tmp_path / "a.yml").unlink()
    assert watching.call() == []


def test_watching_is_a_step_of_an_unbounded_pipeline() -> None:
    pipeline = beam.Pipeline()
    found = pipeline | "Rule files" >> WatchRules(RuleSource(("rules",)))
    assert not found.is_bounded
    assert found.element_type is bytes


def test_all_splittable_steps_of_a_job_have_one_coder_of_restrictions() -> None:
    pipeline = beam.Pipeline(options=PipelineOptions(["--streaming"]))
    pipeline | "Rule files" >> WatchRules(RuleSource(("rules",)))
    pipeline | "Read" >> kafka.ReadKafka(kafka.KafkaSource(KafkaTopic("127.0.0.1:1", "t")), IntakeSettings())
    components = pipeline.to_runner_api().components
    payloads = [
        beam_runner_api_pb2.ParDoPayload.FromString(step.spec.payload)
        for step in components.transforms.values()
        if "pardo" in step.spec.urn
    ]
    coders = [payload.restriction_coder_id for payload in payloads if payload.restriction_coder_id]
    assert len(coders) == 3
    assert len({components.coders[coder].SerializeToString() for coder in coders}) == 1
