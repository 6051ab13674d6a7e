"""theory/numerics."""

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
    jacobian,
    trace,
)
from .intervals import HALF, THIRD, ZERO, Interval, Range, as_fmpq, as_fraction, as_interval, between, rational
from .lbfgs import Lbfgs
from .machine_code import compiled, machine_code
from .numbers import FloatArray, exactly, numbers
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
    "ZERO",
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
    "between",
    "compiled",
    "cores",
    "correct",
    "even_size",
    "exactly",
    "jacobian",
    "machine_code",
    "numbers",
    "over_slices",
    "rational",
    "slices",
    "trace",
]
