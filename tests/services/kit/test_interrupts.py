from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

import pytest

from services.kit import interrupts


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)
    logging.disable(logging.NOTSET)
    threading.excepthook = threading.__excepthook__


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def plain() -> int:
    interrupt()
    return 0


def disguised() -> int:
    """As Beam does with what is raised in a step."""
    try:
        interrupt()
    except KeyboardInterrupt as error:
        logging.getLogger("beam").exception("a traceback")
        raise RuntimeError("KeyboardInterrupt [while running 'a step']") from error
    return 0


def explaining() -> int:
    with interrupts.explained("this is done already"):
        pass
    with interrupts.explained("half of it is written"):
        return plain()


def tidying() -> int:
    """As Beam's servers do: a handler of their own stops them, loudly, and calls the one before."""
    before = signal.getsignal(signal.SIGINT)

    def stop(number: int, frame: FrameType | None) -> None:
        logging.getLogger("beam").error("stopping")
        before(number, frame)  # type: ignore[operator,misc]

    signal.signal(signal.SIGINT, stop)
    interrupts.lead()
    # What a server dies of, of which this process receives later.
    dying = threading.Thread(target=lambda: 1 // 0)
    dying.start()
    return plain()


def test_what_a_thread_dies_of_is_said_if_nothing_was_interrupted(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(interrupts, "PATIENCE_S", 0)

    def work() -> int:
        interrupts.lead()
        dying = threading.Thread(target=lambda: 1 // 0)
        dying.start()
        dying.join()
        return 0

    hook, handler = threading.excepthook, signal.getsignal(signal.SIGINT)
    assert interrupts.run("outer", work) == 0
    assert "ZeroDivisionError" in capfd.readouterr().err
    assert (threading.excepthook, signal.getsignal(signal.SIGINT)) == (hook, handler)
    interrupts.lead()
    assert (threading.excepthook, signal.getsignal(signal.SIGINT)) == (hook, handler)


def nested() -> int:
    return interrupts.run("inner", explaining)


@pytest.mark.parametrize(
    ("work", "line"),
    [
        (plain, "outer: interrupted"),
        (disguised, "outer: interrupted"),
        (explaining, "outer: interrupted: half of it is written"),
        (tidying, "outer: interrupted"),
        (nested, "inner: interrupted: half of it is written"),
    ],
)
def test_an_interruption_is_one_line(work: object, line: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert interrupts.run("outer", work) == 130  # type: ignore[arg-type]
    assert tuple(capfd.readouterr()) == ("", f"{line}\n")


def test_a_second_one_ends_the_process_at_once() -> None:
    interrupts.run("outer", plain)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL


def test_a_command_may_answer_for_itself() -> None:
    def work() -> int:
        try:
            return plain()
        except KeyboardInterrupt:
            return 7

    assert interrupts.run("outer", work) == 7


def test_what_else_goes_wrong_goes_on() -> None:
    before = signal.getsignal(signal.SIGINT)

    def work() -> int:
        raise RuntimeError("KeyboardInterrupt, it says")

    with pytest.raises(RuntimeError):
        interrupts.run("outer", work)
    assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_gets_no_signals_and_does_its_work() -> None:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(interrupts.run("outer", lambda: 5)))
    thread.start()
    thread.join()
    assert found == [5]
