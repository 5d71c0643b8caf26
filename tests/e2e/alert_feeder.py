"""Scrapes at the clock's time, for tests of what goes by the clock."""

from __future__ import annotations

import threading
import time

from tests.e2e.alert_job import AlertGround, Scrape

HOSTS = 20
PERIOD_S = 0.5


class Feeder:
    """Hosts in four partitions, scraped twice a second until the end of the ``with``. ``load`` is 9 of those that are ``overloaded``, else 1."""

    def __init__(self, ground: AlertGround) -> None:
        self._ground = ground
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.overloaded = {0}
        self.newest_ms = 0
        """The event time of the last scrapes."""

    def __enter__(self) -> Feeder:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Scrape no more; what was scraped is in the topic."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(PERIOD_S):
            now = int(time.time() * 1_000)
            self._ground.feed(
                Scrape(number % 4, {"host": f"h{number}"}, now, {"load": 9.0 if number in self.overloaded else 1.0})
                for number in range(HOSTS)
            )
            self.newest_ms = now
