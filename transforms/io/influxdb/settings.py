"""Where an InfluxDB is, and how its token is found. The token itself never enters a URL, a pickled pipeline or a log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from schemas.times import parse_duration
from transforms.io.errors import SinkError
from transforms.io.secrets import read_secret

TOKEN_VARIABLE = "INFLUX_TOKEN"
TOKEN_FILE_VARIABLE = "INFLUX_TOKEN_FILE"
SCHEMES = {"influxdb": "http", "influxdbs": "https"}
DEFAULT_PORT = 8086

_WHERE_TOKENS_GO = f"put it into the environment variable {TOKEN_VARIABLE}, or into a file named by token_file= or {TOKEN_FILE_VARIABLE}"


@dataclass(frozen=True)
class InfluxSettings:
    """One InfluxDB 2 server, as the URL of an output names it.

    Attributes:
        url: ``http://HOST:PORT`` or ``https://...``.
        org: name of the organization.
        token_file: holds the token; None to find it through the environment.
        ca_file: certificates to trust with https, beside or instead of the system's.
        gzip: compress requests; off saves a processor when the server is near.
        timeout_ms: of one request.
        retry_for_ms: how long one request is tried again before the bundle fails.
    """

    url: str
    org: str = "tidemark"
    token_file: str | None = None
    ca_file: str | None = None
    gzip: bool = True
    timeout_ms: int = 30_000
    retry_for_ms: int = 300_000

    @classmethod
    def parse(cls, uri: str) -> InfluxSettings:
        """Settings of ``influxdb://HOST[:PORT][?org=...&token_file=...&ca_file=...&gzip=on|off&timeout=30s&retry_for=5m]``.

        ``influxdbs://`` uses TLS.

        Raises:
            ValueError: another scheme, no host, a token or password in the URL, or an option that is unknown or has no such value.
        """
        parts = urlsplit(uri)
        if parts.username is not None or parts.password is not None:
            raise ValueError(f"{parts.scheme}://: a token or password does not belong into a URL; {_WHERE_TOKENS_GO}")
        if parts.scheme not in SCHEMES or not parts.hostname:
            raise ValueError(
                f"not an InfluxDB output: {uri!r}; write influxdb://HOST:PORT?org=NAME, influxdbs:// for TLS"
            )
        if parts.path not in ("", "/"):
            raise ValueError(f"{uri}: a path has no meaning here: buckets are named by the tiers")
        try:
            port = parts.port or DEFAULT_PORT
        except ValueError as error:
            raise ValueError(f"{uri}: {error}") from None
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return cls(url=f"{SCHEMES[parts.scheme]}://{host}:{port}", **_options(parts.query))

    def token(self, environment: Mapping[str, str]) -> str:
        """The token: from ``token_file``, else ``INFLUX_TOKEN``, else the file that ``INFLUX_TOKEN_FILE`` names.

        Read where it is used, so every worker needs the file or the variable.

        Raises:
            SinkError: there is none.
        """
        path = self.token_file
        if path is None and environment.get(TOKEN_VARIABLE):
            return environment[TOKEN_VARIABLE]
        path = path or environment.get(TOKEN_FILE_VARIABLE)
        if not path:
            raise SinkError(f"InfluxDB {self.url}: no token; {_WHERE_TOKENS_GO}")
        return read_secret(path, f"InfluxDB {self.url}: the token file", SinkError)


def _switch(value: str) -> bool:
    if value not in ("on", "off"):
        raise ValueError(f"on or off is wanted, not {value!r}")
    return value == "on"


_OPTIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "org": ("org", str),
    "token_file": ("token_file", str),
    "ca_file": ("ca_file", str),
    "gzip": ("gzip", _switch),
    "timeout": ("timeout_ms", parse_duration),
    "retry_for": ("retry_for_ms", parse_duration),
}


def _options(query: str) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key == "token":
            raise ValueError(f"influxdb://: a token does not belong into a URL; {_WHERE_TOKENS_GO}")
        if key not in _OPTIONS:
            raise ValueError(f"influxdb://: no option {key!r}; there are {', '.join(_OPTIONS)}")
        name, convert = _OPTIONS[key]
        try:
            settings[name] = convert(value)
        except ValueError as error:
            raise ValueError(f"influxdb://: {key}: {error}") from None
    return settings
