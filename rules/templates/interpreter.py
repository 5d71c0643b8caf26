"""Walks the syntax tree of a template over its data, with the semantics and messages of ``text/template`` of Go 1.26.

What bounds an expansion: ``MAX_DEPTH`` of blocks and templates in each other, ``MAX_STEPS`` of nodes visited and 16-character pieces of text handled,
``MAX_TEXT`` of output. A template that meets one fails with ``TemplateLimitExceeded``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

from rules.golang.quoting import quote, to_bytes
from rules.templates.errors import LimitError
from rules.templates.evaluation import Evaluator
from rules.templates.fmt.printing import MAX_TEXT, printed, too_large
from rules.templates.functions import TemplateContext
from rules.templates.nodes import (
    Action,
    Branch,
    Jump,
    Node,
    Pipe,
    TemplateCall,
    Text,
)
from rules.templates.state import Program
from rules.templates.values import (
    Duration,
    GoMap,
    QueryResult,
    Value,
    is_integer,
    truth,
)

MAX_DEPTH = 100


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


class Interpreter(Evaluator):
    """One expansion: walks the blocks of a template and writes what they say."""

    def __init__(self, program: Program, context: TemplateContext) -> None:
        super().__init__(program, context)
        self._parts: list[str] = []
        self._size = self._depth = 0

    def run(self, dot: Value, nodes: Sequence[Node], variables: Mapping[str, Value]) -> str:
        """What the nodes write, given the cursor and the variables that are set.

        Raises:
            TemplateError: they fail on the data, or exceed a limit.
        """
        self._variables = [["$", dot], *([name, value] for name, value in variables.items())]
        try:
            self._walk_all(dot, nodes)
        except RecursionError:
            self._limit("nested too deep")
        return "".join(self._parts)

    def _write(self, text: str) -> None:
        self._size += len(text)
        if self._size > MAX_TEXT:
            self._limit(str(too_large()))
        self._parts.append(text)

    def _walk_all(self, dot: Value, nodes: Sequence[Node]) -> None:
        self._spend(len(nodes) + 1)
        if self._depth >= MAX_DEPTH:
            self._limit(f"exceeded maximum template depth ({MAX_DEPTH})")
        self._depth += 1
        for node in nodes:
            self._node = node
            match node:
                case Text():
                    self._write(node.text)
                case Action():
                    value = self._pipeline(dot, node.pipe)
                    if not node.pipe.declared:
                        self._node = node
                        self._print(value)
                case Branch():
                    self._branch(dot, node)
                case TemplateCall():
                    self._call_template(dot, node)
                case Jump():
                    raise _Break if node.keyword == "break" else _Continue
        self._depth -= 1

    def _print(self, value: Value) -> None:
        try:
            self._write(value if type(value) is str else printed(value))
        except LimitError as error:
            self._limit(str(error))

    def _branch(self, dot: Value, node: Branch) -> None:
        mark = len(self._variables)
        if node.keyword == "range":
            self._range(dot, node)
        else:
            value = self._pipeline(dot, node.pipe)
            if truth(value):
                self._walk_all(value if node.keyword == "with" else dot, node.body.nodes)
            elif node.otherwise is not None:
                self._walk_all(dot, node.otherwise.nodes)
        del self._variables[mark:]

    def _range(self, dot: Value, node: Branch) -> None:
        value = self._pipeline(dot, node.pipe)
        pairs = self._elements(value, len(node.pipe.declared))
        mark, depth = len(self._variables), self._depth
        empty = True
        try:
            for index, element in pairs:
                empty = False
                self._declare_element(node.pipe, index, element)
                self._depth = depth
                with contextlib.suppress(_Continue):
                    self._walk_all(element, node.body.nodes)
                del self._variables[mark:]
        except _Break:
            pass
        self._depth = depth
        if empty and node.otherwise is not None:
            self._walk_all(dot, node.otherwise.nodes)

    def _elements(self, value: Value, declared: int) -> Iterator[tuple[Value, Value]]:
        if value is None:
            return iter(())
        if is_integer(value):
            if declared > 1:
                self._fail(f"can't use {printed(value)} to iterate over more than one variable")
            return ((None, type(value)(at) if type(value) is int else at) for at in range(value))
        if isinstance(value, QueryResult):
            return iter(tuple(enumerate(value)))
        if isinstance(value, GoMap):
            return iter([(key, value.data[key]) for key in sorted(value.data, key=to_bytes)])
        if isinstance(value, Duration) and declared < 2:
            return ((None, Duration(at)) for at in range(value.ns))
        self._fail(f"range can't iterate over {printed(value)}")

    def _declare_element(self, pipe: Pipe, index: Value, element: Value) -> None:
        if not pipe.declared:
            return
        if pipe.assigns:
            self._assign(pipe.declared[0].name, index if len(pipe.declared) > 1 else element)
            if len(pipe.declared) > 1:
                self._assign(pipe.declared[1].name, element)
            return
        self._variables[-1][1] = element
        if len(pipe.declared) > 1:
            self._variables[-2][1] = index

    def _call_template(self, dot: Value, node: TemplateCall) -> None:
        body = self._program.bodies.get(node.name)
        if body is None:
            self._fail(f"template {quote(node.name)} not defined")
        value = None if node.pipe is None else self._pipeline(dot, node.pipe)
        outer, self._variables = self._variables, [["$", value]]
        caller, self._template = self._template, node.name
        self._walk_all(value, body.nodes)
        self._variables, self._template = outer, caller
