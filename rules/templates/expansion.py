"""Parsing and expanding the templates of alerts: the labels and annotations of a rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from rules.templates.builtins import BUILTINS
from rules.templates.errors import TemplateError
from rules.templates.functions import PROMETHEUS_FUNCTIONS, TemplateContext
from rules.templates.interpreter import Interpreter
from rules.templates.nodes import Block, Node, children
from rules.templates.parser import parse
from rules.templates.state import Program
from rules.templates.values import AlertData, GoMap

PRELUDE = (
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}"
)
"""What Prometheus puts before the text of every label and annotation of an alert."""
PRELUDE_ACTIONS = 4
FUNCTIONS = {**BUILTINS, **PROMETHEUS_FUNCTIONS}
"""What a template may call, by name."""


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A template that parses.

    Attributes:
        text: as its author wrote it.
        name: of the alert, which messages name.
        bodies: its syntax trees by name, its own under ``go_name``; positions count the prelude.
    """

    text: str
    name: str
    bodies: dict[str, Block]

    @property
    def go_name(self) -> str:
        """What Prometheus calls it."""
        return f"__alert_{self.name}"

    def walk(self) -> Iterator[Node]:
        """Its nodes and those of the templates it defines, parents first, without the prelude."""
        for name, body in self.bodies.items():
            for node in body.nodes[PRELUDE_ACTIONS if name == self.go_name else 0 :]:
                yield from _walk(node)


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in children(node):
        yield from _walk(child)


@lru_cache(maxsize=16384)
def parse_template(text: str, name: str = "") -> Template:
    """Parses the template of an alert's label or annotation, as ``promtool check rules`` does; it is not expanded.

    Args:
        text: the template.
        name: the alert, for messages.

    Raises:
        TemplateError: it is none. ``line`` and ``column`` count from the beginning of ``text``.
    """
    go_name = f"__alert_{name}"
    try:
        return Template(text, name, parse(PRELUDE + text, go_name, FUNCTIONS, len(PRELUDE)))
    except TemplateError as error:
        error.go_message = f"error parsing template {go_name}: {error.go_message}"
        raise


def expand(text: str, context: TemplateContext, name: str = "") -> str:
    """The text with its template filled in.

    Args:
        text: the template of an alert's label or annotation.
        context: the series, the installation, and the instant.
        name: the alert, for messages.

    Raises:
        TemplateError: it is no template, or fails on this data.
    """
    if "{{" not in text:
        return text
    template = parse_template(text, name)
    labels, external = GoMap(context.labels), GoMap(context.external_labels)
    go_name = template.go_name
    interpreter = Interpreter(Program(PRELUDE + text, go_name, template.bodies, FUNCTIONS, len(PRELUDE)), context)
    # The prelude's four declarations, made without walking them.
    variables = {
        "$labels": labels,
        "$externalLabels": external,
        "$externalURL": context.external_url,
        "$value": context.value,
    }
    data = AlertData(labels, external, context.external_url, context.value)
    try:
        written = interpreter.run(data, template.bodies[go_name].nodes[PRELUDE_ACTIONS:], variables)
    except TemplateError as error:
        error.go_message = f"error executing template {go_name}: {error.go_message}"
        raise
    return written if written.isascii() else _valid(written)


def _valid(text: str) -> str:
    """Characters that were cut apart and put together again are whole; a byte that is left over becomes U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def expand_or_error(text: str, context: TemplateContext, name: str = "") -> str:
    """The text with its template filled in; if that fails, the error in the words of Prometheus, which it puts in the alert."""
    try:
        return expand(text, context, name)
    except TemplateError as error:
        return f"<error expanding template: {error.go_message}>"
