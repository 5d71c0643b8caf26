"""Label sets as columns: one row a series, one dictionary-encoded column a label name.

An absent label and an empty one are the same thing (Prometheus' data model), so every frame has, in effect, every column.
Grouping, matching and regular expressions touch a column's few distinct values and then only integers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas import series

METRIC_NAME = series.METRIC_NAME
METADATA = (METRIC_NAME, "__type__", "__unit__")
"""Labels that say what a metric is rather than whose: what computes something new drops them together."""

Codes = NDArray[np.int32]
Index = NDArray[np.int64]

_WIDEST = 1 << 62


@dataclass(frozen=True, slots=True)
class Column:
    """One label of every row: ``values[codes[row]]``. Values are distinct; not all need be in use."""

    codes: Codes
    values: tuple[str, ...]

    @classmethod
    def constant(cls, value: str, size: int) -> Column:
        """The same value on every row."""
        return cls(np.zeros(size, np.int32), (value,))

    @classmethod
    def of(cls, texts: Iterable[str]) -> Column:
        """A column of one text a row."""
        seen: dict[str, int] = {}
        codes = [seen.setdefault(text, len(seen)) for text in texts]
        return cls(np.array(codes, np.int32), tuple(seen))

    @property
    def is_constant(self) -> bool:
        """Whether all rows have the same value."""
        codes = self.codes
        return len(self.values) == 1 or len(codes) < 2 or bool((codes == codes[0]).all())

    def map(self, function: Callable[[str], str]) -> Column:
        """The column with each distinct value replaced; values that become equal are one again."""
        return self.recoded([function(value) for value in self.values])

    def recoded(self, texts: Sequence[str]) -> Column:
        """The column with ``texts`` in place of its values, of which some may be equal."""
        seen: dict[str, int] = {}
        table = np.array([seen.setdefault(text, len(seen)) for text in texts], np.int32)
        return Column(table[self.codes] if len(table) else self.codes, tuple(seen))

    def take(self, rows: Index) -> Column:
        return Column(self.codes[rows], self.values)

    def texts(self) -> list[str]:
        """The value of every row."""
        values = self.values
        return [values[code] for code in self.codes.tolist()]


class LabelFrame:
    """The label sets of ``size`` series.

    Attributes:
        size: how many rows.
        columns: by label name; a name that is missing is empty on every row.
    """

    __slots__ = ("columns", "size")

    def __init__(self, size: int, columns: Mapping[str, Column]) -> None:
        self.size = size
        self.columns = columns

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, str]]) -> LabelFrame:
        """A frame of one mapping a row."""
        names = sorted({name for row in rows for name in row})
        return cls(len(rows), {name: Column.of(row.get(name, "") for row in rows) for name in names})

    @classmethod
    def empty(cls) -> LabelFrame:
        """No rows."""
        return cls(0, {})

    @classmethod
    def concat(cls, frames: Sequence[LabelFrame]) -> LabelFrame:
        """The rows of all frames, in order."""
        if len(frames) == 1:
            return frames[0]
        names = sorted({name for frame in frames for name in frame.columns})
        columns = {}
        for name in names:
            seen: dict[str, int] = {}
            parts = []
            for frame in frames:
                column = frame.column(name)
                table = np.array([seen.setdefault(value, len(seen)) for value in column.values], np.int32)
                parts.append(table[column.codes] if len(table) else column.codes)
            columns[name] = Column(np.concatenate(parts), tuple(seen))
        return cls(sum(frame.size for frame in frames), columns)

    def column(self, name: str) -> Column:
        """The named label of every row; all empty when no row has it."""
        found = self.columns.get(name)
        return Column.constant("", self.size) if found is None else found

    def row(self, row: int) -> dict[str, str]:
        """The label set of one row, sorted by name, without empty labels."""
        return {
            name: value
            for name, column in sorted(self.columns.items())
            if (value := column.values[column.codes[row]]) != ""
        }

    def rows(self) -> list[dict[str, str]]:
        """The label set of every row."""
        texts = [(name, column.texts()) for name, column in sorted(self.columns.items())]
        return [{name: column[row] for name, column in texts if column[row] != ""} for row in range(self.size)]

    def take(self, rows: Index) -> LabelFrame:
        """The given rows, in the given order."""
        return LabelFrame(len(rows), {name: column.take(rows) for name, column in self.columns.items()})

    def keep(self, names: Iterable[str]) -> LabelFrame:
        """Only the named labels."""
        wanted = set(names)
        return LabelFrame(self.size, {name: column for name, column in self.columns.items() if name in wanted})

    def drop(self, names: Iterable[str]) -> LabelFrame:
        """All but the named labels."""
        unwanted = set(names)
        return LabelFrame(self.size, {name: column for name, column in self.columns.items() if name not in unwanted})

    def with_column(self, name: str, column: Column) -> LabelFrame:
        """The frame with one label set, or replaced."""
        return LabelFrame(self.size, {**self.columns, name: column})

    def keys(self, names: Iterable[str] | None = None) -> Index:
        """A number a row, equal where the named labels (all, when None) are; not dense."""
        keys, _ = match_keys(self, LabelFrame.empty(), self.columns if names is None else names)
        return keys

    def groups(self, names: Iterable[str] | None = None) -> tuple[Index, Index]:
        """Group number of every row, and the first row of every group; groups are numbered by first appearance."""
        return dense(self.keys(names))

    def same_as(self, other: LabelFrame) -> bool:
        """Whether the rows are the same in the same order, and coded alike too, which makes it quick to say."""
        if self is other:
            return True
        if self.size != other.size or self.columns.keys() != other.columns.keys():
            return False
        for name, column in self.columns.items():
            its = other.columns[name]
            values_differ = column.values is not its.values and column.values != its.values
            if values_differ or not np.array_equal(column.codes, its.codes):
                return False
        return True

    def has_duplicates(self) -> bool:
        """Whether two rows have the same label set."""
        if self.size < 2:
            return False
        keys = self.keys()
        if self.size <= 64:
            return len(set(keys.tolist())) < self.size
        keys = np.sort(keys)
        return bool((keys[1:] == keys[:-1]).any())


def dense(keys: Index) -> tuple[Index, Index]:
    """Numbers 0, 1, ... in order of first appearance for equal keys, and the first row of each."""
    if not len(keys):
        return keys, keys
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank[inverse], first[order]


def match_keys(left: LabelFrame, right: LabelFrame, names: Iterable[str]) -> tuple[Index, Index]:
    """A number a row of either frame, equal exactly where all the named labels are equal."""
    keys = np.zeros(left.size + right.size, np.int64)
    spread = 1
    for name in sorted(set(names)):
        one, other = left.columns.get(name), right.columns.get(name)
        if one is None and other is None:
            continue
        one = one or Column.constant("", left.size)
        if right.size:
            other = other or Column.constant("", right.size)
            if one.values is other.values:
                # Of one store: its codes mean the same on both sides.
                codes, distinct = np.concatenate((one.codes, other.codes)), len(one.values)
            else:
                table = {value: code for code, value in enumerate(one.values)}
                translated = np.array([table.setdefault(value, len(table)) for value in other.values], np.int32)
                codes = np.concatenate((one.codes, translated[other.codes]))
                distinct = len(table)
        else:
            codes, distinct = one.codes, len(one.values)
        if distinct <= 1:
            continue
        if spread * distinct >= _WIDEST:
            keys = np.unique(keys, return_inverse=True)[1].astype(np.int64)
            spread = int(keys.max(initial=0)) + 1
        keys *= distinct
        keys += codes
        spread *= distinct
    return keys[: left.size], keys[left.size :]
