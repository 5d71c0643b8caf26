"""The functions of PromQL: what they take and give, as of Prometheus 3.14."""

from __future__ import annotations

from typing import Final, NamedTuple

from rules.promql.syntax.ast import ValueType

_SCALAR, _VECTOR, _MATRIX, _STRING = ValueType.SCALAR, ValueType.VECTOR, ValueType.MATRIX, ValueType.STRING


class Signature(NamedTuple):
    """What a function takes and gives.

    Attributes:
        args: the types of its arguments; the last one's also of any variadic ones.
        returns: the type of its value.
        variadic: how many arguments may be left out or added at the end, counted from all but the last; -1 for no upper bound.
        experimental: Prometheus runs it only under ``--enable-feature=promql-experimental-functions``.
    """

    args: tuple[ValueType, ...]
    returns: ValueType = _VECTOR
    variadic: int = 0
    experimental: bool = False

    @property
    def fewest(self) -> int:
        return len(self.args) - (1 if self.variadic else 0)

    @property
    def most(self) -> int | None:
        """The largest number of arguments; None for no bound."""
        return None if self.variadic < 0 else self.fewest + self.variadic


def _each(names: str, signature: Signature) -> dict[str, Signature]:
    return dict.fromkeys(names.split(), signature)


FUNCTIONS: Final[dict[str, Signature]] = {
    **_each(
        "abs absent acos acosh asin asinh atan atanh ceil cos cosh deg exp floor histogram_avg histogram_count histogram_sum"
        " histogram_stddev histogram_stdvar ln log10 log2 rad sgn sin sinh sort sort_desc sqrt tan tanh timestamp",
        Signature((_VECTOR,)),
    ),
    **_each(
        "absent_over_time avg_over_time changes count_over_time delta deriv first_over_time idelta increase irate"
        " last_over_time max_over_time min_over_time present_over_time rate resets stddev_over_time stdvar_over_time"
        " sum_over_time",
        Signature((_MATRIX,)),
    ),
    **_each(
        "day_of_month day_of_week day_of_year days_in_month hour minute month year", Signature((_VECTOR,), variadic=1)
    ),
    **_each("pi time", Signature((), _SCALAR)),
    **_each("clamp_max clamp_min", Signature((_VECTOR, _SCALAR))),
    "clamp": Signature((_VECTOR, _SCALAR, _SCALAR)),
    "histogram_fraction": Signature((_SCALAR, _SCALAR, _VECTOR)),
    "histogram_quantile": Signature((_SCALAR, _VECTOR)),
    "label_join": Signature((_VECTOR, _STRING, _STRING, _STRING), variadic=-1),
    "label_replace": Signature((_VECTOR, _STRING, _STRING, _STRING, _STRING)),
    "predict_linear": Signature((_MATRIX, _SCALAR)),
    "quantile_over_time": Signature((_SCALAR, _MATRIX)),
    "round": Signature((_VECTOR, _SCALAR), variadic=1),
    "scalar": Signature((_VECTOR,), _SCALAR),
    "vector": Signature((_SCALAR,)),
    **_each(
        "mad_over_time ts_of_first_over_time ts_of_last_over_time ts_of_max_over_time ts_of_min_over_time",
        Signature((_MATRIX,), experimental=True),
    ),
    **_each("end range start step", Signature((), _SCALAR, experimental=True)),
    **_each("max_of min_of", Signature((_SCALAR, _SCALAR), _SCALAR, experimental=True)),
    **_each("sort_by_label sort_by_label_desc", Signature((_VECTOR, _STRING), variadic=-1, experimental=True)),
    "double_exponential_smoothing": Signature((_MATRIX, _SCALAR, _SCALAR), experimental=True),
    "histogram_quantiles": Signature((_VECTOR, _STRING, _SCALAR, _SCALAR), variadic=9, experimental=True),
    "info": Signature((_VECTOR, _VECTOR), variadic=1, experimental=True),
    "start_timestamp": Signature((_VECTOR,), experimental=True),
}
