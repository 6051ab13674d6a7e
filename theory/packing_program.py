"""The best tegum product for a model of given size: an integer program over copies of polytopes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from .features import FloatArray
from .packing import BestPacking


@dataclass(frozen=True, eq=False)
class FinitePacking:
    """How many copies of each polytope a model of given size holds at best.

    Attributes:
        copies: number of each polytope, by name, those that occur.
        stored: features that are represented.
        used: dimensions that are used.
        loss: of all features, those that aren't represented included.
        weights: W, shape (m, n), the factors one after the other.
        bias: b, shape (n,), the mean of the input for those that aren't represented.
        status: "optimal", or what the solver says.
    """

    copies: dict[str, int]
    stored: int
    used: int
    loss: float
    weights: FloatArray
    bias: FloatArray
    status: str


def finite_packing(n_features: int, n_hidden: int, packing: BestPacking) -> FinitePacking:
    """Return the best tegum product of an atlas's polytopes for n equal features in m dimensions: an integer program.

    Args:
        n_features: number of features n.
        n_hidden: number of dimensions m.
        packing: the polytopes and their losses at one density.

    Raises:
        ValueError: if a size isn't positive, or exactly one feature is on (what a block costs then depends on n).

    Example:
        >>> atlas = best_packing(0.7, among=("axis", "digon", "triangle"))
        >>> finite_packing(5, 3, atlas).copies    # a triangle is best, and what is left is a digon
        {'triangle': 1, 'digon': 1}
    """
    if n_features < 1 or n_hidden < 1:
        raise ValueError(f"sizes must be positive, got n_features={n_features}, n_hidden={n_hidden}")
    if packing.density is None:
        raise ValueError("a finite packing needs a density, got the limit of one feature on")
    shapes = packing.polytopes
    saved = np.array([max(one.gain, 0.0) * one.dim for one in shapes])
    sizes = np.array([[one.corners for one in shapes], [one.dim for one in shapes]])
    scale = saved.max(initial=0.0) or 1.0
    found = milp(
        -saved / scale,
        constraints=LinearConstraint(sizes, -np.inf, [n_features, n_hidden]),
        integrality=np.ones(len(shapes), dtype=int),
        bounds=Bounds(0, np.inf),
        options={"mip_rel_gap": 0.0},
    )
    copies = np.zeros(len(shapes), dtype=int) if found.x is None else np.round(found.x).astype(int)
    loss = n_features * packing.dropped - float(saved @ copies)
    named = {shape.name: int(count) for shape, count in zip(shapes, copies, strict=True) if count}
    stored, used = (int(total) for total in sizes @ copies)
    weights, bias = np.zeros((n_hidden, n_features)), np.full(n_features, packing.mean)
    row = column = 0
    for shape, count in zip(shapes, copies, strict=True):
        for _ in range(count):
            weights[row : row + shape.dim, column : column + shape.corners] = shape.weights
            bias[column : column + shape.corners] = shape.bias
            row, column = row + shape.dim, column + shape.corners
    status = "optimal" if found.status == 0 else str(found.message)
    return FinitePacking(named, stored, used, loss, weights, bias, status)
