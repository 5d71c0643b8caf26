"""What our workers do otherwise than the SDK's harness, on the harness itself with a runner's state that answers when the test wants it to."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from typing import Any

import pytest
from apache_beam.coders import BytesCoder
from apache_beam.runners.worker import bundle_processor, statesampler
from apache_beam.runners.worker.bundle_processor import FnApiUserStateContext
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec
from apache_beam.transforms.window import GlobalWindow, GlobalWindows

from deploy.workers import harness

BAG, CELL = BagStateSpec("bag", BytesCoder()), ReadModifyWriteStateSpec("cell", BytesCoder())


class Answer:
    """An answer that is awaited."""

    def __init__(self, runner: Runner, name: str) -> None:
        self._runner, self._name = runner, name

    def get(self) -> None:
        self._runner.events.append(f"await {self._name}")
        if self._name == self._runner.fails:
            raise RuntimeError("the runner could not do it")


class Runner:
    """The state handler of a worker; what is asked of it and awaited, in order."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.fails = ""

    def clear(self, key: Any) -> Answer:
        return self._asked("clear", key)

    def extend(self, key: Any, coder: Any, elements: list[bytes]) -> Answer:
        return self._asked("extend", key)

    def _asked(self, change: str, key: Any) -> Answer:
        name = f"{change} {key.bag_user_state.key.decode()[1:]}.{key.bag_user_state.user_state_id}"
        self.events.append(name)
        return Answer(self, name)


@pytest.fixture
def hastened(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is patched here goes back to what it was."""
    monkeypatch.setattr(statesampler.StateSampler.__init__, "__defaults__", (200,))
    for kind in (bundle_processor.SynchronousBagRuntimeState, FnApiUserStateContext):
        monkeypatch.setattr(kind, "commit", kind.commit)
    assert harness.hasten()


def changed(runner: Runner) -> FnApiUserStateContext:
    """A bundle that replaces a bag of one key, appends to that of another, and writes a cell."""
    context = FnApiUserStateContext(runner, "step", BytesCoder(), GlobalWindows().get_window_coder())
    window = GlobalWindow()
    bag = context.get_state(BAG, b"a", window)
    bag.clear()
    bag.add(b"1")
    context.get_state(BAG, b"b", window).add(b"2")
    context.get_state(BAG, b"c", window)
    context.get_state(CELL, b"b", window).write(b"3")
    return context


SENT = ["clear a.bag", "extend a.bag", "extend b.bag", "clear b.cell", "extend b.cell"]
AWAITED = ["await extend a.bag", "await extend b.bag", "await extend b.cell"]


@pytest.mark.usefixtures("hastened")
def test_all_changes_are_sent_before_the_first_answer_is_awaited() -> None:
    runner = Runner()
    changed(runner).commit()
    assert runner.events == SENT + AWAITED


@pytest.mark.usefixtures("hastened")
def test_a_change_that_fails_fails_the_bundle_and_the_next_one_begins_anew() -> None:
    runner = Runner()
    runner.fails = "extend b.bag"
    with pytest.raises(RuntimeError, match="could not"):
        changed(runner).commit()
    again = Runner()
    changed(again).commit()
    assert again.events == SENT + AWAITED


@pytest.mark.usefixtures("hastened")
def test_a_cell_that_is_committed_alone_is_awaited_at_once() -> None:
    runner = Runner()
    bag = changed(runner).get_state(BAG, b"b", GlobalWindow())
    bag.commit()
    assert runner.events == ["extend b.bag", "await extend b.bag"]


def test_the_harness_of_the_sdk_awaits_each_change() -> None:
    """If this fails, the SDK has mended it: take the second half of :mod:`deploy.workers.harness` out."""
    runner = Runner()
    changed(runner).commit()
    assert runner.events != SENT + AWAITED


def test_the_sampling_thread_of_the_sdk_sleeps_long() -> None:
    """If this fails, look whether a bundle's end still waits for it (``StateSampler.stop``)."""
    assert statesampler.StateSampler.__init__.__defaults__ == (200,)


@pytest.mark.usefixtures("hastened")
def test_the_sampling_thread_sleeps_for_a_short_time() -> None:
    sampler = statesampler.StateSampler("", None)
    assert sampler.sampling_period_ms == harness.SAMPLING_MS


def test_the_sdk_is_the_one_that_was_read() -> None:
    """If this fails, read ``bundle_processor.py`` and ``statesampler.py`` of the new SDK, and raise ``KNOWN`` if both are as they were."""
    assert version("apache-beam") == harness.KNOWN


def test_another_sdk_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    before = FnApiUserStateContext.commit
    monkeypatch.setattr(harness, "version", lambda name: "2.99.0")
    assert not harness.hasten()
    assert FnApiUserStateContext.commit is before
    assert "2.99.0" in caplog.text


def test_a_worker_hastens() -> None:
    """In a process of its own: it is not undone."""
    code = (
        "from unittest.mock import Mock, patch\n"
        "from deploy.workers import harness, worker\n"
        "with patch.object(worker, 'provision'), patch.object(worker, 'environment', return_value={}), "
        "patch.object(worker.sdk_worker_main, 'main'), patch.object(harness, 'hasten') as hasten:\n"
        "    worker.main(['--id=1', '--control=a', '--logging=b', '--provision=c'])\n"
        "hasten.assert_called_once_with()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
