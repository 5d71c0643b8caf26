"""A Beam worker pool (``--environment_type=EXTERNAL``) on the loopback interface.

Beam's own pool (``apache_beam.runners.worker.worker_pool_main``) listens on every interface, starts its workers without
the pipeline's options (so with no state cache, whatever ``--max_cache_memory_usage_mb`` says, and with no logging to the
runner), leaves their standard output in a pipe that nobody reads, and leaves them behind when it is terminated.

Workers are forked from a process that has loaded Beam and the jobs' code (``multiprocessing``'s fork server). So a worker is there at once, where
loading takes some two seconds of a processor, and workers share the memory of what is loaded.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.forkserver import ensure_running
from typing import Any

import grpc
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc

LOG = logging.getLogger(__name__)
STOP_SECONDS = 5.0
LOADED = ["deploy.workers.worker", "pipelines.metrics", "pipelines.alerts"]
"""Modules that workers find loaded. What cannot be loaded is left out: a worker then loads what its job needs."""


def _work(argv: list[str]) -> None:
    # The pool itself does without Beam's harness.
    from deploy.workers import worker

    worker.main(argv)


class WorkerPool(beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolServicer):
    """Forks one `deploy.workers.worker` process for each worker that a runner asks for."""

    def __init__(self, context: ForkServerContext) -> None:
        self._context = context
        self._workers: dict[str, ForkServerProcess] = {}
        self._lock = threading.Lock()

    def StartWorker(self, request: Any, context: Any) -> Any:
        """Start a worker process. The response reports an error to the runner."""
        endpoints = {
            "control": request.control_endpoint.url,
            "logging": request.logging_endpoint.url,
            "provision": request.provision_endpoint.url,
        }
        argv = [f"--id={request.worker_id}", *(f"--{name}={url}" for name, url in endpoints.items())]
        process = self._context.Process(target=_work, args=(argv,), name=f"worker {request.worker_id}")
        try:
            process.start()
        except OSError as error:
            return beam_fn_api_pb2.StartWorkerResponse(error=f"cannot start a worker: {error}")
        with self._lock:
            # Workers end by themselves when their runner is gone.
            self._workers = {name: each for name, each in self._workers.items() if each.is_alive()}
            self._workers[request.worker_id] = process
        LOG.info("worker %s started as process %d", request.worker_id, process.pid)
        return beam_fn_api_pb2.StartWorkerResponse()

    def StopWorker(self, request: Any, context: Any) -> Any:
        """Stop a worker; one that is not known is gone already."""
        with self._lock:
            process = self._workers.pop(request.worker_id, None)
        if process:
            LOG.info("stopping worker %s", request.worker_id)
            _end([process])
        return beam_fn_api_pb2.StopWorkerResponse()

    def close(self) -> None:
        """Stop every worker."""
        with self._lock:
            workers, self._workers = list(self._workers.values()), {}
        _end(workers)


def _end(workers: list[ForkServerProcess]) -> None:
    for process in workers:
        process.terminate()
    for process in workers:
        process.join(STOP_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()


def main(argv: list[str] | None = None) -> int:
    """Serve until TERM or INT."""
    parser = argparse.ArgumentParser(prog="python -m deploy.workers.pool", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="the port to listen on, on the loopback interface")
    options = parser.parse_args(argv)
    # By force: Beam has logged something while it was loaded, and so set up the logging of warnings alone.
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-5s %(name)s - %(message)s", force=True)
    # Transforms that call programs by name find the environment's first.
    os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    # Before the first job, which need not wait then.
    ensure_running()
    pool = WorkerPool(context)
    server = grpc.server(ThreadPoolExecutor(max_workers=16), options=[("grpc.so_reuseport", 0)])
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(pool, server)
    server.add_insecure_port(f"127.0.0.1:{options.port}")
    server.start()
    LOG.info("listening on 127.0.0.1:%d, workers run %s", options.port, sys.executable)
    stopped.wait()
    server.stop(grace=None)
    pool.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
