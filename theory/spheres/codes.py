"""The Tammes problem: points on a sphere whose least angle is as large as can be.

The largest overlap t is made small with all pairs' overlaps at most t, which is a smooth problem with constraints, from
many starts by sequential quadratic programming (`scipy.optimize`, SLSQP).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize

from ..numerics import MOST_DIMENSIONS, MOST_POINTS, FloatArray, Summarised, check_count, check_seed

STARTS, AGREE, ITERATIONS = 60, 3, 400
# Largest overlaps of one optimum, found twice, agree to this; ones that break a constraint by more don't count.
SAME = 1e-8


@dataclass(frozen=True, eq=False)
class SphericalCode(Summarised):
    """The points of largest least angle that were found.

    Attributes:
        points: shape (n, d), of length 1.
        overlap: the largest of two of them, the cosine of the least angle.
        starts: how many were followed.
        agreed: how many of them ended at this overlap.
        status: "agreed" if enough starts did, else "few".
    """

    points: FloatArray
    overlap: float
    starts: int
    agreed: int
    status: str

    @property
    def angle(self) -> float:
        """The least angle, in degrees."""
        return float(np.degrees(np.arccos(self.overlap)))


def spherical_code(n: int, dim: int = 3, *, seed: int = 0) -> SphericalCode:
    """Return points on the unit sphere whose least angle is the largest that many starts find.

    For d + 1 < n < 2 d, and other sizes, the optimum isn't one configuration but many; one of them comes back.

    Args:
        n: number of points, at least 2.
        dim: dimensions of space, at least 2.
        seed: of the random starts.

    Returns:
        The record. That no code is better isn't proved.

    Raises:
        ValueError: if a number is too small.

    Source:
        Tammes 1930; Schütte and van der Waerden 1951, DOI 10.1007/BF02054944.

    Example:
        >>> round(spherical_code(9).overlap, 9)    # 1/3
        0.333333333
    """
    check_count("n", n, 2, MOST_POINTS)
    check_count("dim", dim, 2, MOST_DIMENSIONS)
    check_seed("seed", seed)
    rng = np.random.default_rng([seed, n, dim])
    best, points, agreed = np.inf, np.empty((n, dim)), 0
    for _ in range(STARTS):
        end = _packed_apart(rng.normal(size=(n, dim)))
        overlap = float((end @ end.T)[np.triu_indices(n, 1)].max())
        if overlap < best - SAME:
            agreed = 0
        agreed += overlap <= best + SAME
        if overlap < best:
            best, points = overlap, end
    return SphericalCode(points, best, STARTS, agreed, "agreed" if agreed >= AGREE else "few")


def _packed_apart(start: FloatArray) -> FloatArray:
    """Return where points end whose largest overlap is made small, shape (n, d)."""
    n, d = start.shape
    unit = start / np.linalg.norm(start, axis=1, keepdims=True)
    first, second = np.triu_indices(n, 1)
    pairs, each, last = np.arange(len(first))[:, None], np.arange(n)[:, None], n * d
    axes = np.arange(d)
    along = np.zeros(last + 1)
    along[-1] = 1

    def room(x: FloatArray) -> FloatArray:
        points = x[:-1].reshape(n, d)
        return np.asarray(x[-1] - (points[first] * points[second]).sum(axis=1))

    def room_slopes(x: FloatArray) -> FloatArray:
        points, slopes = x[:-1].reshape(n, d), np.zeros((len(first), last + 1))
        slopes[pairs, d * first[:, None] + axes] = -points[second]
        slopes[pairs, d * second[:, None] + axes] = -points[first]
        slopes[:, -1] = 1
        return slopes

    def lengths(x: FloatArray) -> FloatArray:
        return np.asarray(np.square(x[:-1].reshape(n, d)).sum(axis=1) - 1)

    def length_slopes(x: FloatArray) -> FloatArray:
        slopes = np.zeros((n, last + 1))
        slopes[each, d * each + axes] = 2 * x[:-1].reshape(n, d)
        return slopes

    search: Any = minimize
    found = search(
        lambda x: x[-1],
        np.append(unit, 1.0),
        jac=lambda _: along,
        method="SLSQP",
        constraints=[
            {"type": "ineq", "fun": room, "jac": room_slopes},
            {"type": "eq", "fun": lengths, "jac": length_slopes},
        ],
        options={"maxiter": ITERATIONS, "ftol": 1e-13},
    )
    end = np.asarray(found.x[:-1]).reshape(n, d)
    return np.asarray(end / np.linalg.norm(end, axis=1, keepdims=True))
