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
from .rounding import UNIT, gamma

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
    "correct",
    "exactly",
    "gamma",
    "jacobian",
    "machine_code",
    "numbers",
    "rational",
    "trace",
]
