"""What a template reads: the labels of the alert's series, and the expressions it queries. For lints and coverage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum, auto

from rules.templates.expansion import PRELUDE_ACTIONS, Template
from rules.templates.nodes import (
    Block,
    Branch,
    Chain,
    Command,
    Dot,
    Field,
    Identifier,
    Node,
    Pipe,
    String,
    Variable,
    children,
)


class _Cursor(Enum):
    """What a value is known to be: the alert's data, its labels, or something else."""

    DATA = auto()
    LABELS = auto()
    OTHER = auto()


def labels_used(template: Template) -> set[str]:
    """The labels of the alert's series that a template names: ``$labels.x``, ``.Labels.x``, ``index $labels "x"``.

    A template that shows all labels (``{{ $labels }}``), or takes their names from data, names none.
    """
    found: set[str] = set()
    for name, body in template.bodies.items():
        nodes = body.nodes[PRELUDE_ACTIONS:] if name == template.go_name else body.nodes
        # A definition is taken to be called with the alert's data, as it is in all but contrived templates.
        _labels(Block(body.pos, nodes), _Cursor.DATA, found)
    return found


def _labels(node: Node, dot: _Cursor, found: set[str]) -> None:
    match node:
        case Branch():
            _labels(node.pipe, dot, found)
            inner = dot
            if node.keyword != "if":
                inner = _kind(node.pipe, dot) if node.keyword == "with" else _Cursor.OTHER
            _labels(node.body, inner, found)
            if node.otherwise is not None:
                _labels(node.otherwise, dot, found)
            return
        case Field() | Variable() | Chain():
            base, fields = _parts(node, dot)
            if base is _Cursor.DATA and fields[:1] == ("Labels",):
                found.update(fields[1:2])
            elif base is _Cursor.LABELS:
                found.update(fields[:1])
        case Pipe():
            found.update(_indexed(node.commands, dot))
        case _:
            pass
    for child in children(node):
        _labels(child, dot, found)


def _parts(node: Node, dot: _Cursor) -> tuple[_Cursor, tuple[str, ...]]:
    """What a chain of fields starts at, and the fields."""
    match node:
        case Field():
            return dot, node.fields
        case Variable():
            return {"$": _Cursor.DATA, "$labels": _Cursor.LABELS}.get(node.name, _Cursor.OTHER), node.fields
        case Chain():
            return _kind(node.node, dot), node.fields
        case Dot():
            return dot, ()
        case _:
            return _Cursor.OTHER, ()


def _kind(node: Node, dot: _Cursor) -> _Cursor:
    """What a value is, as far as its notation shows."""
    if isinstance(node, Pipe):
        if len(node.commands) == 1 and len(node.commands[0].args) == 1:
            return _kind(node.commands[0].args[0], dot)
        return _Cursor.OTHER
    base, fields = _parts(node, dot)
    if not fields:
        return base
    return _Cursor.LABELS if base is _Cursor.DATA and fields == ("Labels",) else _Cursor.OTHER


def _indexed(commands: Sequence[Command], dot: _Cursor) -> Iterator[str]:
    """The constant keys by which labels are indexed, the last argument possibly piped in."""
    for position, command in enumerate(commands):
        if not (isinstance(command.args[0], Identifier) and command.args[0].name == "index"):
            continue
        args = command.args[1:]
        if position:
            args = [*args, *commands[position - 1].args[:1]]
        if len(args) > 1 and _kind(args[0], dot) is _Cursor.LABELS and isinstance(args[1], String):
            yield args[1].text


def queries(template: Template) -> list[str]:
    """The expressions a template queries, in the order they are written; those it puts together from data are left out."""
    return [expr for node in template.walk() if isinstance(node, Pipe) for expr in _queried(node.commands)]


def _queried(commands: Sequence[Command]) -> Iterator[str]:
    for position, command in enumerate(commands):
        if not (isinstance(command.args[0], Identifier) and command.args[0].name == "query"):
            continue
        if len(command.args) > 1:
            arg = command.args[1]
            while isinstance(arg, Pipe) and len(arg.commands) == 1 and len(arg.commands[0].args) == 1:
                arg = arg.commands[0].args[0]
        elif position and len(commands[position - 1].args) == 1:
            arg = commands[position - 1].args[0]
        else:
            continue
        if isinstance(arg, String):
            yield arg.text
