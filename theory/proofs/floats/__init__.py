"""Bounds of the loss of two features in float64 with proven rounding, compiled: what searches are fast by.

`boxes` has intervals and boxes of floats, `moments` the moments with their error, `bounds` the least loss over the
biases, `slopes` ranges of derivatives over boxes, and `curvature` bounds of the Hessian. A search may use them to find
a proof; no check does. Begin with `bounds`, and docs/proofs.md for the rounding argument:

    >>> from tegum.theory.proofs.floats import rounding
    >>> 0 < rounding(1.0, -1.0, 0.0) < 1e-12
    True
"""

from .bounds import least_loss, shape_loss
from .boxes import OutputBox, Span, product, size, squared
from .moments import LARGEST, Chances, loss_and_slopes, rounding
from .slopes import RESOLUTION, ROUNDINGS, Curvature, Slopes, bias_range, reduced_curvature, slope_ranges

__all__ = [
    "LARGEST",
    "RESOLUTION",
    "ROUNDINGS",
    "Chances",
    "Curvature",
    "OutputBox",
    "Slopes",
    "Span",
    "bias_range",
    "least_loss",
    "loss_and_slopes",
    "product",
    "reduced_curvature",
    "rounding",
    "shape_loss",
    "size",
    "slope_ranges",
    "squared",
]
