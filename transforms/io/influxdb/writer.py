"""Writing line protocol to InfluxDB so that nothing is lost: every line is written, refused with the server's reason, or the call raises."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import NamedTuple

import cramjam
import urllib3
from influxdb_client import InfluxDBClient
from influxdb_client.rest import ApiException
from influxdb_client.service.write_service import WriteService

from transforms.io.errors import SinkError, Unavailable
from transforms.io.influxdb.lines import Chunk
from transforms.io.influxdb.replies import Backoff, Verdict, dropped_points, message, retry_after, verdict
from transforms.io.influxdb.settings import InfluxSettings

# Higher levels cost three times as much for a tenth of the size.
_GZIP_LEVEL = 1

_ADVICE = {
    401: "the token is wrong or no longer valid: check INFLUX_TOKEN or the token file on the workers",
    403: "the token may not write to this bucket: give it write permission",
    404: "create the bucket, or correct the organization's or the bucket's name",
}

_log = logging.getLogger(__name__)


class Refused(NamedTuple):
    """A line (without line feed) that the server does not take, and why."""

    line: bytes
    reason: str


class _Reply(NamedTuple):
    """``status`` 0: no answer came; ``asked``: seconds to wait."""

    status: int
    reason: str
    asked: float


class InfluxWriter:
    """A connection that writes chunks of line protocol with millisecond times. For one thread.

    ``sleep``, ``clock`` (monotonic), ``wall_clock`` and ``jitter`` (uniform in [0, 1)) are for tests to replace; ``retries`` counts
    requests sent again.
    """

    def __init__(
        self,
        settings: InfluxSettings,
        token: str,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._backoff = Backoff(total=settings.retry_for_ms / 1_000)
        self._sleep, self._clock, self._wall_clock, self._jitter = sleep, clock, wall_clock, jitter
        self._client = InfluxDBClient(
            url=settings.url,
            token=token,
            org=settings.org,
            timeout=settings.timeout_ms,
            ssl_ca_cert=settings.ca_file,
        )
        self._service = WriteService(self._client.api_client)
        self.retries = 0

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def write(self, bucket: str, chunk: Chunk) -> list[Refused]:
        """Write all lines of a chunk, but those that the server refuses, which are returned.

        Lines that a refused request holds are found by halving it. A server that is down, busy or slow is tried again, see :class:`Backoff`.

        Raises:
            SinkError: the token, the organization or the bucket is wrong.
            Unavailable: the server took nothing within the time allowed for retries.
        """
        refused: list[Refused] = []
        todo = [chunk]
        while todo:
            part = todo.pop()
            reply = self._send(bucket, part)
            outcome = verdict(reply.status)
            if outcome is Verdict.WRITTEN:
                continue
            if outcome is Verdict.MISCONFIGURED:
                raise SinkError(self._advice(bucket, reply))
            every_line = part.lines == 1 or dropped_points(reply.reason) == part.lines
            if every_line and (outcome is Verdict.REFUSED or part.lines == 1):
                reason = f"InfluxDB answered {reply.status}: {reply.reason}"
                refused.extend(Refused(line, reason) for line in part.data.split(b"\n")[:-1])
            else:
                todo.extend(reversed(_halves(part)))
        return refused

    def check(self, bucket: str) -> None:
        """Ask the server whether this token may write to this bucket, by writing nothing.

        Raises:
            SinkError: it may not, or nothing answers.
        """
        reply = self._post(bucket, b"")
        if reply.status == 0:
            untrusted = "CERTIFICATE_VERIFY_FAILED" in reply.reason
            advice = (
                "name its authority with ca_file="
                if untrusted
                else "start it (tidemark stack up influxdb), or correct the URL"
            )
            raise SinkError(f"InfluxDB {self._settings.url} does not answer: {reply.reason}; {advice}")
        if verdict(reply.status) is not Verdict.WRITTEN:
            raise SinkError(self._advice(bucket, reply))

    def _send(self, bucket: str, chunk: Chunk) -> _Reply:
        """Post a chunk until the server answers something other than 'later'."""
        body = cramjam.gzip.compress(chunk.data, _GZIP_LEVEL) if self._settings.gzip else chunk.data
        started, attempt = self._clock(), 0
        while True:
            attempt += 1
            reply = self._post(bucket, bytes(body))
            if verdict(reply.status) is not Verdict.RETRY:
                return reply
            failure = f"{reply.status or 'no answer'}: {reply.reason}"
            delay = self._backoff.delay(attempt, self._jitter(), reply.asked)
            waited = self._clock() - started
            if waited + delay > self._backoff.total:
                raise Unavailable(
                    f"InfluxDB {self._settings.url}, bucket {bucket}: no write taken in {waited:.0f} s and {attempt} tries; last: {failure}; "
                    "retry_for= of the output sets how long to wait"
                )
            if attempt == 1:
                _log.warning("InfluxDB %s, bucket %s: %s; trying again", self._settings.url, bucket, failure)
            self.retries += 1
            self._sleep(delay)

    def _post(self, bucket: str, body: bytes) -> _Reply:
        headers: dict[str, str] = {"content_encoding": "gzip"} if self._settings.gzip and body else {}
        try:
            self._service.post_write(org=self._settings.org, bucket=bucket, body=body, precision="ms", **headers)
        except ApiException as error:
            asked = retry_after(error.headers, self._wall_clock())
            return _Reply(error.status or 0, message(error.body) or " ".join(str(error.reason).split()), asked)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return _Reply(0, f"{type(error).__name__}: {error}", 0.0)
        return _Reply(204, "", 0.0)

    def _advice(self, bucket: str, reply: _Reply) -> str:
        advice = _ADVICE.get(
            reply.status, "this is not an answer of an InfluxDB 2 write API: check the URL, and any proxy"
        )
        where = f"InfluxDB {self._settings.url}, organization {self._settings.org}, bucket {bucket}"
        return f"{where}: {reply.status} {reply.reason}: {advice}"


def _halves(chunk: Chunk) -> list[Chunk]:
    lines = chunk.data.split(b"\n")[:-1]
    middle = len(lines) // 2
    return [Chunk(b"".join(line + b"\n" for line in half), len(half)) for half in (lines[:middle], lines[middle:])]
