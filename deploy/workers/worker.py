"""One Beam worker process: asks the runner for the pipeline's options, then runs Beam's SDK harness with them.

It does what the start-up program of Beam's Python container does (the contract is in Beam's ``beam_provision_api.proto``),
except for installing packages: a worker of the pool runs in an environment that has them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any

import grpc
from apache_beam.portability.api import beam_provision_api_pb2, beam_provision_api_pb2_grpc, endpoints_pb2
from apache_beam.runners.worker import sdk_worker_main
from apache_beam.runners.worker.worker_id_interceptor import WorkerIdInterceptor
from google.protobuf import json_format, text_format

from deploy.workers import harness

PROVISION_SECONDS = 60


def environment(
    worker_id: str, control: str, logging: str, info: beam_provision_api_pb2.ProvisionInfo
) -> dict[str, str]:
    """The environment variables from which Beam's ``sdk_worker_main`` reads its configuration."""
    return {
        "WORKER_ID": worker_id,
        "PIPELINE_OPTIONS": json.dumps(_whole_numbers(json_format.MessageToDict(info.pipeline_options))),
        "CONTROL_API_SERVICE_DESCRIPTOR": _descriptor(control),
        "LOGGING_API_SERVICE_DESCRIPTOR": _descriptor(logging),
        "RUNNER_CAPABILITIES": " ".join(info.runner_capabilities),
    }


def provision(worker_id: str, url: str) -> beam_provision_api_pb2.ProvisionInfo:
    """Ask the runner for the provision info of this worker.

    Raises:
        grpc.RpcError: when the runner cannot be reached.
    """
    with grpc.insecure_channel(url) as channel:
        stub = beam_provision_api_pb2_grpc.ProvisionServiceStub(
            grpc.intercept_channel(channel, WorkerIdInterceptor(worker_id))
        )
        request = beam_provision_api_pb2.GetProvisionInfoRequest()
        return stub.GetProvisionInfo(request, timeout=PROVISION_SECONDS, wait_for_ready=True).info


def _whole_numbers(value: Any) -> Any:
    """Numbers of a protobuf ``Struct`` are all floats; Beam's options refuse ``37.0`` where they want an integer."""
    if isinstance(value, dict):
        return {key: _whole_numbers(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_whole_numbers(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _descriptor(url: str) -> str:
    text: str = text_format.MessageToString(endpoints_pb2.ApiServiceDescriptor(url=url))
    return text


def main(argv: list[str] | None = None) -> int:
    """Run until the runner closes the control channel."""
    parser = argparse.ArgumentParser(prog="python -m deploy.workers.worker", description=__doc__)
    for name, meaning in {
        "id": "the worker's id, given by the runner",
        "control": "URL of the runner's control service",
        "logging": "URL of the runner's logging service",
        "provision": "URL of the runner's provision service",
    }.items():
        parser.add_argument(f"--{name}", required=True, help=meaning)
    options = parser.parse_args(argv)
    info = provision(options.id, options.provision)
    os.environ.update(environment(options.id, options.control, options.logging, info))
    harness.hasten()
    sdk_worker_main.main([])
    return 0


if __name__ == "__main__":
    sys.exit(main())
