"""Many expressions evaluated at once, shape by shape (:mod:`rules.promql.shapes`): the cost is a few array operations a shape, and little a member.

A shape is evaluated by the engine as if it were one expression. The series of all members stand one below the other, and the label
:data:`~rules.promql.shapes.MEMBER` keeps them apart wherever series meet: it is grouped by, and matched on. The results are those of each expression
by itself, to the last bit and in the same order (``tests/rules/promql/test_together.py``). What fails is narrowed down to the members that fail, so a
failure takes no neighbours with it.

Of members that compare with a constant, those alone are looked at whose constant lies within the extremes of what is compared. So a rule that
yields nothing, as nearly all do, costs some tens of nanoseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np

from rules.promql.binary import binary
from rules.promql.context import Annotations, Context, Options, merged
from rules.promql.engine import FURTHEST_MS, evaluate
from rules.promql.labels import Column
from rules.promql.members import Members, joined, may_hold, numerals, owned, stretches_of
from rules.promql.shapes import MEMBER, Selectors, Shape, Shapes
from rules.promql.syntax import ast
from rules.promql.syntax.errors import EvaluationError, PromQLError
from rules.promql.values import Index, InstantVector, Scalar, SeriesSet, Times

_CELLS = 1 << 21
"""Most values of a shape at once; what has more is evaluated one by one, since its cost is not that of calls."""


class TogetherStorage(Protocol):
    """A store that answers many selectors, or fragments, at once."""

    def select_many(
        self, selectors: Selectors, start_ms: int, end_ms: int, range_ms: int, *, stale: bool
    ) -> tuple[SeriesSet, Index] | None:
        """What :meth:`rules.promql.storage.Storage.select` gives for each selector, one below the other, and which of them each series is of.

        ``range_ms`` is how far back a selector looks. None: the store would rather be asked one by one.
        """
        ...

    def fragments(self, numbers: dict[int, int], times: Times) -> tuple[InstantVector, Index, Sequence[int]] | None:
        """What :meth:`rules.promql.storage.FragmentStorage.fragment` gives for the keys, one below the other; the value of each series' key; and the
        values of those that fail. None: the store would rather be asked one by one.
        """
        ...


class Answers(NamedTuple):
    """What expressions yield, by their numbers.

    Attributes:
        vectors: of those that yield anything.
        alone: those that have to be evaluated by themselves, to yield something or to fail.
    """

    vectors: dict[int, InstantVector]
    alone: frozenset[int]


class Together:
    """Expressions that are evaluated together, again and again.

    Attributes:
        numbers: of all of them.
    """

    def __init__(self, exprs: Sequence[ast.Expr]) -> None:
        shapes = Shapes()
        self._alone: set[int] = set()
        self._roots: dict[Shape, dict[int, list[int]]] = {}
        self._nodes = 1
        for number, expr in enumerate(exprs):
            node = shapes.node(expr)
            if node is None:
                self._alone.add(number)
            else:
                self._roots.setdefault(node[0], {}).setdefault(node[1], []).append(number)
                self._nodes = max(self._nodes, sum(1 for _ in ast.walk(expr)))
        self.numbers = frozenset(range(len(exprs)))

    def evaluate(self, storage: TogetherStorage, times: Times, options: Options) -> Answers:
        """Evaluate all at ascending times, ms."""
        if options.delayed_name_removal or not -FURTHEST_MS <= int(times[0]) <= int(times[-1]) <= FURTHEST_MS:
            return Answers({}, self.numbers)
        # An expression may repeat a part that is evaluated once here: it fails by itself if it costs too much.
        run = _Run(storage, times, replace(options, max_work=options.max_work // self._nodes))
        vectors: dict[int, InstantVector] = {}
        alone = set(self._alone)
        with np.errstate(all="ignore"):
            for shape, numbers in self._roots.items():
                found = run.finished(shape)
                for member in np.flatnonzero(found.failed).tolist():
                    alone.update(numbers.get(member, ()))
                for member, vector in found.split():
                    for number in numbers.get(member, ()):
                        vectors[number] = vector
        return Answers(vectors, frozenset(alone))


class _Apart(Exception):
    """A shape is not evaluated at once."""


class _Run:
    """One evaluation of all shapes."""

    def __init__(self, storage: TogetherStorage, times: Times, options: Options) -> None:
        self._storage = storage
        self._times = times
        self._options = options
        self._values: dict[Shape, Members] = {}

    def finished(self, shape: Shape) -> Members:
        """The value of a shape at the end of an evaluation: without series that are never present, and equal series made one."""
        value = self._value(shape)
        every = np.arange(shape.size)

        def finish(members: Index) -> InstantVector:
            return merged(value.of(members, members, shape.size).compact())

        return self._pieced(shape, [np.flatnonzero(~value.failed)] if value.failed.any() else [every], finish)

    def _value(self, shape: Shape) -> Members:
        found = self._values.get(shape)
        if found is None:
            try:
                found = self._evaluated(shape)
            except _Apart:
                found = joined([], np.ones(shape.size, np.bool_), len(self._times))
            self._values[shape] = found
        return found

    def _evaluated(self, shape: Shape) -> Members:
        size = shape.size
        if shape.leaf == "fragments":
            return self._fragments(shape)
        if shape.leaf:
            return self._pieced(shape, [np.arange(size)], lambda members: self._read(shape, members))
        parts = [self._value(part) for part in shape.parts]
        asked = np.ones(size, np.bool_)
        for part, refs in zip(parts, shape.refs, strict=True):
            asked &= ~part.failed[refs]
        if shape.comparison is not None:
            asked &= may_hold(shape.comparison, parts[0], shape.refs[0], shape.numbers)
        members = np.flatnonzero(asked)
        sizes = np.zeros(len(members), np.int64)
        for part, refs in zip(parts, shape.refs, strict=True):
            sizes += np.diff(part.bounds)[refs[members]]
        if int(sizes.sum()) * len(self._times) > _CELLS:
            raise _Apart
        stretches = stretches_of(members, sizes) if shape.folds else [members]
        return self._pieced(shape, stretches, lambda members: self._above(shape, parts, members), parts)

    def _pieced(
        self,
        shape: Shape,
        stretches: Sequence[Index],
        evaluate_some: Callable[[Index], InstantVector],
        parts: Sequence[Members] = (),
    ) -> Members:
        """The members of some stretches; of one that fails each half by itself, down to the members that fail."""
        failed = np.zeros(shape.size, np.bool_)
        for part, refs in zip(parts, shape.refs, strict=False):
            failed |= part.failed[refs]
        if not parts:
            failed[:] = True
            failed[np.concatenate(stretches)] = False
        pieces: list[InstantVector] = []
        ahead = [each for each in reversed(stretches) if len(each)]
        while ahead:
            members = ahead.pop()
            try:
                vector = evaluate_some(members)
            except PromQLError:
                if len(members) == 1:
                    failed[members] = True
                    continue
                middle = len(members) // 2
                ahead += [members[middle:], members[:middle]]
                continue
            if vector.size:
                pieces.append(vector)
        return joined(pieces, failed, len(self._times))

    def _read(self, shape: Shape, members: Index) -> InstantVector:
        """Members of a leaf that reads samples."""
        asked = shape.selectors
        if len(members) < shape.size:
            asked = Selectors(tuple(asked.matchers[member] for member in members.tolist()), once=True)
        store = _Samples(self._storage, asked, members, shape, len(self._times))
        return self._engine(shape.expr, store)

    def _fragments(self, shape: Shape) -> Members:
        found = self._storage.fragments(shape.fragments, self._times)
        if found is None:
            raise _Apart
        vector, owners, failures = found
        failed = np.zeros(shape.size, np.bool_)
        failed[list(failures)] = True
        return joined([owned(vector, owners, shape.size)] if vector.size else [], failed, len(self._times))

    def _above(self, shape: Shape, parts: Sequence[Members], members: Index) -> InstantVector:
        """Members of a shape over what their parts yield."""
        vectors = [part.of(refs[members], members, shape.size) for part, refs in zip(parts, shape.refs, strict=True)]
        if not (shape.with_number and isinstance(shape.expr, ast.Binary)):
            return self._engine(shape.expr, _Parts(vectors))
        (vector,) = vectors
        if not vector.size:
            return vector
        numbers = Scalar(shape.numbers[vector.labels.columns[MEMBER].codes][:, None])
        context = self._context(_Parts(()))
        if isinstance(shape.expr.lhs, ast.Fragment):
            value = binary(shape.expr, vector, numbers, context)
        else:
            value = binary(shape.expr, numbers, vector, context)
        assert isinstance(value, InstantVector)
        return value

    def _engine(self, expr: ast.Expr, store: _Parts | _Samples) -> InstantVector:
        value = evaluate(expr, self._context(store))
        assert isinstance(value, InstantVector)
        return value

    def _context(self, store: _Parts | _Samples) -> Context:
        times = self._times
        return Context(store, times, int(times[0]), int(times[-1]), self._options, Annotations())


class _Parts:
    """A store of the vectors that a node's parts yield, as fragments."""

    def __init__(self, vectors: Sequence[InstantVector]) -> None:
        self._vectors = vectors

    def fragment(self, number: int, times: Times) -> InstantVector:
        return self._vectors[number]

    def select(self, matchers: Sequence[ast.Matcher], start_ms: int, end_ms: int, *, stale: bool) -> SeriesSet:
        raise EvaluationError("a part selects nothing")


class _Samples:
    """A store that answers the one selector of a shape with the series of all its members."""

    def __init__(
        self, storage: TogetherStorage, selectors: Selectors, members: Index, shape: Shape, instants: int
    ) -> None:
        self._storage = storage
        self._selectors = selectors
        self._members = members
        self._shape = shape
        self._instants = instants

    def select(self, matchers: Sequence[ast.Matcher], start_ms: int, end_ms: int, *, stale: bool) -> SeriesSet:
        range_ms = max(
            (node.range_ms for node in ast.walk(self._shape.expr) if isinstance(node, ast.MatrixSelector)), default=0
        )
        found = self._storage.select_many(self._selectors, start_ms, end_ms, range_ms, stale=stale)
        if found is None or found[0].size * self._instants > _CELLS:
            raise _Apart
        series, owners = found
        column = Column(self._members[owners].astype(np.int32), numerals(self._shape.size))
        return replace(series, labels=series.labels.with_column(MEMBER, column))
