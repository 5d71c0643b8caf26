"""Some twenty minutes of eight hosts in two pools, and rules whose alerts are in every state meanwhile.

::

    tick (15 s)   8    12   16   24   28   30   36   40   44   56   58      70        90
    h4            overloaded, to the end
    h1                 overloaded ---------+
    h6                           overloaded ----------+
    h5                                               overloaded -----------+
    h3                                          + silent to the end; absent from 56 on
    all                                                                               + silent; absent from 110 on
"""

from __future__ import annotations

import random
import time

from tests.e2e.alert_job import Scrape

TICK_MS = 15_000
TICKS = 90
PARTITIONS = 4
OVERLOADED = {"h1": range(12, 30), "h2": range(20, 22), "h4": range(8, TICKS), "h5": range(40, 70), "h6": range(24, 40)}
SILENT = {"h3": 36}

RULES = """
groups:
- name: hosts
  interval: 15s
  rules:
  - {record: 'pool:load:avg', expr: 'avg by (pool) (load)'}
  - alert: Overloaded
    expr: load > 5
    for: 1m
    keep_firing_for: 30s
    annotations: {summary: '{{ $labels.host }} is at {{ $value }}'}
  - {alert: Briefly, expr: 'load > 5', for: 15s}
  - {alert: PoolOverloaded, expr: 'pool:load:avg > 3', for: 30s}
  - {alert: Gone, expr: 'absent(load{host="h3"})', for: 30s}
  - {alert: AllGone, expr: absent(load), for: 30s}
  - {alert: Burst, expr: 'rate(requests_total[1m]) > 12'}
- name: fleet
  interval: 30s
  rules:
  - {alert: ManyOverloaded, expr: 'count(ALERTS{alertname="Overloaded", alertstate="firing"}) > 1'}
  - {alert: Half, expr: 'sum by (pool) (load) / on (pool) count by (pool) (load) > 3', for: 1m}
"""


def begin_ms() -> int:
    """The first tick: the scenario ends with the last full hour but one."""
    return (int(time.time()) // 3600 - 1) * 3_600_000 - TICKS * TICK_MS


def scrapes(begin: int, first: int = 0, end: int = TICKS) -> list[Scrape]:
    """Those of some ticks, by time; after the last tick of all one that brings the watermark past its instant."""
    found = []
    for tick in range(first, min(end, TICKS)):
        for number in range(8):
            host = f"h{number}"
            if tick >= SILENT.get(host, TICKS):
                continue
            seed = random.Random(f"{host} {tick}")
            load = seed.uniform(6, 9) if tick in OVERLOADED.get(host, ()) else seed.uniform(0, 4)
            labels = {"job": "node", "host": host, "pool": "ab"[number % 2]}
            values = {"load": load, "requests_total": float(tick * (100 + 20 * number) + seed.randrange(99))}
            found.append(Scrape(number % PARTITIONS, labels, begin + tick * TICK_MS + number * 100, values))
    if end >= TICKS:
        found += closing(begin + TICKS * TICK_MS)
    return found


def closing(time_ms: int) -> list[Scrape]:
    """Scrapes that no rule asks for, one for each partition, which bring all watermarks to some time."""
    return [Scrape(number, {"host": f"closing-{number}"}, time_ms, {"up": 1.0}) for number in range(PARTITIONS)]
