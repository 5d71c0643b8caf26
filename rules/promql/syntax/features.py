"""What an expression needs that is not built here: noted while parsing goes on, since a fault of syntax anywhere comes first."""

from __future__ import annotations

from typing import Final

from rules.promql.syntax.errors import Span, UnsupportedFeature

_FLAG: Final = "Prometheus calls it experimental and takes it only under --enable-feature="


class Missing:
    """The features met so far; the one Prometheus and promtool both refuse by default is reported first."""

    def __init__(self) -> None:
        self._refused: UnsupportedFeature | None = None
        self._tolerated: UnsupportedFeature | None = None

    def note_flag(self, message: str, span: Span, flag: str) -> None:
        """A feature behind a flag of Prometheus."""
        self._refused = self._refused or UnsupportedFeature(message, span, _FLAG + flag)

    def note_duration(self, message: str, span: Span) -> None:
        """A calculated duration: behind a flag of Prometheus, though its promtool takes it."""
        hint = f"write the duration itself; {_FLAG}promql-duration-expr"
        self._tolerated = self._tolerated or UnsupportedFeature(message, span, hint)

    def note_native(self, message: str, span: Span) -> None:
        """What works on native histograms only; Prometheus takes it."""
        hint = "classic histograms (buckets with an le label) are supported"
        self._tolerated = self._tolerated or UnsupportedFeature(message, span, hint)

    def raise_first(self) -> None:
        """Raises UnsupportedFeature if anything was noted."""
        error = self._refused or self._tolerated
        if error is not None:
            raise error
