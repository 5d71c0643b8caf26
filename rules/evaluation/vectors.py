"""The vectors that rules' expressions yield; an expression that several rules have is evaluated once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np

from rules.evaluation.alerts import Labels
from rules.evaluation.program import Prepared, Program, Settings
from rules.promql.engine import at_instants
from rules.promql.labels import LabelFrame
from rules.promql.storage import Storage
from rules.promql.syntax import ast
from rules.promql.syntax.errors import EvaluationError, PromQLError
from rules.promql.together import TogetherStorage
from rules.promql.values import InstantVector, Mask, Scalar, Times

NOT_A_VECTOR = "rule result is not a vector or scalar"

_FEW = 4
"""Expressions that are fewer are evaluated one by one."""

_SCALAR_LABELS = LabelFrame(1, {})

IsKnownEmpty = Callable[[ast.Expr, Times], bool]
"""Whether an expression is known to yield nothing, without failing, at some times."""


def vector_of(expr: ast.Expr, storage: Storage, times: Times, settings: Settings) -> InstantVector:
    """What an expression yields as a rule's: a scalar is a series without labels.

    Raises:
        PromQLError: it fails at one of the evaluation times, or is neither.
    """
    if expr.type not in (ast.ValueType.SCALAR, ast.ValueType.VECTOR):
        raise EvaluationError(NOT_A_VECTOR, expr.span)
    value = at_instants(expr, storage, times, settings.options).value
    if isinstance(value, Scalar):
        values = value.values[None, :]
        return InstantVector(_SCALAR_LABELS, values, np.ones(values.shape, np.bool_))
    if not isinstance(value, InstantVector):
        raise EvaluationError(NOT_A_VECTOR, expr.span)
    return value


def side_by_side(parts: Sequence[InstantVector]) -> InstantVector:
    """Vectors of one evaluation time each as one of all."""
    rows: dict[Labels, int] = {}
    places = [[rows.setdefault(tuple(row.items()), len(rows)) for row in part.labels.rows()] for part in parts]
    values = np.zeros((len(rows), len(parts)))
    present = np.zeros((len(rows), len(parts)), np.bool_)
    for column, (part, taken) in enumerate(zip(parts, places, strict=True)):
        values[taken, column] = part.values[:, 0]
        present[taken, column] = part.present[:, 0]
    return InstantVector(LabelFrame.of([dict(labels) for labels in rows]), values, present)


class Vectors:
    """What the expressions of a program yield while what they read stays as it is."""

    def __init__(self, program: Program, is_known_empty: IsKnownEmpty | None) -> None:
        """None is known yet.

        Args:
            program: the rules.
            is_known_empty: whether an expression need not be evaluated.
        """
        self._program = program
        self._expressions = program.expressions.tolist()
        self._settings = program.settings
        self._is_known_empty = is_known_empty
        self._known: dict[tuple[int, bytes], InstantVector | PromQLError] = {}
        self._empty: dict[bytes, Mask] = {}

    def evaluate(self, asked: Mask, times: Times, storage: Storage) -> Mask:
        """Evaluate the expressions of some rules together, as far as that can be done; gives the rules whose expression yields nothing.

        Args:
            asked: ``[rules]``, which rules; their expressions have numbers.
            times: ``[T]`` ascending milliseconds, the evaluation times of all of them.
            storage: what they see.
        """
        program = self._program
        silent = np.zeros(len(asked), np.bool_)
        if not hasattr(storage, "fragments"):
            return silent
        many = cast(TogetherStorage, storage)
        for offset_ms in np.unique(program.offsets_ms[asked]).tolist():
            here = np.flatnonzero(asked & (program.offsets_ms == offset_ms))
            numbers = np.unique(program.expressions[here])
            if len(numbers) < _FEW:
                continue
            dated = times - offset_ms
            key = dated.tobytes()
            answers = program.together(numbers).evaluate(many, dated, self._settings.options)
            for place, vector in answers.vectors.items():
                vector.values.flags.writeable = vector.present.flags.writeable = False
                self._known[int(numbers[place]), key] = vector
            empty = self._empty.setdefault(key, np.zeros(len(self._expressions), np.bool_))
            numbers = np.delete(numbers, [*answers.vectors, *answers.alone])
            empty[numbers] = True
            silent[here] = empty[program.expressions[here]]
        return silent

    def of(self, rule: Prepared, dated: Times, storage: Storage) -> InstantVector:
        """The vector of a rule's expression; it may be shared, and is not to be changed.

        Args:
            rule: whose.
            dated: ``[T]`` ascending milliseconds, the evaluation times less the rule's offset.
            storage: what the rule sees.

        Raises:
            PromQLError: it fails at one of them.
        """
        number = self._expressions[rule.position]
        if number < 0:
            return self._evaluated(rule, dated, storage)
        key = number, dated.tobytes()
        found = self._known.get(key)
        if found is None and key[1] in self._empty and self._empty[key[1]][number]:
            found = InstantVector.empty(len(dated))
        elif found is None:
            try:
                found = self._evaluated(rule, dated, storage)
                found.values.flags.writeable = found.present.flags.writeable = False
            except PromQLError as error:
                found = error
            self._known[key] = found
        if isinstance(found, PromQLError):
            raise found
        return found

    def is_empty(self, rule: Prepared, dated: Times, storage: Storage) -> bool:
        """Whether a rule's expression yields nothing at all, and does not fail."""
        try:
            return not (len(dated) and self.of(rule, dated, storage).size)
        except PromQLError:
            return False

    def _evaluated(self, rule: Prepared, dated: Times, storage: Storage) -> InstantVector:
        if self._is_known_empty is not None and self._is_known_empty(rule.rule.ast, dated):
            return InstantVector.empty(len(dated))
        return vector_of(rule.rule.ast, storage, dated, self._settings)
