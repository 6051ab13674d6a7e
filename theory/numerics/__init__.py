"""theory/numerics."""

from .arrays import FloatArray, exactly, numbers
from .compilation import compiled, machine_code
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
    "correct",
    "exactly",
    "jacobian",
    "machine_code",
    "numbers",
    "rational",
    "trace",
]
