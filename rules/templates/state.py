"""The state of one expansion of a template: where it is, its variables, what it has cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from rules.golang.quoting import quote, to_bytes
from rules.templates.errors import TemplateError, TemplateLimitExceeded
from rules.templates.functions import Function, TemplateContext
from rules.templates.nodes import Block, Node
from rules.templates.pipelines import place
from rules.templates.values import Value

MAX_STEPS = 1_000_000


@dataclass(frozen=True, slots=True)
class Program:
    """What is expanded.

    Attributes:
        text: the whole template.
        name: what it is called in messages.
        bodies: its syntax trees by name.
        functions: what it may call.
        start: where the author's part of the text begins.
    """

    text: str
    name: str
    bodies: Mapping[str, Block]
    functions: Mapping[str, Function]
    start: int = 0


class State:
    """The state of one expansion of a program over some data."""

    def __init__(self, program: Program, context: TemplateContext) -> None:
        self._program = program
        self._context = context
        self._template = program.name
        self._node: Node = program.bodies[program.name]
        self._variables: list[list[Value]] = []
        self._steps = 0

    def _raise(self, message: str, kind: type[TemplateError]) -> NoReturn:
        text, pos = self._program.text, self._node.pos
        line_start = text.rfind("\n", 0, pos) + 1
        column = len(to_bytes(text[line_start:pos]))
        spot = f"{self._program.name}:{text.count(chr(10), 0, pos) + 1}:{column}"
        go_message = f"template: {spot}: executing {quote(self._template)} at <{self._node}>: {message}"
        raise kind(message, *place(text, pos, self._program.start), go_message)

    def _fail(self, message: str) -> NoReturn:
        self._raise(message, TemplateError)

    def _limit(self, message: str) -> NoReturn:
        self._raise(message, TemplateLimitExceeded)

    def _spend(self, steps: int) -> None:
        self._steps += steps
        if self._steps > MAX_STEPS:
            self._limit(f"the expansion takes more than {MAX_STEPS} steps")

    def _assign(self, name: str, value: Value) -> None:
        for variable in reversed(self._variables):
            if variable[0] == name:
                variable[1] = value
                return
        self._fail(f"undefined variable: {name}")

    def _lookup(self, name: str) -> Value:
        for variable in reversed(self._variables):
            if variable[0] == name:
                return variable[1]
        self._fail(f"undefined variable: {name}")
