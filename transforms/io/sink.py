"""Outputs of a job by URI, and what every one of them can do."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

import apache_beam as beam

from transforms.io.kinds import RecordKind, RowKind
from transforms.io.outputs import OUTPUTS, output_type

Kind_contra = TypeVar("Kind_contra", contravariant=True)


class Output(Protocol[Kind_contra]):
    """Where data of a kind go: :class:`transforms.io.kinds.RowKind`, :class:`transforms.io.kinds.RecordKind`, or both."""

    def validate(self, kinds: Sequence[Kind_contra]) -> None:
        """Check, before anything starts, that these kinds can be written.

        Raises:
            transforms.io.errors.SinkError: one cannot; the message says what to do.
        """

    def write(self, kind: Kind_contra) -> beam.PTransform:
        """Writes a PCollection of encoded elements of this kind, in any windowing.

        Of rows, it gives the dead letters, encoded, of those that the output cannot take: each row is written, counted as unwritable, or
        dead-lettered. Records are delivered before their bundle is done, or it fails.
        """

    def describe(self, kinds: Sequence[Kind_contra]) -> str:
        """One line for a plan: where these kinds go."""


def rows(uri: str) -> Output[RowKind]:
    """The output of a URI for rows. Nothing is opened yet.

    Raises:
        ValueError: no output of rows has such a URI, or it has an option that is unknown or has no such value.
    """
    found = output_type(uri)
    if found is None or found.rows is None:
        forms = [form for each in OUTPUTS if each.rows for form in each.forms]
        raise ValueError(f"no output {uri!r}; write one of: {', '.join(forms)}")
    output: Output[RowKind] = _class(found.sink).parse(uri)
    return output


def records(uri: str, kind: RecordKind, kafka_config: Mapping[str, str] | None = None) -> Output[RecordKind]:
    """The output of a URI for records of a kind. Nothing is opened yet.

    Args:
        uri: where they go.
        kind: for the message of an error.
        kafka_config: settings of librdkafka, as :class:`transforms.io.kafka.topic.KafkaTopic` takes them.

    Raises:
        ValueError: no output of records has such a URI, or a part of it is wrong.
    """
    found = output_type(uri)
    if found is None or not found.records:
        forms = [form for each in OUTPUTS if each.records for form in each.forms]
        raise ValueError(f"no output for {kind.name.replace('_', ' ')} {uri!r}; write one of: {', '.join(forms)}")
    output: Output[RecordKind] = _class(found.sink).parse(uri, kafka_config)
    return output


def _class(name: str) -> Any:
    module, _, within = name.partition(":")
    return getattr(importlib.import_module(module), within)
