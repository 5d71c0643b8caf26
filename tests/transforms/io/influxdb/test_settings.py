from __future__ import annotations

from pathlib import Path

import pytest

from transforms.io.errors import SinkError
from transforms.io.influxdb.settings import InfluxSettings


@pytest.mark.parametrize(
    ("uri", "settings"),
    [
        ("influxdb://db", InfluxSettings(url="http://db:8086")),
        ("influxdb://db:9999/", InfluxSettings(url="http://db:9999")),
        ("influxdbs://db?org=ops", InfluxSettings(url="https://db:8086", org="ops")),
        ("influxdb://db?gzip=on", InfluxSettings(url="http://db:8086", gzip=True)),
        ("influxdb://[::1]:8086", InfluxSettings(url="http://[::1]:8086")),
        (
            "influxdbs://db?token_file=/run/t&ca_file=/etc/ca.pem&gzip=off&timeout=5s&retry_for=10m",
            InfluxSettings(
                url="https://db:8086",
                token_file="/run/t",
                ca_file="/etc/ca.pem",
                gzip=False,
                timeout_ms=5_000,
                retry_for_ms=600_000,
            ),
        ),
    ],
)
def test_settings_of_a_url(uri: str, settings: InfluxSettings) -> None:
    assert InfluxSettings.parse(uri) == settings


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("influxdb:", "write influxdb://HOST:PORT"),
        ("http://db:8086", "write influxdb://HOST:PORT"),
        ("influxdb://db/raw", "buckets are named by the tiers"),
        ("influxdb://db:port", "invalid literal|Port"),
        ("influxdb://db?bucket=raw", "no option 'bucket'; there are org, token_file"),
        ("influxdb://db?gzip=yes", "gzip: on or off is wanted, not 'yes'"),
        ("influxdb://db?timeout=5", "timeout: not a duration: '5'"),
        ("influxdb://db?retry_for=", "retry_for: not a duration: ''"),
    ],
)
def test_a_wrong_url_is_named(uri: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        InfluxSettings.parse(uri)


@pytest.mark.parametrize("uri", ["influxdb://s3cret@db", "influxdb://user:s3cret@db", "influxdb://db?token=s3cret"])
def test_a_token_in_the_url_is_refused_and_not_repeated(uri: str) -> None:
    with pytest.raises(ValueError, match=r"does not belong into a URL; put it into .* INFLUX_TOKEN") as raised:
        InfluxSettings.parse(uri)
    assert "s3cret" not in str(raised.value)


def test_the_token_comes_from_the_file_named_in_the_url_then_the_variable_then_the_variables_file(
    tmp_path: Path,
) -> None:
    named, other = tmp_path / "named", tmp_path / "other"
    named.write_text("from-named\n")
    other.write_text("from-other\n")
    environment = {"INFLUX_TOKEN": "from-variable", "INFLUX_TOKEN_FILE": str(other)}
    assert InfluxSettings("http://db", token_file=str(named)).token(environment) == "from-named"
    assert InfluxSettings("http://db").token(environment) == "from-variable"
    assert InfluxSettings("http://db").token({"INFLUX_TOKEN_FILE": str(other)}) == "from-other"


def test_a_token_may_stand_behind_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"\xef\xbb\xbfs3cret\r\n")
    assert InfluxSettings("http://db", token_file=str(tmp_path / "token")).token({}) == "s3cret"


def test_a_token_that_is_missing_or_cannot_be_read_is_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("\n")
    latin = tmp_path / "latin"
    latin.write_bytes(b"s3cr\xe9t")
    for settings, environment, words in (
        (InfluxSettings("http://db"), {}, "no token; put it into the environment variable INFLUX_TOKEN"),
        (InfluxSettings("http://db"), {"INFLUX_TOKEN": ""}, "no token"),
        (InfluxSettings("http://db", token_file=str(tmp_path / "none")), {}, "cannot be read: .*none"),
        (InfluxSettings("http://db", token_file=str(empty)), {}, "the token file is empty: .*empty"),
        (InfluxSettings("http://db", token_file=str(latin)), {}, "latin is no text in UTF-8$"),
    ):
        with pytest.raises(SinkError, match=words):
            settings.token(environment)
