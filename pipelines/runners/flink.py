"""The part of Flink's REST API for jobs: find, watch, stop with a savepoint, cancel (Flink 1.19, "REST API")."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from schemas.errors import FAILURE, UserError
from services.kit.http import NoAnswer, ask

ENDED = frozenset({"CANCELED", "FAILED", "FINISHED", "SUSPENDED"})
REQUEST_TIMEOUT_S = 30.0
POLL_S = 0.2


class FlinkError(UserError):
    """The cluster refused a request; the message holds its answer."""

    status = FAILURE


@dataclass(frozen=True)
class Job:
    """A job of the cluster: ``id`` is Flink's, ``state`` one of RUNNING, RESTARTING, CANCELED, ...; ``start`` in ms."""

    id: str
    name: str
    state: str
    start: int


class Flink:
    """A cluster by the address (``host:port``) of its REST API."""

    def __init__(self, address: str) -> None:
        self.url = f"http://{address}"

    def get(self, path: str) -> Any:
        """The JSON answer to a GET.

        Raises:
            FlinkError: no answer, or one that is no success.
        """
        return self._ask("GET", path)

    def jobs(self, name: str | None = None) -> list[Job]:
        """Jobs that have not ended, of that name if one is given; the newest first. One submitted seconds ago may be missing."""
        rows = self.get("/jobs/overview")["jobs"]
        found = [Job(row["jid"], row["name"], row["state"], row["start-time"]) for row in rows]
        going = [job for job in found if job.state not in ENDED and name in (None, job.name)]
        # Flink updates the overview every few seconds, but the state of a single job at once.
        going = [job for job in going if self.state(job.id) not in ENDED]
        return sorted(going, key=lambda job: -job.start)

    def state(self, job: str) -> str:
        """The state of a job, as of now."""
        return str(self.get(f"/jobs/{job}/status")["status"])

    def failure(self, job: str) -> str:
        """The first lines of a job's last failure; empty if there is none."""
        entries = self.get(f"/jobs/{job}/exceptions?maxExceptions=1")["exceptionHistory"]["entries"]
        return "\n".join(entries[0]["stacktrace"].splitlines()[:6]) if entries else ""

    def wait_running(self, name: str, timeout_s: float) -> Job:
        """The newest job of that name, once it and all its subtasks run.

        Raises:
            FlinkError: it does not within the time, or ended.
        """
        deadline = time.monotonic() + timeout_s
        job: Job | None = None
        while time.monotonic() < deadline:
            job = next(iter(self.jobs(name)), job)
            if job is not None:
                detail = self.get(f"/jobs/{job.id}")
                if detail["state"] in ENDED:
                    raise FlinkError(f"job {name} ({job.id}) is {detail['state']}: {self.failure(job.id)}")
                running = detail["state"] == "RUNNING"
                if running and all(vertex["status"] in ("RUNNING", "FINISHED") for vertex in detail["vertices"]):
                    return Job(job.id, name, detail["state"], job.start)
            time.sleep(POLL_S)
        why = "no such job was submitted" if job is None else f"{job.id} is {self.state(job.id)}"
        raise FlinkError(f"{self.url}: job {name} does not run after {timeout_s:.0f} s: {why}")

    def stop(self, job: str, directory: str | None = None, timeout_s: float = 300.0) -> str:
        """Stop a job with a savepoint, and give the savepoint's path when the job has ended; never drains, which an endless source has no end for.

        Args:
            directory: where to, on the cluster's file system; by default the cluster's ``state.savepoints.dir``.

        Raises:
            FlinkError: the savepoint failed, and the job goes on; or it is not done within the time.
        """
        wish = {"drain": False, **({"targetDirectory": directory} if directory else {})}
        request = self._ask("POST", f"/jobs/{job}/stop", wish)["request-id"]
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            answer = self.get(f"/jobs/{job}/savepoints/{request}")
            if answer["status"]["id"] == "COMPLETED":
                operation = answer["operation"]
                if "failure-cause" in operation:
                    cause = operation["failure-cause"]["stack-trace"].splitlines()[0]
                    raise FlinkError(f"{self.url}: no savepoint of job {job}, it goes on: {cause}")
                path = str(operation["location"]).removeprefix("file:")
                if self.state(job) in ENDED:
                    return path
            time.sleep(POLL_S)
        raise FlinkError(f"{self.url}: the savepoint of job {job} is not done after {timeout_s:.0f} s")

    def cancel(self, job: str) -> None:
        """Ask for a job's end, without a savepoint."""
        self._ask("PATCH", f"/jobs/{job}?mode=cancel")

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        where = f"{method} {self.url}{path}"
        try:
            answer = ask(method, self.url + path, timeout_s=REQUEST_TIMEOUT_S, body=data, headers=headers)
            found = json.loads(answer.body) if answer.success else None
        except (NoAnswer, ValueError) as error:
            raise FlinkError(f"{where}: {error}; is the cluster up? `tidemark stack status`") from None
        if not answer.success:
            raise FlinkError(f"{where}: {answer.status} {answer.text()}")
        return found
