"""Numerical methods that know nothing of toy models, and what all of `tegum.theory` is written in.

`arrays` has the one array type, `checks` what single arguments must be and `limits` how
much may be asked for, `intervals` proven intervals of exact
rationals, `compilation` machine code that is kept on disk, `continuation` follows solutions of equations through folds,
`lbfgs` minimises for many starts at once, and `threads` splits rows over all cores. Nothing here imports anything else
of ours but where files are kept.
Begin with `continuation`:

    >>> import numpy as np
    >>> from tegum.theory.numerics import correct
    >>> point, residual = correct(lambda y: (y**2).sum(axis=-1, keepdims=True) - 1, np.array([0.6, 0.9]))  # a circle
    >>> abs(float(point @ point) - 1) < 1e-12
    True
"""

from .arrays import (
    Array,
    FloatArray,
    as_numpy,
    check_broadcast,
    check_like,
    check_shape,
    exactly,
    float_array,
    numbers,
    rationals,
    real_values,
    reals,
    stretched,
    truths,
    whole_numbers,
)
from .checks import (
    check_callable,
    check_choice,
    check_count,
    check_flag,
    check_kind,
    check_number,
    check_range,
    check_rate,
    check_seed,
    check_text,
    is_real,
    members,
    shown,
)
from .compensated import SPLITTER, precise_gram, split, splitter, two_product, two_sum
from .compilation import compiled, compiled_part, machine_code, type_of
from .continuation import (
    DIFFERENCE,
    HOPS,
    RANK,
    RESIDUAL,
    SMALLEST_STEP,
    STRAIGHT,
    Predicate,
    System,
    Trace,
    always,
    correct,
    first_order,
    jacobian,
    trace,
)
from .intervals import HALF, THIRD, ZERO, Interval, Range, as_fmpq, as_fraction, as_interval, between, rational
from .lbfgs import Lbfgs
from .limits import (
    LEAST_PRECISION,
    MOST_DIMENSIONS,
    MOST_EXCHANGED,
    MOST_PAIRS,
    MOST_POINTS,
    MOST_PRECISION,
    MOST_SAMPLES,
    MOST_SHARED,
    MOST_SIZE,
    MOST_STARTS,
    MOST_STEPS,
)
from .rounding import UNIT, gamma
from .summaries import Summarised, summary
from .threads import cores, even_size, over_slices, slices

__all__ = [
    "DIFFERENCE",
    "HALF",
    "HOPS",
    "LEAST_PRECISION",
    "MOST_DIMENSIONS",
    "MOST_EXCHANGED",
    "MOST_PAIRS",
    "MOST_POINTS",
    "MOST_PRECISION",
    "MOST_SAMPLES",
    "MOST_SHARED",
    "MOST_SIZE",
    "MOST_STARTS",
    "MOST_STEPS",
    "RANK",
    "RESIDUAL",
    "SMALLEST_STEP",
    "SPLITTER",
    "STRAIGHT",
    "THIRD",
    "UNIT",
    "ZERO",
    "Array",
    "FloatArray",
    "Interval",
    "Lbfgs",
    "Predicate",
    "Range",
    "Summarised",
    "System",
    "Trace",
    "always",
    "as_fmpq",
    "as_fraction",
    "as_interval",
    "as_numpy",
    "between",
    "check_broadcast",
    "check_callable",
    "check_choice",
    "check_count",
    "check_flag",
    "check_kind",
    "check_like",
    "check_number",
    "check_range",
    "check_rate",
    "check_seed",
    "check_shape",
    "check_text",
    "compiled",
    "compiled_part",
    "cores",
    "correct",
    "even_size",
    "exactly",
    "first_order",
    "float_array",
    "gamma",
    "is_real",
    "jacobian",
    "machine_code",
    "members",
    "numbers",
    "over_slices",
    "precise_gram",
    "rational",
    "rationals",
    "real_values",
    "reals",
    "shown",
    "slices",
    "split",
    "splitter",
    "stretched",
    "summary",
    "trace",
    "truths",
    "two_product",
    "two_sum",
    "type_of",
    "whole_numbers",
]
