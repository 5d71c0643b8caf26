"""What our workers do otherwise than Beam's SDK harness: bundles end faster.

At the end of each bundle the harness of SDK 2.77 waits for two things that it need not wait for.

- A sampling thread, which sleeps up to 200 ms before it sees that the bundle has ended. Here it sleeps 5 ms at most.
- The runner's answer to each changed state cell, one after the other. Here all changes are sent first, and then all answers awaited. The changes
  of a cell stay in order, since all go through one stream. A change that fails still fails the bundle.

Both reach into the SDK, so :func:`hasten` looks whether it is the one that this was written for. If not, it leaves it as it is.
"""

from __future__ import annotations

import logging
import threading
from importlib.metadata import version
from typing import Any

from apache_beam.runners.worker import bundle_processor, statesampler

LOG = logging.getLogger(__name__)

KNOWN = "2.77.0"
"""The version of the SDK whose harness was read."""
SAMPLING_MS = 5


class _Unanswered(threading.local):
    """The changes that the bundle of this thread has sent and not awaited; None where each is awaited at once."""

    futures: list[Any] | None = None


_unanswered = _Unanswered()


def _commit_bag(self: Any) -> None:
    sent = None
    if self._cleared:
        sent = self._state_handler.clear(self._state_key)
    if self._added_elements:
        sent = self._state_handler.extend(self._state_key, self._value_coder.get_impl(), self._added_elements)
    if sent is None:
        return
    # The runner answers in order: with the last change of a cell those before it are done.
    if _unanswered.futures is None:
        sent.get()
    else:
        _unanswered.futures.append(sent)


def _commit_all(self: Any) -> None:
    _unanswered.futures = []
    try:
        for state in self._all_states.values():
            state.commit()
        for each in _unanswered.futures:
            each.get()
    finally:
        _unanswered.futures = None


def hasten() -> bool:
    """Make bundles of this process end faster. Returns whether the SDK is the one that this was written for."""
    found = version("apache-beam")
    if found != KNOWN:
        LOG.warning("apache-beam is %s, not %s: bundles end as that SDK ends them, which is slower", found, KNOWN)
        return False
    statesampler.StateSampler.__init__.__defaults__ = (SAMPLING_MS,)
    bundle_processor.SynchronousBagRuntimeState.commit = _commit_bag
    bundle_processor.FnApiUserStateContext.commit = _commit_all
    return True
