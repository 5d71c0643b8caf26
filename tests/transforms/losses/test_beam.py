from __future__ import annotations

import logging

import pytest

from schemas.records import DeadLetter
from transforms.losses.beam import Recorder
from transforms.losses.examples import DEAD_LETTER, MOST


def letter(reason: str, offset: int = 0) -> DeadLetter:
    return DeadLetter(reason, "metrics.raw", 0, offset, b"cpu usage=x")


def test_a_job_without_an_end_logs_an_example_of_each_reason(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder(logs=True)
    with caplog.at_level(logging.WARNING):
        recorder.add_letters([letter("'x' is no value"), letter("'y' is no value", 1), letter("not UTF-8", 2)])
        recorder.add_letters([letter("'z' is no value", 3)])
    assert [record.getMessage() for record in caplog.records] == [
        "dead letter: topic metrics.raw, partition 0, offset 0: 'x' is no value; cpu usage=x",
        "dead letter: topic metrics.raw, partition 0, offset 2: not UTF-8; cpu usage=x",
    ]


def test_a_job_with_an_end_leaves_that_to_its_balance(caplog: pytest.LogCaptureFixture) -> None:
    Recorder().add_letters([letter("not UTF-8")])
    assert caplog.records == []


def test_examples_of_a_kind_are_few() -> None:
    recorder = Recorder()
    for number in range(MOST):
        assert recorder.wants(DEAD_LETTER)
        recorder.add_letters([letter(f"reason {'x' * number}")])
    assert not recorder.wants(DEAD_LETTER)
