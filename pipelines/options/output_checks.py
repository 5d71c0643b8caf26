"""Checks that the outputs of a job do not collide with each other or with its inputs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pipelines.options.values import OptionError
from transforms.io.kafka.topic import KafkaTopic
from transforms.io.outputs import output_type


def check_apart(
    inputs: Sequence[str], topics: Iterable[KafkaTopic], outputs: Sequence[str], records: Mapping[str, str]
) -> None:
    """Refuse outputs that would come in again, or go to one place in two forms.

    Args:
        inputs: what ``--input`` names.
        topics: the topics among them.
        outputs: where rows go.
        records: where dead letters, late samples and events of alerts go, by their options.

    Raises:
        OptionError: an output is given twice, writes into a topic or a directory that is read, or into a topic of another output.
    """
    for number, uri in enumerate(outputs):
        if uri in outputs[:number]:
            raise OptionError(f"--output={uri} is given twice: its rows would be written twice")
    read = {(broker, topic.topic) for topic in topics for broker in topic.bootstrap.split(",")}
    written: dict[tuple[str, str], str] = {}
    for option, uri in records.items():
        if uri.startswith("kafka://"):
            topic = KafkaTopic.from_url(uri)
            places = {(broker, topic.topic) for broker in topic.bootstrap.split(",")}
            if places & read:
                raise OptionError(
                    f"{option}={uri}: this topic is read, so what is written there comes in again; name another"
                )
            if other := next((written[place] for place in places if place in written), None):
                raise OptionError(f"{option}={uri}: {other} writes there too, in another form; name another topic")
            written |= dict.fromkeys(places, option)
    _check_directories(inputs, [*(("--output", uri) for uri in outputs), *records.items()])


def _check_directories(inputs: Sequence[str], outputs: Iterable[tuple[str, str]]) -> None:
    """Refuse to write into a directory all of whose files are read."""
    reads = {_place(uri.removeprefix("file:")) for uri in inputs if uri.startswith("file:")}
    for option, uri in outputs:
        found = output_type(uri)
        rest = uri.partition(":")[2].partition("?")[0]
        if found is not None and found.local and (place := _place(rest)) in reads and place.is_dir():
            raise OptionError(
                f"{option}={uri}: this directory is read, so what is written there comes in again; name another"
            )


def _place(text: str) -> Path:
    return Path(os.path.realpath(Path(text).expanduser()))
