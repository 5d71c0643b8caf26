"""Find rules without data: their expressions yield nothing because a selector matches nothing. They look like rules that never fire."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rules.evaluation.program import Prepared, Program
from rules.planning.catalogue import Catalogue
from rules.promql.labels import METRIC_NAME
from rules.promql.matchers import predicate
from rules.promql.syntax import ast
from rules.promql.syntax.printer import to_text

# Functions that yield something for an empty vector.
_YIELDING = frozenset({"absent", "absent_over_time", "scalar", "vector"})
_ABSENT = frozenset({"absent", "absent_over_time"})

MAX_UNFED = 20
"""Selectors without data that are named."""

MAX_READERS = 3
"""Rules that are named of each."""

Matchers = tuple[ast.Matcher, ...]

Finds = Callable[[Matchers], bool]
"""Whether the data hold a series that fits all matchers."""


@dataclass(frozen=True, slots=True)
class NoData:
    """A selector that finds nothing.

    Attributes:
        selector: as it is written, without a range or an offset.
        reason: why, as far as is known.
        hint: what may be meant, or empty.
    """

    selector: str
    reason: str
    hint: str = ""

    def __str__(self) -> str:
        return f"no data for {self.selector}: {self.reason}" + (f"; {self.hint}" if self.hint else "")


@dataclass(frozen=True, slots=True)
class Unfed:
    """A rule of which selectors find nothing.

    Attributes:
        selectors: those, each once; not those that ``absent`` asks for, which is there for that.
        silent: whether for want of them the rule can yield nothing at all.
    """

    selectors: tuple[NoData, ...]
    silent: bool


def unfed(program: Program, finds: Finds, catalogue: Catalogue) -> dict[int, Unfed]:
    """The rules that have selectors which find nothing, by position.

    A selector of what rules record finds something if one of these rules is not silent itself.

    Args:
        program: the rules.
        finds: asked of the data alone, without what the rules record.
        catalogue: what is in the data, for the reasons.
    """
    looked = Looked(program, finds)
    found: dict[int, Unfed] = {}
    for rule in program.rules:
        if lacking := unfed_of(rule.rule.ast, looked, catalogue):
            found[rule.position] = Unfed(lacking, looked.is_known_empty(rule))
    return found


def unfed_of(expr: ast.Expr, looked: Looked, catalogue: Catalogue) -> tuple[NoData, ...]:
    """The selectors of an expression that find nothing, neither in the data nor among what rules record; each once."""
    empty = (each for each in selectors(expr) if looked.is_empty(each))
    return tuple(dict.fromkeys(_no_data(each, looked, catalogue) for each in empty))


class Looked:
    """The selectors and rules of a program that yield nothing in some data."""

    def __init__(self, program: Program, finds: Finds) -> None:
        self._program = program
        self._finds = finds
        self._found: dict[Matchers, bool] = {}
        self._by_name: dict[str, list[Prepared]] = {}
        for rule in program.rules:
            for name in rule.names:
                self._by_name.setdefault(name, []).append(rule)
        self._silent = self._all_silent()

    def _all_silent(self) -> set[int]:
        """The rules that yield nothing, those that have nothing but what they record for each other among them."""
        self._silent = {rule.position for rule in self._program.rules}
        before = -1
        while before != len(self._silent):
            before = len(self._silent)
            for rule in self._program.rules:
                if rule.position in self._silent and not self.yields_nothing(rule.rule.ast):
                    self._silent.discard(rule.position)
        return self._silent

    def writers(self, selector: ast.VectorSelector) -> list[Prepared]:
        """The rules that write metrics of a name which the selector takes."""
        tests = [predicate(each) for each in selector.matchers if each.name == METRIC_NAME]
        exact = exact_name(selector.matchers)
        names = self._by_name if exact is None else [exact]
        return [rule for name in names if all(test(name) for test in tests) for rule in self._by_name.get(name, ())]

    def is_empty(self, selector: ast.VectorSelector) -> bool:
        """Whether neither the data nor a rule has what the selector asks for."""
        found = self._found.get(selector.matchers)
        if found is None:
            found = self._found[selector.matchers] = self._finds(selector.matchers)
        return not found and all(map(self.is_known_empty, self.writers(selector)))

    def is_known_empty(self, rule: Prepared) -> bool:
        """Whether a rule yields nothing. One that reads what it writes has nothing to begin with."""
        return rule.position in self._silent

    def yields_nothing(self, expr: ast.Expr) -> bool:
        """Whether an expression yields nothing for want of data."""
        return yields_nothing(expr, self.is_empty)


def exact_name(matchers: Matchers) -> str | None:
    """The metric name that a selector asks for, if it asks for one."""
    return next((each.value for each in matchers if each.name == METRIC_NAME and each.op is ast.MatchOp.EQUAL), None)


def _no_data(selector: ast.VectorSelector, looked: Looked, catalogue: Catalogue) -> NoData:
    writers = looked.writers(selector)
    if writers and exact_name(selector.matchers) is not None:
        names = ", ".join(dict.fromkeys(rule.rule.name for rule in writers))
        return NoData(selector_text(selector.matchers), f"rule {names} writes it, and has no data itself")
    return NoData(selector_text(selector.matchers), *catalogue.why_nothing(selector.matchers))


def yields_nothing(expr: ast.Expr, is_empty: Callable[[ast.VectorSelector], bool]) -> bool:
    """Whether an expression yields no series, given which selectors find none, whatever the others find.

    ``False`` means that it depends on the data. An expression that fails yields nothing either.
    """

    def nothing(expr: ast.Expr) -> bool:
        match expr:
            case ast.VectorSelector():
                return is_empty(expr)
            case ast.MatrixSelector():
                return is_empty(expr.selector)
            case ast.Subquery() | ast.Paren() | ast.Unary() | ast.Aggregate():
                return nothing(expr.expr)
            case ast.Call():
                vectors = [part for part in expr.args if part.type in (ast.ValueType.VECTOR, ast.ValueType.MATRIX)]
                return expr.func not in _YIELDING and any(map(nothing, vectors))
            case ast.Binary(op="or"):
                return nothing(expr.lhs) and nothing(expr.rhs)
            case ast.Binary(op="unless"):
                return nothing(expr.lhs)
            case ast.Binary():
                # A scalar is never nothing.
                return nothing(expr.lhs) or nothing(expr.rhs)
            case _:
                return False

    return nothing(expr)


def selectors(expr: ast.Expr) -> Iterator[ast.VectorSelector]:
    """The selectors of an expression, but for those that ``absent`` asks for."""
    if isinstance(expr, ast.Call) and expr.func in _ABSENT:
        return
    if isinstance(expr, ast.VectorSelector):
        yield expr
    for child in ast.children(expr):
        yield from selectors(child)


@lru_cache(maxsize=10_000)
def selector_key(matchers: Matchers) -> str:
    """A text that is the same for the same matchers in another order."""
    return selector_text(tuple(sorted(matchers, key=lambda each: (each.name, each.op.value, each.value))))


def unfed_lines(program: Program, lacking: Mapping[int, Unfed]) -> Iterator[str]:
    """A line for each selector that finds nothing, with the rules that read it."""
    readers: dict[NoData, list[str]] = {}
    for position, each in lacking.items():
        for selector in each.selectors:
            readers.setdefault(selector, []).append(program.rules[position].rule.name)
    for selector, names in list(readers.items())[:MAX_UNFED]:
        shown = ", ".join(dict.fromkeys(names[:MAX_READERS])) + (", ..." if len(names) > MAX_READERS else "")
        yield f"{shown}: {selector}"
    if len(readers) > MAX_UNFED:
        yield f"... and {len(readers) - MAX_UNFED} more selectors without data"


def selector_text(matchers: Sequence[ast.Matcher]) -> str:
    """A selector as people write it, ``name{label="value"}``."""
    named = [each for each in matchers if each.name == METRIC_NAME and each.op is ast.MatchOp.EQUAL]
    name = named[0].value if len(named) == 1 else None
    return to_text(ast.VectorSelector(name, tuple(matchers)))
