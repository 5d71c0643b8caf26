"""A run that fails for a reason that a person can mend: the reason, in place of a traceback of the runner."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaException

from transforms.io.errors import SinkError, Unavailable

_MENDABLE = (SinkError, Unavailable, KafkaException, OSError)
_STEP = re.compile(r" \[while running '[^']*'\]")
# What a runner in another process makes of it is text.
_NAMED = re.compile(r"^(?:\S+\.)?(?:SinkError|Unavailable|KafkaException|OSError|PermissionError): (.+)$", re.MULTILINE)
# Where Beam's worker logs what a step raised, with a traceback, before it is raised to whoever waits for the run.
_WORKER_LOG = "apache_beam.runners.common"


class RunFailed(Exception):
    """The run failed; the message says why, and what is left of it."""


@contextmanager
def explained() -> Iterator[None]:
    """Raise :class:`RunFailed` for what a person can mend; anything else is a defect, and keeps its traceback."""
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
    """Why a run failed, if that can be mended outside of it; None for a defect."""
    for each in (error, error.__cause__):
        if isinstance(each, _MENDABLE):
            return _STEP.sub("", str(each))
    found = _NAMED.findall(str(error)) if isinstance(error, RuntimeError) else []
    return _STEP.sub("", found[-1]) if found else None


def _is_news(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], _MENDABLE))
