"""Numerical methods that know nothing of toy models, and what all of `tegum.theory` is written in.

`arrays` has the one array type, `checks` what single arguments must be, `intervals` proven intervals of exact
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

from .arrays import Array, FloatArray, as_numpy, exactly, numbers, stretched
from .checks import check_choice, check_count, check_kind, check_rate, is_real
from .compilation import compiled, machine_code, type_of
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
from .rounding import UNIT, gamma
from .threads import cores, even_size, over_slices, slices

__all__ = [
    "DIFFERENCE",
    "HALF",
    "HOPS",
    "RANK",
    "RESIDUAL",
    "SMALLEST_STEP",
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
    "System",
    "Trace",
    "always",
    "as_fmpq",
    "as_fraction",
    "as_interval",
    "as_numpy",
    "between",
    "check_choice",
    "check_count",
    "check_kind",
    "check_rate",
    "compiled",
    "cores",
    "correct",
    "even_size",
    "exactly",
    "first_order",
    "gamma",
    "is_real",
    "jacobian",
    "machine_code",
    "numbers",
    "over_slices",
    "rational",
    "slices",
    "stretched",
    "trace",
    "type_of",
]
