"""How fast a run goes: as fast as it can, at a rate, or with the clock. Clock and sleep are arguments, so that tests need neither."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

_LONGEST_SLEEP_S = 0.2
"""An interrupt is answered within this time."""


class Pace:
    """Holds a run to a number of samples a second; 0 lets it run free."""

    def __init__(
        self, rate: float, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._rate = rate
        self._clock = clock
        self._sleep = sleep
        self._began = clock()

    def after(self, samples: int) -> None:
        """Wait until so many samples in all may have been sent."""
        if self._rate:
            ahead = samples / self._rate - (self._clock() - self._began)
            if ahead > 0:
                self._sleep(ahead)


def instants(start_ms: int, duration_ms: int, interval_ms: int) -> range:
    """Event times (ms) of the scrapes from a start over a duration, its end not included."""
    return range(start_ms, start_ms + duration_ms, interval_ms)


def live_instants(
    interval_ms: int,
    duration_ms: int | None,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[int]:
    """Event times (ms) at multiples of the interval, each yielded when the clock (seconds since the epoch) has reached it.

    Those that went by while the caller was busy are left out, all but the newest.
    """
    now = int(clock() * 1000)
    due = now - now % interval_ms + interval_ms
    end = None if duration_ms is None else due + duration_ms
    while end is None or due < end:
        now = int(clock() * 1000)
        if now < due:
            sleep(min((due - now) / 1000, _LONGEST_SLEEP_S))
            continue
        due = max(due, now - now % interval_ms)
        if end is None or due < end:
            yield due
        due += interval_ms
