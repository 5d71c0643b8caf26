"""vmagent's stream aggregation as a peer: samples by remote write, a row a series and minute by remote write again.

It aggregates what comes within an interval of the clock, and ignores timestamps by default. So the speed is measured with samples sent as fast
as it takes them, and rows are checked in a run with the clock, with windows of event time (``enable_windows``) of ten seconds.
"""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cramjam

from benchmarks.jobs import START_MS, Load
from benchmarks.metering import Figures, Meter
from benchmarks.recount import Row
from deploy.errors import StackError
from deploy.install.cache import install
from deploy.install.recipes import VMAGENT
from deploy.logs import tail
from deploy.ports import LOOPBACK, free_ports, is_open
from deploy.progress import Plain
from schemas.codecs.remote_write import encode_labels, encode_write_request
from schemas.codecs.remote_write_pb2 import TimeSeries, WriteRequest
from schemas.records import REMOTE_WRITE
from schemas.series import METRIC_NAME, labels_text
from tidemark.generate.fleet import Fleet
from tidemark.generate.load import Load as Deliveries
from tidemark.generate.pacing import live_instants
from tidemark.generate.plan import Faults, scrapes
from tidemark.generate.truth import TruthFile

OUTPUTS = {"count_samples": "number", "sum_samples": "total", "min": "low", "max": "high"}
"""What is checked of its outputs, and the columns of :class:`~benchmarks.recount.Row`."""
CONFIG = """\
- interval: {interval}
  outputs: [count_samples, sum_samples, min, max, last, increase]
  flush_on_shutdown: true
  enable_windows: {windows}
"""
HOSTS_PER_REQUEST = 20
"""Scrapes of 100 samples: 2,000 samples a request, as Prometheus sends by default."""
SENDERS = 2
START_S, STOP_S = 30, 120
LIVE_INTERVAL_MS, LIVE_WINDOW_MS, LIVE_S = 2_500, 10_000, 80
LIVE_FAULTS = Faults(late=0.01, late_mean_ms=5_000, late_max_ms=40_000, duplicates=0.01, differing=0.5)
HEADERS = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}


class Receiver(ThreadingHTTPServer):
    """Takes what vmagent writes; bodies are kept if they are wanted."""

    daemon_threads = True

    def __init__(self, port: int, keep: bool) -> None:
        super().__init__((LOOPBACK, port), _Handler)
        self.keep = keep
        self.bodies: list[bytes] = []

    @contextmanager
    def serving(self) -> Iterator[Receiver]:
        """Serve until the block ends."""
        thread = threading.Thread(target=self.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            thread.join()
            self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.keep:
            self.server.bodies.append(body)
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged."""


@dataclass
class Agent:
    """A vmagent that runs; ``used`` is what the kernel has counted of it once it has ended."""

    process: subprocess.Popen[bytes]
    port: int
    used: Any = None

    def send(self, bodies: Sequence[bytes]) -> None:
        """Send requests, by a few connections at a time.

        Raises:
            StackError: one is refused.
        """
        waiting = deque(bodies)

        def work() -> None:
            connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=60)
            while True:
                try:
                    body = waiting.popleft()
                except IndexError:
                    return connection.close()
                connection.request("POST", "/api/v1/write", body, HEADERS)
                answer = connection.getresponse()
                text = answer.read()
                if answer.status // 100 != 2:
                    raise StackError(f"vmagent answers {answer.status}: {text[:200]!r}")

        with ThreadPoolExecutor(SENDERS) as pool:
            for done in [pool.submit(work) for _ in range(SENDERS)]:
                done.result()

    def stop(self) -> None:
        """End it; it writes the windows that are still open first."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            killer = threading.Timer(STOP_S, self.process.kill)
            killer.start()
            _, status, self.used = os.wait4(self.process.pid, 0)
            killer.cancel()
            self.process.returncode = os.waitstatus_to_exitcode(status)


@contextmanager
def running(folder: Path, receiver: int, interval: str, windows: bool) -> Iterator[Agent]:
    """A vmagent that aggregates by minutes or another interval, and writes to the receiver's port.

    Raises:
        StackError: it does not start.
    """
    binary = install(VMAGENT, Plain()) / "bin" / "vmagent"
    config, log = folder / "aggregation.yml", folder / "vmagent.log"
    config.write_text(CONFIG.format(interval=interval, windows=str(windows).lower()))
    [port] = free_ports(1)
    argv = [
        str(binary),
        f"-httpListenAddr={LOOPBACK}:{port}",
        f"-remoteWrite.url=http://{LOOPBACK}:{receiver}/api/v1/write",
        "-remoteWrite.forcePromProto",
        f"-remoteWrite.tmpDataPath={folder / 'queue'}",
        f"-remoteWrite.streamAggr.config={config}",
    ]
    with log.open("wb") as output:
        agent = Agent(subprocess.Popen(argv, cwd=folder, stdout=output, stderr=subprocess.STDOUT), port)
    try:
        deadline = time.monotonic() + START_S
        while not is_open(port):
            if agent.process.poll() is not None or time.monotonic() > deadline:
                lines = "\n".join(tail(log, 20))
                raise StackError(f"vmagent does not start:\n{lines}")
            time.sleep(0.05)
        yield agent
    finally:
        agent.stop()


def requests(load: Load) -> list[bytes]:
    """The load as remote write, 2,000 samples a request."""
    fleet = Fleet(1, load.hosts, load.metrics)
    labels = [
        [encode_labels({METRIC_NAME: metric.name, **dict(metric.labels), **target}) for metric in fleet.metrics]
        for target in fleet.labels
    ]
    bodies = []
    for ts in range(START_MS, START_MS + load.scrapes * load.interval_s * 1000, load.interval_s * 1000):
        values = fleet.scrape(ts).tolist()
        for first in range(0, load.hosts, HOSTS_PER_REQUEST):
            hosts = range(first, min(first + HOSTS_PER_REQUEST, load.hosts))
            pairs = (
                (series, value) for host in hosts for series, value in zip(labels[host], values[host], strict=True)
            )
            bodies.append(encode_write_request((series, ((value, ts),)) for series, value in pairs))
    return bodies


def run(folder: Path, load: Load) -> Figures:
    """Send the load as fast as it is taken; the end is when the process has ended, and with it all windows."""
    bodies = requests(load)
    [port] = free_ports(1)
    with (
        Receiver(port, keep=False).serving(),
        running(folder, port, "1m", windows=False) as agent,
        Meter(lambda: [agent.process.pid]).running() as meter,
    ):
        began = time.monotonic()
        agent.send(bodies)
        agent.stop()
        seconds = time.monotonic() - began
    return Figures.of(load.samples, seconds, agent.used.ru_utime + agent.used.ru_stime, meter.peak_bytes)


def live_rows(folder: Path, truth: Path, hosts: int, metrics: int) -> list[Row]:
    """The rows of a run with the clock, and the truth of what was sent: one scrape in a hundred is late, one in a hundred comes twice."""
    fleet = Fleet(1, hosts, metrics)
    deliveries = Deliveries(fleet, [REMOTE_WRITE], headers=True)
    [port] = free_ports(1)
    with (
        Receiver(port, keep=True).serving() as receiver,
        running(folder, port, f"{LIVE_WINDOW_MS // 1000}s", windows=True) as agent,
        TruthFile(truth, fleet) as file,
    ):
        for ts in live_instants(LIVE_INTERVAL_MS, LIVE_S * 1000):
            # A sample at the very end of a window belongs to it in vmagent, to the next one elsewhere: none is there.
            planned = scrapes(fleet, ts - 1, LIVE_INTERVAL_MS, LIVE_FAULTS)
            file.add(planned)
            agent.send([record.value for record in deliveries.step(ts, planned)])
        agent.send([record.value for record in deliveries.rest()])
        agent.stop()
    return list(decoded(receiver.bodies, f":{LIVE_WINDOW_MS // 1000}s_", LIVE_WINDOW_MS))


def decoded(bodies: Sequence[bytes], mark: str, window_ms: int) -> Iterator[Row]:
    """Rows from write requests: a series is named after the input, the interval and the output, its time is the end of the window."""
    rows: dict[tuple[str, int], dict[str, float]] = {}
    for body in bodies:
        for encoded in WriteRequest.FromString(bytes(cramjam.snappy.decompress_raw(body))).timeseries:
            series = TimeSeries.FromString(encoded)
            labels = {label.name: label.value for label in series.labels}
            name, _, output = labels[METRIC_NAME].rpartition(mark)
            if output in OUTPUTS:
                text = labels_text({**labels, METRIC_NAME: name}.items())
                for sample in series.samples:
                    # The flush is at the end of the window, or some milliseconds after it.
                    start = sample.timestamp - sample.timestamp % window_ms - window_ms
                    rows.setdefault((text, start), {})[OUTPUTS[output]] = sample.value
    for (text, start), values in rows.items():
        if len(values) == len(OUTPUTS):
            yield Row(text, start, **values)
