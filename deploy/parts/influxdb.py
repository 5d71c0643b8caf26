"""InfluxDB 2: set up once with a random token, its buckets made at start."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

from deploy.errors import StackError
from deploy.install.recipes import INFLUXDB as RECIPE
from deploy.parts.base import Command, HTTPStatus, Instance, Part, get_json, post_json

ORG = "tidemark"
USER = "tidemark"


def command(instance: Instance) -> Command:
    """The server's command line; secrets are not on it."""
    data = instance.data("influxdb")
    argv = [str(RECIPE.directory() / "bin" / "influxd"), "run", f"--http-bind-address={instance.address('influxdb')}"]
    argv += [f"--bolt-path={data / 'influxd.bolt'}", f"--sqlite-path={data / 'influxd.sqlite'}"]
    argv += [f"--engine-path={data / 'engine'}", "--reporting-disabled", "--log-level=info"]
    return Command(argv)


def ready(instance: Instance) -> bool:
    """Whether it says it is healthy."""
    return bool(get_json(f"{url(instance)}/health")["status"] == "pass")


def url(instance: Instance) -> str:
    """The server's base URL."""
    return f"http://{instance.address('influxdb')}"


def token_file(instance: Instance) -> Path:
    """The file with the operator token, readable by its owner only."""
    return instance.secret("influx-token")


def token(instance: Instance) -> str:
    """The operator token.

    Raises:
        StackError: when the server was never set up.
    """
    file = token_file(instance)
    if not file.exists():
        raise StackError(f"there is no token at {file}: InfluxDB of this instance was never started")
    return file.read_text(encoding="utf-8").strip()


def furnish(instance: Instance) -> None:
    """Set a fresh server up (user, organisation, token), and create the buckets of the settings that are missing.

    Raises:
        StackError: when the server was set up by someone else, so that its token is not ours.
        OSError: when the server refuses a request.
    """
    if _rest(instance, "/api/v2/setup")["allowed"]:
        _set_up(instance)
    elif not token_file(instance).exists():
        raise StackError(
            f"InfluxDB has data in {instance.data('influxdb')}, but its token file {token_file(instance)} is gone: "
            "put it back, or start over with `tidemark stack down --wipe`."
        )
    for name, retention in instance.settings.buckets.items():
        ensure_bucket(instance, name, retention)


def ensure_bucket(instance: Instance, name: str, retention: int) -> None:
    """Create a bucket if there is none of that name; retention in seconds, 0 keeps for ever."""
    if _rest(instance, f"/api/v2/buckets?org={ORG}&name={name}", missing={"buckets": []})["buckets"]:
        return
    [org] = _rest(instance, f"/api/v2/orgs?org={ORG}")["orgs"]
    document = {"orgID": org["id"], "name": name, "retentionRules": _retention(retention)}
    post_json(f"{url(instance)}/api/v2/buckets", document, _authorization(instance))


def _set_up(instance: Instance) -> None:
    file = token_file(instance)
    # Opened with its mode, so that there is no moment in which others may read it.
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
        handle.write(secrets.token_urlsafe(48))
    first = next(iter(instance.settings.buckets), ORG)
    document = {
        "username": USER,
        "password": secrets.token_urlsafe(24),
        "org": ORG,
        "bucket": first,
        "retentionPeriodSeconds": instance.settings.buckets.get(first, 0),
        "token": token(instance),
    }
    post_json(f"{url(instance)}/api/v2/setup", document)


def _retention(seconds: int) -> list[dict[str, object]]:
    return [{"type": "expire", "everySeconds": seconds}] if seconds else []


def _rest(instance: Instance, path: str, missing: Any = None) -> Any:
    headers = _authorization(instance) if token_file(instance).exists() else {}
    try:
        return get_json(f"{url(instance)}{path}", headers)
    except HTTPStatus as error:
        if error.status == 404 and missing is not None:
            return missing
        raise


def _authorization(instance: Instance) -> dict[str, str]:
    return {"Authorization": f"Token {token(instance)}"}


PART = Part(
    name="influxdb",
    ports={"influxdb": 8086},
    version=RECIPE.version,
    recipes=(RECIPE,),
    tools=(),
    command=command,
    ready=ready,
    furnish=furnish,
)
