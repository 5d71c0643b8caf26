"""Failures of a run that a user can fix: show the reason instead of the runner's traceback."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaException

from schemas.errors import FAILURE, UserError
from transforms.io.errors import InputError, SinkError, Unavailable

_MENDABLE = (InputError, SinkError, Unavailable, KafkaException, OSError)
_STEP = re.compile(r" \[while running '[^']*'\]")
# A runner in another process passes the error on as text.
_NAMED = re.compile(
    r"^(?:\S+\.)?(?:InputError|SinkError|Unavailable|KafkaException|OSError|PermissionError): (.+)$", re.MULTILINE
)
# The logger with which Beam's worker logs an error of a step, with a traceback, before it raises it to the caller.
_WORKER_LOG = "apache_beam.runners.common"


class RunFailed(UserError):
    """The run failed. The message says why, and what the run leaves behind."""

    status = FAILURE


@contextmanager
def explained() -> Iterator[None]:
    """Raise :class:`RunFailed` for errors that a user can fix. Other errors are defects and keep their traceback."""
    log = logging.getLogger(_WORKER_LOG)
    log.addFilter(_is_news)
    try:
        yield
    except Exception as error:
        reason = reason_of(error)
        if reason is None:
            raise
        raise RunFailed(
            f"the run failed: {reason}\n"
            "  what it has written stays; mend this and run the same command again: rows are written in their place, none twice"
        ) from None
    finally:
        log.removeFilter(_is_news)


def reason_of(error: BaseException) -> str | None:
    """The reason of a failure that a user can fix; None for a defect."""
    for each in (error, error.__cause__):
        if isinstance(each, _MENDABLE):
            return _STEP.sub("", str(each))
    found = _NAMED.findall(str(error)) if isinstance(error, RuntimeError) else []
    return _STEP.sub("", found[-1]) if found else None


def _is_news(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], _MENDABLE))
