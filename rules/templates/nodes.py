"""The syntax tree of a template. ``str`` of a node is what Go prints for it, since its error messages quote the node they are about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from rules.golang.quoting import quote


@dataclass(slots=True, eq=False)
class Node:
    """A part of a template; ``pos`` is the character of the whole text where it starts."""

    pos: int


@dataclass(slots=True, eq=False)
class Text(Node):
    """What stands outside of actions."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(slots=True, eq=False)
class Identifier(Node):
    """The name of a function."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(slots=True, eq=False)
class Variable(Node):
    """``$x`` and the fields that follow it."""

    name: str
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ".".join((self.name, *self.fields))


@dataclass(slots=True, eq=False)
class Dot(Node):
    """``.``, the cursor."""

    def __str__(self) -> str:
        return "."


@dataclass(slots=True, eq=False)
class Nil(Node):
    """``nil``."""

    def __str__(self) -> str:
        return "nil"


@dataclass(slots=True, eq=False)
class Field(Node):
    """``.x.y``: fields of the cursor."""

    fields: tuple[str, ...]

    def __str__(self) -> str:
        return "".join(f".{name}" for name in self.fields)


@dataclass(slots=True, eq=False)
class Bool(Node):
    """``true`` or ``false``."""

    value: bool

    def __str__(self) -> str:
        return "true" if self.value else "false"


@dataclass(slots=True, eq=False)
class Number(Node):
    """A number or character constant, with the value it has as each type that can hold it."""

    text: str
    as_int: int | None = None
    as_float: float | None = None
    as_complex: complex | None = None

    def __str__(self) -> str:
        return self.text


@dataclass(slots=True, eq=False)
class String(Node):
    """A string constant: as it is written, and its value."""

    quoted: str
    text: str

    def __str__(self) -> str:
        return self.quoted


@dataclass(slots=True, eq=False)
class Command(Node):
    """One stage of a pipeline: a value, or a function and its arguments."""

    args: list[Node] = field(default_factory=list)

    def __str__(self) -> str:
        return " ".join(f"({arg})" if isinstance(arg, Pipe) else str(arg) for arg in self.args)


@dataclass(slots=True, eq=False)
class Pipe(Node):
    """Commands, each of which gets the value of the one before it; the variables that take the last one's."""

    declared: list[Variable] = field(default_factory=list)
    assigns: bool = False
    commands: list[Command] = field(default_factory=list)

    def __str__(self) -> str:
        names = ", ".join(map(str, self.declared))
        sign = " = " if self.assigns else " := "
        return (names + sign if names else "") + " | ".join(map(str, self.commands))


@dataclass(slots=True, eq=False)
class Chain(Node):
    """``(pipeline).x.y``."""

    node: Node
    fields: tuple[str, ...]

    def __str__(self) -> str:
        inner = f"({self.node})" if isinstance(self.node, Pipe) else str(self.node)
        return ".".join((inner, *self.fields))


@dataclass(slots=True, eq=False)
class Action(Node):
    """``{{pipeline}}``."""

    pipe: Pipe

    def __str__(self) -> str:
        return f"{{{{{self.pipe}}}}}"


@dataclass(slots=True, eq=False)
class Block(Node):
    """Nodes, one after the other."""

    nodes: list[Node] = field(default_factory=list)

    def __str__(self) -> str:
        return "".join(map(str, self.nodes))


@dataclass(slots=True, eq=False)
class Branch(Node):
    """``if``, ``with`` or ``range``."""

    keyword: str
    pipe: Pipe
    body: Block
    otherwise: Block | None

    def __str__(self) -> str:
        tail = "" if self.otherwise is None else f"{{{{else}}}}{self.otherwise}"
        return f"{{{{{self.keyword} {self.pipe}}}}}{self.body}{tail}{{{{end}}}}"


@dataclass(slots=True, eq=False)
class TemplateCall(Node):
    """``{{template "name" pipeline}}``."""

    name: str
    pipe: Pipe | None

    def __str__(self) -> str:
        tail = "" if self.pipe is None else f" {self.pipe}"
        return f"{{{{template {quote(self.name)}{tail}}}}}"


@dataclass(slots=True, eq=False)
class Jump(Node):
    """``{{break}}`` or ``{{continue}}``; and while parsing, the ``{{else}}`` or ``{{end}}`` that closes a block."""

    keyword: str

    def __str__(self) -> str:
        return f"{{{{{self.keyword}}}}}"


def is_empty(node: Node) -> bool:
    """Whether a body writes nothing but space, so that another definition of its name may replace it."""
    if isinstance(node, Block):
        return all(map(is_empty, node.nodes))
    return isinstance(node, Text) and not node.text.strip()


def children(node: Node) -> Iterator[Node]:
    """The direct parts of a node, in the order they are written."""
    match node:
        case Block():
            yield from node.nodes
        case Action():
            yield node.pipe
        case Branch():
            yield node.pipe
            yield node.body
            if node.otherwise is not None:
                yield node.otherwise
        case TemplateCall():
            if node.pipe is not None:
                yield node.pipe
        case Pipe():
            yield from node.commands
        case Command():
            yield from node.args
        case Chain():
            yield node.node
        case _:
            return
