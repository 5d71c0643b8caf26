"""Reads the pipelines of a template: what stands in its actions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import NoReturn

from rules.golang.quoting import quote, unquote
from rules.templates.errors import TemplateError, TemplateLimitExceeded
from rules.templates.lexer import Kind, Token, tokens
from rules.templates.nodes import (
    Bool,
    Chain,
    Command,
    Dot,
    Field,
    Identifier,
    Nil,
    Node,
    Number,
    Pipe,
    String,
    Variable,
)
from rules.templates.numbers import number

MAX_NESTING = 50
"""How deep blocks and parentheses of one template may lie in each other."""
_OPERANDS = frozenset(
    (
        Kind.BOOL, Kind.CHAR_CONSTANT, Kind.COMPLEX, Kind.DOT, Kind.FIELD, Kind.IDENTIFIER, Kind.NUMBER, Kind.NIL,
        Kind.RAW_STRING, Kind.STRING, Kind.VARIABLE, Kind.LEFT_PAREN,
    )
)  # fmt: skip


def place(text: str, pos: int, start: int = 0) -> tuple[int, int]:
    """Line and column, both from 1, of a character of the text that begins at ``start``."""
    pos = max(pos, start)
    newline = text.rfind("\n", start, pos)
    return text.count("\n", start, pos) + 1, pos - max(newline + 1, start) + 1


@dataclass(slots=True)
class Scope:
    """What a definition sees of its own: variables, and whether it is inside of a ``range``."""

    variables: list[str]
    ranges: int = 0


class PipelineParser:
    """Tokens, faults and pipelines; blocks come on top of it.

    Args:
        text: the template.
        name: what it is called in messages.
        functions: the names it may call.
        start: where the author's part of the text begins; places in errors count from there.
    """

    def __init__(self, text: str, name: str, functions: Collection[str], start: int) -> None:
        self._text, self._name, self._functions, self._start = text, name, functions, start
        self._tokens: Iterator[Token] = tokens(text)
        self._pushed: list[Token] = []
        self._last = Token(Kind.EOF, 0, "")
        self._scope = Scope(["$"])
        self._depth = 0
        self._action_at: int | None = None

    # Tokens

    def _next(self) -> Token:
        if self._pushed:
            return self._pushed.pop()
        if self._last.kind is not Kind.ERROR:
            self._last = next(self._tokens, self._last)
        return self._last

    def _peek(self) -> Token:
        token = self._next()
        self._pushed.append(token)
        return token

    def _next_nonspace(self) -> Token:
        while (token := self._next()).kind is Kind.SPACE:
            pass
        return token

    def _peek_nonspace(self) -> Token:
        token = self._next_nonspace()
        self._pushed.append(token)
        return token

    def _expect(self, kind: Kind, context: str) -> Token:
        token = self._next_nonspace()
        if token.kind is not kind:
            self._unexpected(token, context)
        return token

    # Faults

    def _fail(self, message: str, pos: int | None = None, kind: type[TemplateError] = TemplateError) -> NoReturn:
        go_line = self._text.count("\n", 0, self._last.pos) + 1
        line, column = place(self._text, self._last.pos if pos is None else pos, self._start)
        raise kind(message, line, column, f"template: {self._name}:{go_line}: {message}")

    def _unexpected(self, token: Token, context: str) -> NoReturn:
        if token.kind is not Kind.ERROR:
            self._fail(f"unexpected {token.describe()} in {context}", token.pos)
        extra = ""
        if self._action_at is not None and "\n" in self._text[self._action_at : token.pos]:
            begun = " started at" if token.text.endswith(" action") else " in action started at"
            line = self._text.count("\n", 0, self._action_at) + 1
            extra = f"{begun} {self._name}:{line}"
        self._fail(token.text + extra, token.pos)

    def _nested(self, parse: Callable[[], Node]) -> Node:
        if self._depth >= MAX_NESTING:
            self._fail(f"nested more than {MAX_NESTING} deep", kind=TemplateLimitExceeded)
        self._depth += 1
        node = parse()
        self._depth -= 1
        return node

    # Pipelines

    def _constant(self, token: Token) -> str:
        if token.kind is Kind.RAW_STRING:
            return token.text[1:-1].replace("\r", "")
        try:
            return unquote(token.text)
        except ValueError:
            self._fail("invalid syntax", token.pos)

    def _pipeline(self, context: str, end: Kind) -> Pipe:
        pipe = Pipe(self._peek_nonspace().pos)
        self._declarations(pipe, context)
        while (token := self._next_nonspace()).kind is not end:
            if token.kind not in _OPERANDS:
                self._unexpected(token, context)
            self._pushed.append(token)
            pipe.commands.append(self._command())
        if not pipe.commands:
            self._fail(f"missing value for {context}", token.pos)
        for stage, command in enumerate(pipe.commands[1:], 2):
            if isinstance(command.args[0], (Bool, Dot, Nil, Number, String)):
                self._fail(f"non executable command in pipeline stage {stage}", command.pos)
        return pipe

    def _declarations(self, pipe: Pipe, context: str) -> None:
        while (variable := self._peek_nonspace()).kind is Kind.VARIABLE:
            self._next()
            adjacent = self._next()
            sign = adjacent if adjacent.kind is not Kind.SPACE else self._next_nonspace()
            comma = sign.kind is Kind.CHAR and sign.text == ","
            if sign.kind not in (Kind.ASSIGN, Kind.DECLARE) and not comma:
                self._pushed += (sign, adjacent, variable) if adjacent is not sign else (sign, variable)
                return
            pipe.declared.append(Variable(variable.pos, variable.text))
            self._scope.variables.append(variable.text)
            if not comma:
                pipe.assigns = sign.kind is Kind.ASSIGN
                return
            if context != "range" or len(pipe.declared) > 1:
                self._fail(f"too many declarations in {context}", sign.pos)
            if self._peek_nonspace().kind not in (Kind.VARIABLE, Kind.RIGHT_DELIM, Kind.RIGHT_PAREN):
                self._fail("range can only initialize variables", sign.pos)

    def _command(self) -> Command:
        command = Command(self._peek_nonspace().pos)
        while True:
            self._peek_nonspace()
            if (operand := self._operand()) is not None:
                command.args.append(operand)
            token = self._next()
            if token.kind is Kind.SPACE:
                continue
            if token.kind in (Kind.RIGHT_DELIM, Kind.RIGHT_PAREN):
                self._pushed.append(token)
            elif token.kind is not Kind.PIPE:
                self._unexpected(token, "operand")
            break
        if not command.args:
            self._fail("empty command", token.pos)
        return command

    def _operand(self) -> Node | None:
        node = self._term()
        if node is None or self._peek().kind is not Kind.FIELD:
            return node
        pos = self._peek().pos
        fields = []
        while self._peek().kind is Kind.FIELD:
            fields.append(self._next().text[1:])
        if isinstance(node, Field):
            return Field(pos, (*node.fields, *fields))
        if isinstance(node, Variable):
            return Variable(pos, node.name, (*node.fields, *fields))
        if isinstance(node, (Bool, String, Number, Nil, Dot)):
            self._fail(f"unexpected . after term {quote(str(node))}", pos)
        return Chain(pos, node, tuple(fields))

    def _term(self) -> Node | None:
        token = self._next_nonspace()
        match token.kind:
            case Kind.IDENTIFIER:
                if token.text not in self._functions:
                    self._fail(f"function {quote(token.text)} not defined", token.pos)
                return Identifier(token.pos, token.text)
            case Kind.DOT:
                return Dot(token.pos)
            case Kind.NIL:
                return Nil(token.pos)
            case Kind.VARIABLE:
                if token.text not in self._scope.variables:
                    self._fail(f"undefined variable {quote(token.text)}", token.pos)
                return Variable(token.pos, token.text)
            case Kind.FIELD:
                return Field(token.pos, (token.text[1:],))
            case Kind.BOOL:
                return Bool(token.pos, token.text == "true")
            case Kind.CHAR_CONSTANT | Kind.COMPLEX | Kind.NUMBER:
                try:
                    return number(token.pos, token.text)
                except ValueError as error:
                    self._fail(str(error), token.pos)
            case Kind.LEFT_PAREN:
                return self._nested(lambda: self._pipeline("parenthesized pipeline", Kind.RIGHT_PAREN))
            case Kind.STRING | Kind.RAW_STRING:
                return String(token.pos, token.text, self._constant(token))
            case _:
                self._pushed.append(token)
                return None
