"""Bounds of the loss of two features in float64 with proven rounding, compiled: what searches are fast by.

`moments` has the moments with their error, `bounds` the least loss over a box, `slopes` ranges of derivatives, and
`curvature` a bound of the reduced Hessian. A search may use them to find a proof; no check does. Begin with `bounds`,
and docs/proofs.md for the rounding argument:

    >>> from tegum.theory.proofs.floats import rounding
    >>> 0 < rounding(1.0, -1.0, 0.0) < 1e-12
    True
"""

from .bounds import least_loss, shape_loss
from .moments import LARGEST, loss_and_slopes, rounding
from .slopes import RESOLUTION, ROUNDINGS, bias_range, product, reduced_curvature, slope_ranges, squared

__all__ = [
    "LARGEST",
    "RESOLUTION",
    "ROUNDINGS",
    "bias_range",
    "least_loss",
    "loss_and_slopes",
    "product",
    "reduced_curvature",
    "rounding",
    "shape_loss",
    "slope_ranges",
    "squared",
]
