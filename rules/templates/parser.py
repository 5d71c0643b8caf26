"""From the text of a template to its syntax trees, with the verdicts and messages of ``text/template/parse`` of Go 1.26."""

from __future__ import annotations

from collections.abc import Collection
from typing import NoReturn

from rules.golang.quoting import quote
from rules.templates.errors import TemplateLimitExceeded
from rules.templates.lexer import Kind, Token
from rules.templates.nodes import (
    Action,
    Block,
    Branch,
    Jump,
    Node,
    TemplateCall,
    Text,
    is_empty,
)
from rules.templates.pipelines import PipelineParser, Scope


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
    parser = _Parser(text, name, functions, start)
    try:
        return parser.parse()
    except RecursionError:
        # The caller's own stack was nearly full: MAX_NESTING keeps a template well below the interpreter's limit.
        parser.too_deep()


class _Parser(PipelineParser):
    def __init__(self, text: str, name: str, functions: Collection[str], start: int) -> None:
        super().__init__(text, name, functions, start)
        self._bodies: dict[str, Block] = {}

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

    def too_deep(self) -> NoReturn:
        """Fails with the place that was reached."""
        self._fail("nested too deep", kind=TemplateLimitExceeded)

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
        outer, self._scope = self._scope, Scope(["$"])
        at, self._action_at = self._action_at, None
        body, closing = self._items()
        if closing.keyword != "end":
            self._fail(f"unexpected {closing} in {context}", closing.pos)
        self._scope, self._action_at = outer, at
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
        self._action_at = token.pos
        node = self._action()
        self._action_at = None
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
        return self._constant(token)


def _closes(node: Node) -> bool:
    return isinstance(node, Jump) and node.keyword in ("end", "else")
