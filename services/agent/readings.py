"""This computer's own metrics through psutil, as JSON scrape documents.

A reading that the system does not offer (no swap, a container without disk counters) is left out; the others are taken all the same.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Mapping

import orjson
import psutil

from schemas.series import metric_text

COUNTERS = frozenset(
    {
        "diskio_read_bytes",
        "diskio_write_bytes",
        "net_bytes_recv",
        "net_bytes_sent",
        "kernel_context_switches",
        "kernel_interrupts",
    }
)
"""Names of the metrics that only rise until the computer boots; all others are gauges."""

Samples = dict[str, float]


def target_labels(job: str = "agent") -> dict[str, str]:
    """The labels that all of this computer's series share."""
    return {"host": platform.node() or "localhost", "job": job}


def scrape_document(labels: Mapping[str, str], ts: int, samples: Mapping[str, float]) -> bytes:
    """One JSON scrape document: labels of the target, event time in ms, samples by the text of their metric part."""
    return orjson.dumps({"labels": dict(labels), "timestamp": ts, "samples": dict(samples)})


def read_samples() -> Samples:
    """One reading of everything, by the text of the metric part. CPU shares are those since the reading before."""
    samples: Samples = {}
    for read in (_cpu, _load, _memory, _swap, _disk, _disk_io, _network, _kernel):
        try:
            samples.update(read())
        except (OSError, RuntimeError, NotImplementedError, AttributeError, psutil.Error):
            # Which readings exist depends on the system; psutil has no other way to ask.
            continue
    return samples


def _cpu() -> Samples:
    return {
        metric_text("cpu_usage_percent", {"cpu": f"cpu{number}"}.items()): percent
        for number, percent in enumerate(psutil.cpu_percent(percpu=True))
    }


def _load() -> Samples:
    return dict(zip(("system_load1", "system_load5", "system_load15"), psutil.getloadavg(), strict=True))


def _memory() -> Samples:
    memory = psutil.virtual_memory()
    return {
        "mem_used_percent": memory.percent,
        "mem_available": memory.available,
        "processes_total": len(psutil.pids()),
    }


def _swap() -> Samples:
    swap = psutil.swap_memory()
    return {"swap_used_percent": swap.percent} if swap.total else {}


def _disk() -> Samples:
    return {metric_text("disk_used_percent", {"path": "/"}.items()): psutil.disk_usage("/").percent}


def _disk_io() -> Samples:
    disk = psutil.disk_io_counters()
    return {"diskio_read_bytes": disk.read_bytes, "diskio_write_bytes": disk.write_bytes} if disk else {}


def _network() -> Samples:
    network = psutil.net_io_counters()
    return {"net_bytes_recv": network.bytes_recv, "net_bytes_sent": network.bytes_sent}


def _kernel() -> Samples:
    stats = psutil.cpu_stats()
    return {"kernel_context_switches": stats.ctx_switches, "kernel_interrupts": stats.interrupts}


def scrapes(
    seconds: int,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
    read: Callable[[], Samples] = read_samples,
) -> Iterator[tuple[int, Samples]]:
    """One reading a second, as (event time in ms, samples), each when its second has come; so many in all."""
    read()  # The first CPU shares of a process are those since boot.
    begin = clock()
    for number in range(1, seconds + 1):
        while (wait := begin + number - clock()) > 0:
            sleep(wait)
        yield round(clock() * 1000), read()
