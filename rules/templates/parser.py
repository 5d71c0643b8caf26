"""From the text of a template to its syntax trees, with the verdicts and messages of ``text/template/parse`` of Go 1.26."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import NoReturn

from rules.templates.errors import TemplateError, TemplateLimitExceeded
from rules.templates.lexer import Kind, Token, tokens
from rules.templates.nodes import (
    Action,
    Block,
    Bool,
    Branch,
    Chain,
    Command,
    Dot,
    Field,
    Identifier,
    Jump,
    Nil,
    Node,
    Number,
    Pipe,
    String,
    TemplateCall,
    Text,
    Variable,
    is_empty,
)
from rules.templates.numbers import number
from rules.templates.quoting import quote, unquote

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


def parse(text: str, name: str, functions: Collection[str], start: int = 0) -> dict[str, Block]:
    """The bodies of a text and of the templates it defines, by name.

    Args:
        text: the template.
        name: what it is called in messages; its own body has this name in the result.
        functions: the names it may call.
        start: where the author's part of the text begins; places in errors count from there.

    Raises:
        TemplateError: it is no template.
    """
    return _Parser(text, name, functions, start).parse()


@dataclass(slots=True)
class _Scope:
    """What a definition sees of its own: variables, and whether it is inside of a ``range``."""

    variables: list[str]
    ranges: int = 0


class _Parser:
    def __init__(self, text: str, name: str, functions: Collection[str], start: int) -> None:
        self._text, self._name, self._functions, self._start = text, name, functions, start
        self._tokens: Iterator[Token] = tokens(text)
        self._pushed: list[Token] = []
        self._last = Token(Kind.EOF, 0, "")
        self._scope = _Scope(["$"])
        self._bodies: dict[str, Block] = {}
        self._depth = 0
        self._action_line = 0

    def parse(self) -> dict[str, Block]:
        root = Block(self._peek().pos)
        while self._peek().kind is not Kind.EOF:
            if self._peek().kind is Kind.LEFT_DELIM:
                delim = self._next()
                if (token := self._next_nonspace()) and token.kind is Kind.KEYWORD and token.text == "define":
                    self._definition()
                    continue
                self._pushed += (token, delim)
            node = self._text_or_action()
            if _closes(node):
                self._fail(f"unexpected {node}")
            root.nodes.append(node)
        self._add(self._name, root)
        return self._bodies

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
        line = self._text.count("\n", 0, token.pos) + 1
        extra = ""
        if self._action_line and self._action_line != line:
            begun = " started at" if token.text.endswith(" action") else " in action started at"
            extra = f"{begun} {self._name}:{self._action_line}"
        self._fail(token.text + extra, token.pos)

    def _nested(self, parse: Callable[[], Node]) -> Node:
        if self._depth >= MAX_NESTING:
            self._fail(f"nested more than {MAX_NESTING} deep", kind=TemplateLimitExceeded)
        self._depth += 1
        node = parse()
        self._depth -= 1
        return node

    # Blocks

    def _add(self, name: str, body: Block) -> None:
        known = self._bodies.get(name)
        if known is None or is_empty(known):
            self._bodies[name] = body
        elif not is_empty(body):
            self._fail(f"template: multiple definition of template {quote(name)}", body.pos)

    def _definition(self) -> None:
        context = "define clause"
        name = self._template_name(self._next_nonspace(), context)
        self._expect(Kind.RIGHT_DELIM, context)
        self._add(name, self._own_scope(context))

    def _own_scope(self, context: str) -> Block:
        outer, self._scope = self._scope, _Scope(["$"])
        line, self._action_line = self._action_line, 0
        body, closing = self._items()
        if closing.keyword != "end":
            self._fail(f"unexpected {closing} in {context}", closing.pos)
        self._scope, self._action_line = outer, line
        return body

    def _items(self) -> tuple[Block, Jump]:
        body = Block(self._peek_nonspace().pos)
        while self._peek_nonspace().kind is not Kind.EOF:
            node = self._nested(self._text_or_action)
            if isinstance(node, Jump) and _closes(node):
                return body, node
            body.nodes.append(node)
        self._fail("unexpected EOF")

    def _text_or_action(self) -> Node:
        token = self._next_nonspace()
        if token.kind is Kind.TEXT:
            return Text(token.pos, token.text)
        if token.kind is not Kind.LEFT_DELIM:
            self._unexpected(token, "input")
        self._action_line = self._text.count("\n", 0, token.pos) + 1
        node = self._action()
        self._action_line = 0
        return node

    def _action(self) -> Node:
        token = self._next_nonspace()
        if token.kind is Kind.KEYWORD and token.text != "define":
            match token.text:
                case "if" | "with" | "range":
                    return self._branch(token.text)
                case "else":
                    return self._else()
                case "end":
                    return Jump(self._expect(Kind.RIGHT_DELIM, "end").pos, "end")
                case "template":
                    return self._template()
                case "block":
                    return self._block()
                case _:
                    return self._jump(token)
        self._pushed.append(token)
        return Action(token.pos, self._pipeline("command", Kind.RIGHT_DELIM))

    def _jump(self, token: Token) -> Jump:
        after = self._next_nonspace()
        if after.kind is not Kind.RIGHT_DELIM:
            self._unexpected(after, f"{{{{{token.text}}}}}")
        if not self._scope.ranges:
            self._fail(f"{{{{{token.text}}}}} outside {{{{range}}}}", token.pos)
        return Jump(token.pos, token.text)

    def _else(self) -> Jump:
        token = self._peek_nonspace()
        if token.kind is Kind.KEYWORD and token.text in ("if", "with"):
            return Jump(token.pos, "else")
        return Jump(self._expect(Kind.RIGHT_DELIM, "else").pos, "else")

    def _branch(self, keyword: str) -> Branch:
        scope = self._scope
        seen = len(scope.variables)
        pipe = self._pipeline(keyword, Kind.RIGHT_DELIM)
        scope.ranges += keyword == "range"
        body, closing = self._items()
        scope.ranges -= keyword == "range"
        otherwise = None
        if closing.keyword == "else":
            token = self._peek()
            if token.kind is Kind.KEYWORD and token.text == keyword and keyword in ("if", "with"):
                self._next()
                otherwise = Block(closing.pos, [self._nested(lambda: self._branch(keyword))])
            else:
                otherwise, closing = self._items()
                if closing.keyword != "end":
                    self._fail(f"expected end; found {closing}", closing.pos)
        del scope.variables[seen:]
        return Branch(pipe.pos, keyword, pipe, body, otherwise)

    def _template(self) -> TemplateCall:
        context = "template clause"
        token = self._next_nonspace()
        name = self._template_name(token, context)
        if self._peek_nonspace().kind is Kind.RIGHT_DELIM:
            self._next()
            return TemplateCall(token.pos, name, None)
        return TemplateCall(token.pos, name, self._pipeline(context, Kind.RIGHT_DELIM))

    def _block(self) -> TemplateCall:
        context = "block clause"
        token = self._next_nonspace()
        name = self._template_name(token, context)
        pipe = self._pipeline(context, Kind.RIGHT_DELIM)
        self._add(name, self._own_scope(context))
        return TemplateCall(token.pos, name, pipe)

    def _template_name(self, token: Token, context: str) -> str:
        if token.kind not in (Kind.STRING, Kind.RAW_STRING):
            self._unexpected(token, context)
        return self._constant(unquote, token)

    # Pipelines

    def _constant(self, read: Callable[[str], str], token: Token) -> str:
        try:
            return read(token.text)
        except ValueError as error:
            self._fail(str(error), token.pos)

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
                return String(token.pos, token.text, self._constant(unquote, token))
            case _:
                self._pushed.append(token)
                return None


def _closes(node: Node) -> bool:
    return isinstance(node, Jump) and node.keyword in ("end", "else")
