from __future__ import annotations

import logging

import pytest

from pipelines.failures import RunFailed, explained, reason_of
from transforms.io.errors import InputError, SinkError, Unavailable


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Unavailable("no write taken [while running 'Write 1m/Write(raw)']"), "no write taken"),
        (SinkError("bucket raw: 404 not found"), "bucket raw: 404 not found"),
        (InputError("Kafka has no topic 'a'"), "Kafka has no topic 'a'"),
        (RuntimeError("Traceback ...\ntransforms.io.errors.InputError: no topic [while running 'a']\n"), "no topic"),
        (OSError(28, "No space left on device", "/data"), "[Errno 28] No space left on device: '/data'"),
        (caused(RuntimeError("wrapped"), OSError("disk")), "disk"),
        (
            RuntimeError(
                "Traceback ...\n  raise X\ntransforms.io.sink_errors.Unavailable: no write taken [while running 'a']\n\n"
            ),
            "no write taken",
        ),
        (RuntimeError("KeyError: 'x'"), None),
        (KeyError("x"), None),
    ],
)
def test_what_can_be_mended_has_a_reason(error: Exception, reason: str | None) -> None:
    assert reason_of(error) == reason


def test_the_reason_stands_in_place_of_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("apache_beam.runners.common")

    def logged(error: Exception) -> None:
        try:
            raise error
        except Exception:
            log.exception("a step failed")
            raise

    with pytest.raises(RunFailed, match="the run failed: no write taken\n  what it has written stays"), explained():
        logged(Unavailable("no write taken"))
    assert caplog.records == []
    with pytest.raises(KeyError), explained():
        logged(KeyError("a defect"))
    assert len(caplog.records) == 1
