"""theory/proofs/floats."""

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
