"""The REST client against a server that answers as Flink 1.19 does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pipelines.runners.flink import Flink, FlinkError, Job


class FakeFlink:
    """Answers by method and path, those of a list one after the other and its last for ever; keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Any]] = {}
        self.asked: list[tuple[str, Any]] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                wish = f"{self.command} {self.path}"
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                fake.asked.append((wish, json.loads(body) if body else None))
                answers = fake.answers.get(wish)
                reply = {"errors": ["Not found."]} if answers is None else answers[0]
                if answers is not None and len(answers) > 1:
                    answers.pop(0)
                data = json.dumps(reply).encode()
                self.send_response(404 if answers is None else 200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PATCH = answer

            def log_message(self, *_: object) -> None:
                """Not on standard error."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_port}"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeFlink]:
    monkeypatch.setattr("pipelines.runners.flink.POLL_S", 0)
    fake = FakeFlink()
    thread = threading.Thread(target=fake.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield fake
    fake.server.shutdown()
    # Closed while it serves, it could still take the connection, and drop it.
    fake.server.shutdown()
    fake.server.server_close()


def overview(*jobs: tuple[str, str, str, int]) -> dict[str, Any]:
    return {"jobs": [{"jid": id, "name": name, "state": state, "start-time": start} for id, name, state, start in jobs]}


def detail(state: str, *vertices: str) -> dict[str, Any]:
    return {"state": state, "vertices": [{"status": status} for status in vertices]}


def test_jobs_are_those_that_go_on_the_newest_first(fake: FakeFlink) -> None:
    rows = [("a", "m", "RUNNING", 1), ("b", "m", "RESTARTING", 2), ("c", "m", "FINISHED", 3), ("d", "n", "RUNNING", 4)]
    fake.answers["GET /jobs/overview"] = [overview(*rows, ("e", "m", "RUNNING", 5))]
    for job in "abd":
        fake.answers[f"GET /jobs/{job}/status"] = [{"status": "RUNNING"}]
    fake.answers["GET /jobs/e/status"] = [{"status": "CANCELED"}]
    assert Flink(fake.address).jobs("m") == [Job("b", "m", "RESTARTING", 2), Job("a", "m", "RUNNING", 1)]
    assert [job.id for job in Flink(fake.address).jobs()] == ["d", "b", "a"]


def test_a_job_runs_when_all_its_subtasks_do(fake: FakeFlink) -> None:
    fake.answers["GET /jobs/overview"] = [overview(), overview(("a", "m", "INITIALIZING", 1))]
    fake.answers["GET /jobs/a/status"] = [{"status": "RUNNING"}]
    fake.answers["GET /jobs/a"] = [
        detail("INITIALIZING"),
        detail("RUNNING", "FINISHED", "DEPLOYING"),
        detail("RUNNING", "FINISHED", "RUNNING"),
    ]
    assert Flink(fake.address).wait_running("m", 30) == Job("a", "m", "RUNNING", 1)
    assert [wish for wish, _ in fake.asked].count("GET /jobs/a") == 3


def test_a_job_that_failed_says_why(fake: FakeFlink) -> None:
    fake.answers["GET /jobs/overview"] = [overview(("a", "m", "RUNNING", 1))]
    fake.answers["GET /jobs/a/status"] = [{"status": "RUNNING"}]
    fake.answers["GET /jobs/a"] = [detail("FAILED", "FAILED")]
    entries = [{"stacktrace": "org.apache.Broken: no slots\n\tat x"}]
    fake.answers["GET /jobs/a/exceptions?maxExceptions=1"] = [{"exceptionHistory": {"entries": entries}}]
    with pytest.raises(FlinkError, match=r"job m \(a\) is FAILED: org.apache.Broken: no slots"):
        Flink(fake.address).wait_running("m", 30)


def test_a_job_that_is_not_there_is_named(fake: FakeFlink) -> None:
    fake.answers["GET /jobs/overview"] = [overview()]
    with pytest.raises(FlinkError, match="job m does not run after 0 s: no such job was submitted"):
        Flink(fake.address).wait_running("m", 0)


@pytest.mark.parametrize(("directory", "target"), [(None, {}), ("/s", {"targetDirectory": "/s"})])
def test_a_stop_waits_for_the_savepoint_and_the_end(fake: FakeFlink, directory: str | None, target: dict) -> None:
    fake.answers["POST /jobs/a/stop"] = [{"request-id": "r"}]
    done = {"status": {"id": "COMPLETED"}, "operation": {"location": "file:/s/savepoint-1"}}
    fake.answers["GET /jobs/a/savepoints/r"] = [{"status": {"id": "IN_PROGRESS"}}, done]
    fake.answers["GET /jobs/a/status"] = [{"status": "RUNNING"}, {"status": "FINISHED"}]
    assert Flink(fake.address).stop("a", directory) == "/s/savepoint-1"
    assert fake.asked[0] == ("POST /jobs/a/stop", {"drain": False, **target})
    assert fake.asked[-1] == ("GET /jobs/a/status", None)


def test_a_savepoint_that_fails_says_why(fake: FakeFlink) -> None:
    fake.answers["POST /jobs/a/stop"] = [{"request-id": "r"}]
    cause = {"failure-cause": {"stack-trace": "java.io.IOException: disk full\n\tat x"}}
    fake.answers["GET /jobs/a/savepoints/r"] = [{"status": {"id": "COMPLETED"}, "operation": cause}]
    with pytest.raises(FlinkError, match=r"no savepoint of job a, it goes on: java\.io\.IOException: disk full$"):
        Flink(fake.address).stop("a")


def test_a_refusal_shows_the_request_and_the_answer(fake: FakeFlink) -> None:
    with pytest.raises(FlinkError, match=r"PATCH http://.*/jobs/a\?mode=cancel: 404 .*Not found"):
        Flink(fake.address).cancel("a")


def test_a_cluster_that_is_down_is_reported(fake: FakeFlink) -> None:
    # Closed while it serves, it could still take the connection, and drop it.
    fake.server.shutdown()
    fake.server.server_close()
    with pytest.raises(FlinkError, match=r"Connection refused.*is the cluster up\? `tidemark stack status`"):
        Flink(fake.address).jobs()
