"""What a generated host measures: a catalogue of metrics in the manner of Telegraf's inputs, as many of them as asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from itertools import count, islice

from schemas.series import metric_text


class Kind(Enum):
    """How a metric's values behave: a gauge goes up and down, a counter only up, until its host reboots."""

    GAUGE = "gauge"
    COUNTER = "counter"


@dataclass(frozen=True)
class Metric:
    """One metric part of a host's series, and the model of its values.

    Attributes:
        measurement, field_name: its name in line protocol; elsewhere the name is the two joined by ``_``.
        labels: the labels of its metric part.
        base: a gauge's mean, or a counter's mean increase a second.
        daily: amplitude of the daily cycle, as a share of the base; below 1, so that counters rise.
        noise: standard deviation of a gauge's noise, as a share of the base.
        ceiling: no gauge value is above it, none is below 0.
        incident: how many times the base an incident at its height adds to a gauge; 0 if incidents leave it alone.
        decimals: after the point; 0 for whole numbers.
    """

    measurement: str
    field_name: str
    kind: Kind
    base: float
    labels: tuple[tuple[str, str], ...] = field(default=())
    daily: float = 0.3
    noise: float = 0.05
    ceiling: float = float("inf")
    incident: float = 0.0
    decimals: int = 0

    @property
    def name(self) -> str:
        """The metric name, as in every format but line protocol."""
        return f"{self.measurement}_{self.field_name}"

    @property
    def text(self) -> str:
        """The canonical text of the metric part (see :mod:`schemas.series`)."""
        return metric_text(self.name, self.labels)


def _host() -> Iterator[Metric]:
    gib = float(1 << 30)
    yield Metric("system", "load1", Kind.GAUGE, 2.2, noise=0.15, incident=5, decimals=2)
    yield Metric("http", "latency_ms", Kind.GAUGE, 38, daily=0.2, noise=0.2, incident=9, decimals=2)
    yield Metric("http", "requests", Kind.COUNTER, 120, daily=0.6)
    yield Metric("mem", "used_percent", Kind.GAUGE, 55, daily=0.15, noise=0.01, ceiling=100, incident=0.5, decimals=2)
    yield Metric("netstat", "tcp_established", Kind.GAUGE, 340, daily=0.5, noise=0.05, incident=2)
    yield Metric("processes", "running", Kind.GAUGE, 9, noise=0.3, incident=3)
    yield Metric("kernel", "context_switches", Kind.COUNTER, 5200, daily=0.4)
    yield Metric("mem", "available", Kind.GAUGE, 14 * gib, daily=0.1, noise=0.01)
    yield Metric("mem", "cached", Kind.GAUGE, 6 * gib, daily=0.05, noise=0.01)
    yield Metric("system", "load5", Kind.GAUGE, 2.1, noise=0.06, incident=4, decimals=2)
    yield Metric("system", "load15", Kind.GAUGE, 2.0, noise=0.03, incident=3, decimals=2)


def _device(number: int) -> Iterator[Metric]:
    cpu = (("cpu", f"cpu{number}"),)
    for mode, base in (("user", 28.0), ("system", 9.0), ("iowait", 2.0)):
        yield Metric("cpu", f"usage_{mode}", Kind.GAUGE, base, cpu, noise=0.2, ceiling=100, incident=2, decimals=2)
    for mode, rate in (("user", 280.0), ("system", 90.0), ("idle", 600.0)):
        yield Metric("cpu", "ticks", Kind.COUNTER, rate, (*cpu, ("mode", mode)))
    disk = (("device", f"sd{_letters(number)}"),)
    yield Metric("diskio", "read_bytes", Kind.COUNTER, 2.4e6, disk, daily=0.5)
    yield Metric("diskio", "write_bytes", Kind.COUNTER, 5.1e6, disk, daily=0.5)
    yield Metric("diskio", "busy_percent", Kind.GAUGE, 12, disk, noise=0.3, ceiling=100, incident=6, decimals=2)
    yield Metric("disk", "used_percent", Kind.GAUGE, 61, disk, daily=0.02, noise=0.001, ceiling=100, decimals=2)
    net = (("interface", f"eth{number}"),)
    yield Metric("net", "bytes_recv", Kind.COUNTER, 8.8e6, net, daily=0.6)
    yield Metric("net", "bytes_sent", Kind.COUNTER, 3.2e6, net, daily=0.6)


def _letters(number: int) -> str:
    """Device letters as the kernel counts them: a, b, ..., z, aa, ab."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return letters


def _all() -> Iterator[Metric]:
    yield from _host()
    for number in count():
        yield from _device(number)


def metrics(number: int) -> tuple[Metric, ...]:
    """The first ``number`` metrics of a host: those it has once, then those of its CPUs, disks and interfaces, one after another.

    Raises:
        ValueError: fewer than one is asked for.
    """
    if number < 1:
        raise ValueError(f"metrics: at least one a host is needed, not {number}")
    return tuple(islice(_all(), number))
