"""Scrapes as bytes of the three wire formats, by templates: all but timestamp and values is written once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Protocol

import orjson

from schemas.codecs.remote_write import encode_labels, encode_write_request
from schemas.records import JSON_SCRAPE, LINE_PROTOCOL, REMOTE_WRITE
from schemas.series import METRIC_NAME
from tidemark.generate.catalog import Metric
from tidemark.generate.fleet import Fleet


class Renderer(Protocol):
    """One wire format of a fleet's scrapes."""

    content_type: str

    def render(self, host: int, ts: int, values: Sequence[float]) -> bytes:
        """One host's scrape at an event time (ms); ``values`` as in the rows of :meth:`Fleet.scrape`."""
        ...


def _number(metric: Metric) -> bytes:
    return b"%%.%df" % metric.decimals if metric.decimals else b"%d"


def _escape(text: str) -> bytes:
    return text.encode().replace(b"%", b"%%")


class JsonScrape:
    """JSON scrape documents: the host's labels, then the timestamp and all samples through one template."""

    content_type = JSON_SCRAPE

    def __init__(self, fleet: Fleet) -> None:
        self._heads = [b'{"labels":' + orjson.dumps(labels) for labels in fleet.labels]
        samples = (_escape(orjson.dumps(metric.text).decode()) + b":" + _number(metric) for metric in fleet.metrics)
        self._tail = b',"timestamp":%d,"samples":{' + b",".join(samples) + b"}}"

    def render(self, host: int, ts: int, values: Sequence[float]) -> bytes:
        return self._heads[host] + self._tail % (ts, *values)


class LineProtocol:
    """InfluxDB line protocol as Telegraf sends it: a line for each measurement and label set, whole numbers as integers, times in ns."""

    content_type = LINE_PROTOCOL

    def __init__(self, fleet: Fleet) -> None:
        self._tags = [_tags(labels.items()) for labels in fleet.labels]
        lines: dict[tuple[str, tuple[tuple[str, str], ...]], list[int]] = {}
        for number, metric in enumerate(fleet.metrics):
            lines.setdefault((metric.measurement, metric.labels), []).append(number)
        template, order = [], []
        tags, time = len(fleet.metrics), len(fleet.metrics) + 1
        for (measurement, labels), members in lines.items():
            fields = b",".join(self._field(fleet.metrics[i]) for i in members)
            template.append(_escape(measurement) + _tags(labels) + b"%b " + fields + b" %d000000")
            order += [tags, *members, time]
        self._template = b"\n".join(template)
        self._in_order: Callable[[Sequence[object]], tuple[object, ...]] = itemgetter(*order)

    @staticmethod
    def _field(metric: Metric) -> bytes:
        return _escape(metric.field_name) + b"=" + _number(metric) + (b"" if metric.decimals else b"i")

    def render(self, host: int, ts: int, values: Sequence[float]) -> bytes:
        return self._template % self._in_order([*values, self._tags[host], ts])


def _tags(labels: Iterable[tuple[str, str]]) -> bytes:
    # The catalogue's labels hold no character that line protocol escapes.
    return b"".join(b",%b=%b" % (name.encode(), value.encode()) for name, value in labels)


class RemoteWrite:
    """Prometheus remote write 1.0: one request for each scrape."""

    content_type = REMOTE_WRITE

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._encoded: dict[int, list[bytes]] = {}

    def _labels(self, host: int) -> list[bytes]:
        encoded = self._encoded.get(host)
        if encoded is None:
            target = self._fleet.labels[host]
            encoded = self._encoded[host] = [
                encode_labels({METRIC_NAME: metric.name, **dict(metric.labels), **target})
                for metric in self._fleet.metrics
            ]
        return encoded

    def render(self, host: int, ts: int, values: Sequence[float]) -> bytes:
        return encode_write_request(
            (labels, ((value, ts),)) for labels, value in zip(self._labels(host), values, strict=True)
        )
