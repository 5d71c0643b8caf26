"""The worker pool and its workers, against a runner that only provisions."""

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import grpc
import psutil
import pytest
from apache_beam.options.pipeline_options import WorkerOptions
from apache_beam.portability.api import (
    beam_fn_api_pb2,
    beam_fn_api_pb2_grpc,
    beam_provision_api_pb2,
    beam_provision_api_pb2_grpc,
    endpoints_pb2,
)
from apache_beam.runners.worker.sdk_worker_main import _parse_pipeline_options
from google.protobuf import text_format

from deploy.ports import free_ports, is_open
from deploy.process import spawn, stop
from deploy.workers.pool import LOADED
from deploy.workers.worker import environment, provision
from tests.deploy.waiting import wait_for

ROOT = Path(__file__).parents[3]


class Runner(beam_provision_api_pb2_grpc.ProvisionServiceServicer):
    """Answers provisioning requests and keeps who asked."""

    def __init__(self):
        self.asked = []

    def GetProvisionInfo(self, request, context):
        self.asked.append(dict(context.invocation_metadata())["worker_id"])
        info = beam_provision_api_pb2.ProvisionInfo(runner_capabilities=["a", "b"])
        info.pipeline_options["beam:option:max_cache_memory_usage_mb:v1"] = 37
        return beam_provision_api_pb2.GetProvisionInfoResponse(info=info)


@pytest.fixture
def runner():
    server, servicer = grpc.server(ThreadPoolExecutor()), Runner()
    beam_provision_api_pb2_grpc.add_ProvisionServiceServicer_to_server(servicer, server)
    servicer.url = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield servicer
    server.stop(None)


@pytest.fixture
def pool(tmp_path):
    [port] = free_ports(1)
    argv = [sys.executable, "-m", "deploy.workers.pool", f"--port={port}"]
    identity = spawn(argv, log=tmp_path / "log", cwd=tmp_path, env={"PYTHONPATH": str(ROOT)})
    wait_for(lambda: is_open(port), 60)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield identity, beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolStub(channel)
    stop(identity)


def start_request(runner, worker: str):
    endpoint = endpoints_pb2.ApiServiceDescriptor(url=runner.url)
    return beam_fn_api_pb2.StartWorkerRequest(
        worker_id=worker, control_endpoint=endpoint, logging_endpoint=endpoint, provision_endpoint=endpoint
    )


def test_beam_reads_its_configuration_from_the_environment(runner):
    info = provision("w-1", runner.url)
    variables = environment("w-1", "host:1", "host:2", info)
    assert runner.asked == ["w-1"]
    assert variables["WORKER_ID"] == "w-1"
    assert variables["RUNNER_CAPABILITIES"] == "a b"
    options = _parse_pipeline_options(variables["PIPELINE_OPTIONS"]).view_as(WorkerOptions)
    assert options.max_cache_memory_usage_mb == 37
    assert json.loads(variables["PIPELINE_OPTIONS"]) == {"beam:option:max_cache_memory_usage_mb:v1": 37}
    for name, url in (("CONTROL", "host:1"), ("LOGGING", "host:2")):
        descriptor = endpoints_pb2.ApiServiceDescriptor()
        text_format.Merge(variables[f"{name}_API_SERVICE_DESCRIPTOR"], descriptor)
        assert descriptor.url == url


def started(log: Path) -> dict[str, int]:
    """The processes of workers by their ids."""
    return {name: int(pid) for name, pid in re.findall(r"worker (\S+) started as process (\d+)", log.read_text())}


def test_the_pool_starts_and_stops_workers_by_their_ids(pool, runner, tmp_path):
    identity, stub = pool
    for worker in ("w-1", "w-2"):
        assert stub.StartWorker(start_request(runner, worker)).error == ""
    wait_for(lambda: sorted(runner.asked) == ["w-1", "w-2"], 60)
    pids = started(tmp_path / "log")
    assert sorted(pids) == ["w-1", "w-2"]
    # They are forked from one process, which has loaded what they need.
    [parent] = {psutil.Process(pid).ppid() for pid in pids.values()}
    assert psutil.Process(parent).ppid() == identity.pid
    stub.StopWorker(beam_fn_api_pb2.StopWorkerRequest(worker_id="w-1"))
    wait_for(lambda: not psutil.pid_exists(pids["w-1"]))
    assert psutil.pid_exists(pids["w-2"])
    stub.StopWorker(beam_fn_api_pb2.StopWorkerRequest(worker_id="unknown"))
    assert identity.alive()


def test_a_pool_that_is_terminated_takes_its_workers_along(pool, runner, tmp_path):
    identity, stub = pool
    stub.StartWorker(start_request(runner, "w-1"))
    wait_for(lambda: runner.asked, 60)
    assert {identity.pid, *started(tmp_path / "log").values()} < {each.pid for each in identity.members()}
    psutil.Process(identity.pid).terminate()
    wait_for(lambda: not identity.members())


def test_a_pool_that_is_killed_leaves_nothing_that_could_fork_further_workers(pool, runner, tmp_path):
    identity, stub = pool
    stub.StartWorker(start_request(runner, "w-1"))
    wait_for(lambda: runner.asked, 60)
    workers = set(started(tmp_path / "log").values())
    psutil.Process(identity.pid).kill()
    # Workers end by themselves once their runner is gone; this one never had any.
    wait_for(lambda: {each.pid for each in identity.members()} <= workers)


def test_a_worker_finds_the_code_of_jobs_loaded():
    assert [name for name in LOADED if find_spec(name) is None] == []
    code = f"import {', '.join(LOADED)}; import threading; assert threading.active_count() == 1, 'a fork would lack the other threads'"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_pool_listens_on_the_loopback_interface_only(pool):
    identity, _ = pool
    connections = psutil.Process(identity.pid).net_connections("tcp")
    listening = {each.laddr.ip for each in connections if each.status == psutil.CONN_LISTEN}
    assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}
