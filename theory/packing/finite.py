"""The best tegum product for a model of given size: an integer program over copies of polytopes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from ..numerics import MOST_SIZE, FloatArray, Summarised, check_count, check_kind, members, whole_numbers
from .best import BestPacking
from .classes import Factor, all_factors, checked_classes


@dataclass(frozen=True, eq=False)
class FinitePacking(Summarised):
    """How many copies of each polytope a model of given size holds at best.

    Attributes:
        copies: number of each factor, by name, those that occur.
        stored: features that are represented.
        used: dimensions that are used.
        loss: of all features, those that aren't represented included.
        weights: W, shape (m, n), features class by class.
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


def finite_packing(
    n_features: int | Sequence[int],
    n_hidden: int,
    packing: BestPacking,
    *,
    importance: Sequence[float] = (1.0,),
    mixed: Sequence[Factor] = (),
) -> FinitePacking:
    """Return the best tegum product of an atlas's polytopes for n features in m dimensions: an integer program.

    Args:
        n_features: number of features n, or of each class.
        n_hidden: number of dimensions m.
        packing: the polytopes and their losses at one density.
        importance: of each class of features.
        mixed: further factors that hold features of several classes, such as those of `mixed_factors`.

    Raises:
        ValueError: if a size isn't positive, an importance isn't from 1e-100 to 1e100, numbers of classes differ, or
            exactly one feature is on (what a block costs then depends on n).

    Example:
        >>> from tegum.theory import best_packing
        >>> atlas = best_packing(0.7, among=("axis", "digon", "triangle"))
        >>> finite_packing(5, 3, atlas).copies    # a triangle is best, and what is left is a digon
        {'triangle': 1, 'digon': 1}
        >>> finite_packing((2, 4), 3, atlas, importance=(1.0, 0.1)).copies
        {'axis of class 1': 2, 'digon of class 2': 1}
    """
    check_kind("packing", packing, BestPacking)
    numbers = np.atleast_1d(whole_numbers("n_features", n_features, least=1, most=MOST_SIZE))
    check_count("n_hidden", n_hidden, 1, MOST_SIZE)
    importance = checked_classes(importance)
    mixed = members("mixed", mixed, Factor)
    numbers = np.atleast_1d(n_features)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu" or not isinstance(n_hidden, (int, np.integer)):
        raise ValueError(f"sizes must be integers, got n_features={n_features!r}, n_hidden={n_hidden!r}")
    counts = [int(number) for number in numbers]
    if min(counts, default=0) < 1 or n_hidden < 1:
        raise ValueError(f"sizes must be positive, got n_features={n_features}, n_hidden={n_hidden}")
    if len(counts) != len(importance):
        raise ValueError(f"n_features and importance must be of as many classes, got {n_features!r} and {importance}")
    factors = all_factors(packing, importance, mixed)
    saved = np.array([one.saved for one in factors])
    sides = np.array([[one.dim for one in factors], *np.array([one.counts for one in factors]).T])
    scale = saved.max(initial=0.0) or 1.0
    found = milp(
        -saved / scale,
        constraints=LinearConstraint(sides, -np.inf, [n_hidden, *counts]),
        integrality=np.ones(len(factors), dtype=int),
        bounds=Bounds(0, np.inf),
        options={"mip_rel_gap": 0.0},
    )
    copies = np.zeros(len(factors), dtype=int) if found.x is None else np.round(found.x).astype(int)
    used, *stored = (int(total) for total in sides @ copies)
    loss = float(np.dot(counts, importance)) * packing.dropped - float(saved @ copies)
    blocks = [one for one, count in zip(factors, copies, strict=True) for _ in range(count)]
    named = {one.name: int(count) for one, count in zip(factors, copies, strict=True) if count}
    weights, bias = _assembled(blocks, counts, n_hidden, packing.mean)
    status = "optimal" if found.status == 0 else str(found.message)
    return FinitePacking(named, sum(stored), used, loss, weights, bias, status)


def _assembled(blocks: list[Factor], counts: list[int], n_hidden: int, mean: float) -> tuple[FloatArray, FloatArray]:
    """Return the weights and biases of some factors beside one another."""
    weights, bias = np.zeros((n_hidden, sum(counts))), np.full(sum(counts), mean)
    free = list(np.cumsum([0, *counts[:-1]]))
    row = 0
    for block in blocks:
        columns = []
        for number, count in enumerate(block.counts):
            columns += list(range(free[number], free[number] + count))
            free[number] += count
        weights[row : row + block.dim, columns] = block.weights
        bias[columns] = block.bias
        row += block.dim
    return weights, bias
