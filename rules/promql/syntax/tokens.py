"""The tokens of an expression as a parser walks along them."""

from __future__ import annotations

from typing import Final

from rules.promql.syntax.errors import PromQLSyntaxError, Span
from rules.promql.syntax.lexer import END, IDENTIFIER, METRIC, NUMBER, STRING, Token

# How deep brackets, calls and signs may nest: what recursion over a tree can take on an ordinary stack.
MAX_NESTING: Final = 100


class TokenStream:
    """A position in a list of tokens that ends with an ``END``.

    Attributes:
        current: the token to be read next.
        last_end: where the token read last ends.
    """

    __slots__ = ("_index", "_tokens", "current", "last_end")

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._index = 0
        self.current = tokens[0]
        self.last_end = 0

    @property
    def following(self) -> Token:
        """The token after the current one."""
        return self._tokens[min(self._index + 1, len(self._tokens) - 1)]

    @property
    def before(self) -> list[Token]:
        """The last two tokens that were read, or fewer."""
        return self._tokens[max(self._index - 2, 0) : self._index]

    def ahead(self, count: int) -> list[Token]:
        """The next tokens, the current one first; fewer at the end."""
        return self._tokens[self._index : self._index + count]

    def advance(self) -> Token:
        """Reads the current token."""
        token = self.current
        self.last_end = token.start + len(token.text)
        if token.kind is not END:
            self._index += 1
            self.current = self._tokens[self._index]
        return token

    def expect(self, kind: str, where: str, hint: str = "") -> Token:
        """Reads a token of this kind.

        Raises:
            PromQLSyntaxError: if another stands there.
        """
        if self.current.kind != kind:
            raise self.unexpected(where, f'"{kind}"', hint)
        return self.advance()

    def unexpected(self, where: str, expected: str, hint: str = "") -> PromQLSyntaxError:
        """The error that the current token cannot stand where it does."""
        message = f"unexpected {describe(self.current)}"
        if where:
            message += f" in {where}"
        if expected:
            message += f", expected {expected}"
        span = self.current.span
        if self.current.kind is END:
            span = Span(max(self.last_end - 1, 0), self.last_end)
        return PromQLSyntaxError(message, span, hint)


def describe(token: Token) -> str:
    """A token in the words of an error message."""
    if token.kind is END:
        return token.kind
    if token.kind in (IDENTIFIER, METRIC, NUMBER, STRING):
        return f'{token.kind} "{token.text}"' if token.kind != STRING else f"string {token.text}"
    return f'"{token.text}"'
