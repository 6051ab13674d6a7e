"""The Thomson problem: points on a sphere that repel each other at the least Coulomb energy.

Many starts go downhill, one on each core; random ones and copies of the best so far with some points shaken take turns
(basin hopping, Wales and Doye 1997, DOI 10.1021/jp970984n). Both are needed: at 78 points nine of ten random starts
agree on an energy that isn't the lowest. A search ends when many starts of either kind have found nothing lower, and
the lowest energy was found several times, or at a target. Newton's method on the sphere polishes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve

from ..numerics import (
    MOST_DIMENSIONS,
    MOST_POINTS,
    FloatArray,
    Summarised,
    check_count,
    check_number,
    check_seed,
    over_slices,
)
from .coulomb import tangent_expansion
from .hulls import THIN, hull_edges
from .kernels import descend, energies_and_gradients
from .point_groups import point_group

# Starts of a round: few at first, so that easy sizes don't wait for many.
ROUNDS = (4, 4, 8, 8, 16, 16)
ROUND = 32
# How often the lowest energy is to be found, starts without a lower one that end a search, and most starts. So few
# points have no minima to hide.
AGREE, PATIENCE, MOST_STARTS, FEW_POINTS = 3, 192, 1024, 10
# Evaluations of a start, and the gradient per point at which it is left to Newton's method.
EVALUATIONS, LEVELLED = 2000, 1e-6
# Energies of one minimum agree to this share, and points are shaken by this share of their distance.
SAME_ENERGY, SHAKE = 1e-11, 0.4
NEWTON_STEPS, RESTING = 12, 1e-12


@dataclass(frozen=True, eq=False)
class ThomsonMinimum(Summarised):
    """The lowest Coulomb energy that was found for n points in d dimensions.

    Attributes:
        energy: Σ_{i<j} 1 / |x_i − x_j|.
        points: shape (n, d), of length 1.
        residual: largest tangential force on a point.
        starts: how many were followed.
        agreed: how many of them ended at this energy.
        status: "target" if the search ended at its target; else "agreed" if enough starts agreed, "few" or "single" if
            the search ended before.
    """

    energy: float
    points: FloatArray
    residual: float
    starts: int
    agreed: int
    status: str

    @cached_property
    def hessian_eigenvalues(self) -> FloatArray:
        """Of the energy along the sphere, ascending, shape (n (d − 1),): d (d − 1) / 2 zeros for rotations first."""
        return np.asarray(np.linalg.eigvalsh(tangent_expansion(self.points)[1]))

    @cached_property
    def degrees(self) -> NDArray[np.int64]:
        """Number of neighbours of each point on the convex hull, shape (n,).

        For d = 3 and at least 4 points that aren't in a plane; else empty.
        """
        n, dim = self.points.shape
        if dim != 3 or n < 4 or np.linalg.matrix_rank(self.points - self.points.mean(axis=0), tol=THIN) < 3:
            return np.empty(0, dtype=np.int64)
        return np.bincount(hull_edges(self.points).ravel(), minlength=n)

    @cached_property
    def point_group(self) -> str:
        """Schoenflies symbol of the symmetries, for d = 3; else ""."""
        return point_group(self.points) if self.points.shape[1] == 3 else ""


def thomson_minimum(
    n: int, dim: int = 3, *, seed: int = 0, agree: int = AGREE, target: float | None = None
) -> ThomsonMinimum:
    """Return the lowest Coulomb energy of n points on the unit sphere that many starts find.

    Args:
        n: number of points, at least 2.
        dim: dimensions of space, at least 2.
        seed: of the random starts.
        agree: how often the lowest energy is to be found before the search ends.
        target: an energy that is low enough. The search ends with the first start that reaches it, and before only if
            too many don't.

    Returns:
        The record. That the energy is the lowest of all isn't proved.

    Raises:
        ValueError: if a number is too small, or the target isn't positive.

    Source:
        Energies: Wales and Ulker 2006, DOI 10.1103/PhysRevB.74.212101; Thomson 1904, DOI 10.1080/14786440409463107.

    Example:
        >>> found = thomson_minimum(4)
        >>> round(found.energy, 12), found.point_group    # 3 √6 / 2
        (3.674234614175, 'Td')
    """
    check_count("n", n, 2, MOST_POINTS)
    check_count("dim", dim, 2, MOST_DIMENSIONS)
    check_seed("seed", seed)
    check_count("agree", agree)
    if target is not None:
        target = check_number("target", target, above=0)
    low_enough = 0.0 if target is None else float(target)
    rng = np.random.default_rng([seed, n, dim])
    best, points = np.inf, np.empty((n, dim))
    agreed = since = starts = 0
    for rounds, count in enumerate(_rounds()):
        ends = rng.normal(size=(count, dim, n)) if rounds % 2 == 0 else _shaken(points, count, rng)
        energies = _downhill(ends, low_enough)
        lowest = int(energies.argmin())
        if energies[lowest] < best * (1 - SAME_ENERGY):
            agreed = since = 0
        if energies[lowest] < best:
            best, points = float(energies[lowest]), ends[lowest].T
        agreed += int((energies <= best * (1 + SAME_ENERGY)).sum())
        since += len(energies)
        starts += len(energies)
        content = target is None and agreed >= agree and (since >= PATIENCE or n <= FEW_POINTS)
        if best <= low_enough or content or starts >= MOST_STARTS:
            break
    points, residual = _polished(points)
    energy, _ = energies_and_gradients(np.ascontiguousarray(points.T)[None])
    status = "agreed" if agreed >= agree else "single" if agreed <= 1 else "few"
    status = "target" if best <= low_enough else status
    return ThomsonMinimum(float(energy[0]), points, residual, starts, agreed, status)


def _rounds() -> Iterator[int]:
    yield from ROUNDS
    while True:
        yield ROUND


def _shaken(points: FloatArray, count: int, rng: np.random.Generator) -> FloatArray:
    """Return copies of a configuration in which some points were moved by about their distance, shape (count, d, n)."""
    n, dim = points.shape
    distance = (4 * np.pi / n) ** 0.5 if dim == 3 else 2 / n ** (1 / (dim - 1))
    moves = rng.normal(size=(count, n, dim)) * SHAKE * distance
    # From a few points to all of them.
    chance = rng.uniform(0.05, 1, size=(count, 1, 1))
    moved = points + np.where(rng.uniform(size=(count, n, 1)) < chance, moves, 0)
    return np.ascontiguousarray(moved.mT)


def _downhill(starts: FloatArray, target: float) -> FloatArray:
    """Follow starts, shape (R, d, n), to their ends in place, and return the energies there.

    If one reaches the target, those after it are given up, and the energies are of the ones up to it: they don't depend
    on which thread was faster.
    """
    count, n = len(starts), starts.shape[-1]
    first, lock = np.array([count]), Lock()

    def follow(start: slice) -> float:
        own = start.start
        energy = float(descend(starts[own], LEVELLED * n, EVALUATIONS, own, first))
        if energy <= target:
            with lock:
                first[0] = min(first[0], own)
        return energy

    def interrupt() -> None:
        # No start goes on.
        first[0] = -1

    energies = np.array(over_slices(follow, count, 1, interrupt=interrupt))
    return energies[: first[0] + 1]


def _polished(points: FloatArray) -> tuple[FloatArray, float]:
    """Return a configuration after Newton steps on the sphere, and its largest force."""
    n, dim = points.shape
    residual = _largest_force(points)
    for _ in range(NEWTON_STEPS):
        if residual <= RESTING * n:
            break
        gradient, hessian, bases = tangent_expansion(points)
        # Rotations x ↦ E x, E antisymmetric, have no curvature: given some, they stay as they are.
        turns = [np.eye(dim)[[a]].T @ np.eye(dim)[[b]] for a, b in combinations(range(dim), 2)]
        along = np.array([np.einsum("ida,de,ie->ia", bases, turn - turn.T, points).ravel() for turn in turns])
        step = solve(hessian + along.T @ along * np.trace(hessian) / hessian.size, -gradient, assume_a="sym")
        moved = points + np.einsum("ida,ia->id", bases, step.reshape(n, dim - 1))
        moved /= np.linalg.norm(moved, axis=1, keepdims=True)
        # Other directions without curvature would lead astray.
        if (force := _largest_force(moved)) >= residual:
            break
        points, residual = moved, force
    return points, residual


def _largest_force(points: FloatArray) -> float:
    _, gradient = energies_and_gradients(np.ascontiguousarray(points.T)[None])
    force = gradient[0].T
    return float(np.linalg.norm(force - (force * points).sum(axis=1, keepdims=True) * points, axis=1).max())
