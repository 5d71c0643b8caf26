"""A Beam worker pool (``--environment_type=EXTERNAL``) on the loopback interface.

Beam's own pool (``apache_beam.runners.worker.worker_pool_main``) listens on every interface, starts its workers without
the pipeline's options (so with no state cache, whatever ``--max_cache_memory_usage_mb`` says, and with no logging to the
runner), leaves their standard output in a pipe that nobody reads, and leaves them behind when it is terminated.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc

LOG = logging.getLogger(__name__)
STOP_SECONDS = 5.0


class WorkerPool(beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolServicer):
    """Starts one `deploy.workers.worker` process for each worker that a runner asks for."""

    def __init__(self) -> None:
        self._workers: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()

    def StartWorker(self, request: Any, context: Any) -> Any:
        """Start a worker process. The response reports an error to the runner."""
        endpoints = {
            "control": request.control_endpoint.url,
            "logging": request.logging_endpoint.url,
            "provision": request.provision_endpoint.url,
        }
        argv = [sys.executable, "-m", "deploy.workers.worker", f"--id={request.worker_id}"]
        argv += [f"--{name}={url}" for name, url in endpoints.items()]
        try:
            worker = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
        except OSError as error:
            return beam_fn_api_pb2.StartWorkerResponse(error=f"cannot start {argv[0]}: {error}")
        with self._lock:
            # Workers end by themselves when their runner is gone; polling here keeps them from staying as zombies.
            self._workers = {name: each for name, each in self._workers.items() if each.poll() is None}
            self._workers[request.worker_id] = worker
        LOG.info("worker %s started as process %d", request.worker_id, worker.pid)
        return beam_fn_api_pb2.StartWorkerResponse()

    def StopWorker(self, request: Any, context: Any) -> Any:
        """Stop a worker; one that is not known is gone already."""
        with self._lock:
            worker = self._workers.pop(request.worker_id, None)
        if worker:
            LOG.info("stopping worker %s", request.worker_id)
            _end([worker])
        return beam_fn_api_pb2.StopWorkerResponse()

    def close(self) -> None:
        """Stop every worker."""
        with self._lock:
            workers, self._workers = list(self._workers.values()), {}
        _end(workers)


def _end(workers: list[subprocess.Popen[bytes]]) -> None:
    for worker in workers:
        worker.terminate()
    for worker in workers:
        try:
            worker.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


def main(argv: list[str] | None = None) -> int:
    """Serve until TERM or INT."""
    parser = argparse.ArgumentParser(prog="python -m deploy.workers.pool", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="the port to listen on, on the loopback interface")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-5s %(name)s - %(message)s")
    # Transforms that call programs by name find the environment's first.
    os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    pool = WorkerPool()
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
