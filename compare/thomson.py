"""The Thomson problem: points on a sphere that repel each other at the least Coulomb energy.

Many starts go downhill together by L-BFGS, each with a line search of its own; random ones and copies of the best so
far with some points shaken take turns (basin hopping, Wales and Doye 1997, DOI 10.1021/jp970984n). Both are needed: at
78 points nine of ten random starts agree on an energy that isn't the lowest. A search ends when a few rounds of either
kind have found nothing lower, and the lowest energy was found several times. Newton's method on the sphere polishes
it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from tegum.theory import Lbfgs

from .coulomb import FloatArray, energies_and_gradients, tangent_expansion
from .point_groups import point_group

# Starts that go down together, how often the lowest energy is to be found, rounds without a lower one that end a
# search, and most rounds. So few points have no minima to hide.
BATCH, AGREE, PATIENCE, MOST_ROUNDS, FEW_POINTS = 32, 3, 4, 24, 10
# Evaluations of a start, and the gradient per point at which it is left to Newton's method.
EVALUATIONS, LEVELLED = 600, 1e-6
# Energies of one minimum agree to this share, and points are shaken by this share of their distance.
SAME_ENERGY, SHAKE = 1e-11, 0.4
NEWTON_STEPS, RESTING, FLAT = 12, 1e-12, 1e-7


@dataclass(frozen=True, eq=False)
class ThomsonMinimum:
    """The lowest Coulomb energy that was found for n points in d dimensions.

    Attributes:
        energy: Σ_{i<j} 1 / |x_i − x_j|.
        points: shape (n, d), of length 1.
        residual: largest tangential force on a point.
        hessian_eigenvalues: of the energy along the sphere, ascending, shape (n (d − 1),). The first d (d − 1) / 2 are
            rotations, and 0.
        degrees: number of neighbours of each point on the convex hull, shape (n,), for d = 3 and at least 4 points that
            aren't in a plane; else empty.
        point_group: Schoenflies symbol of the symmetries, for d = 3; else "".
        starts: how many were followed.
        agreed: how many of them ended at this energy.
        status: "agreed" if enough starts did, "few" or "single" if the search ended before.
    """

    energy: float
    points: FloatArray
    residual: float
    hessian_eigenvalues: FloatArray
    degrees: NDArray[np.int64]
    point_group: str
    starts: int
    agreed: int
    status: str


def thomson_minimum(n: int, dim: int = 3, *, seed: int = 0, agree: int = AGREE) -> ThomsonMinimum:
    """Return the lowest Coulomb energy of n points on the unit sphere that many starts find.

    Args:
        n: number of points, at least 2.
        dim: dimensions of space, at least 2.
        seed: of the random starts.
        agree: how often the lowest energy is to be found before the search ends.

    Returns:
        The record. That the energy is the lowest of all isn't proved.

    Raises:
        ValueError: if a number is too small.

    Source:
        Energies: Wales and Ulker 2006, DOI 10.1103/PhysRevB.74.212101; Thomson 1904, DOI 10.1080/14786440409463107.

    Example:
        >>> found = thomson_minimum(4)
        >>> round(found.energy, 12), found.point_group    # 3 √6 / 2
        (3.674234614175, 'Td')
    """
    for name, value, least in (("n", n, 2), ("dim", dim, 2), ("agree", agree, 1)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")
    rng = np.random.default_rng([seed, n, dim])
    best, points = np.inf, np.empty((n, dim))
    agreed = since = 0
    for rounds in range(1, MOST_ROUNDS + 1):
        energies, ends = _downhill(rng.normal(size=(BATCH, dim, n)) if rounds % 2 else _shaken(points, rng))
        lowest = int(energies.argmin())
        if energies[lowest] < best * (1 - SAME_ENERGY):
            agreed = since = 0
        if energies[lowest] < best:
            best, points = float(energies[lowest]), ends[lowest].T
        agreed += int((energies <= best * (1 + SAME_ENERGY)).sum())
        since += 1
        if agreed >= agree and (since >= PATIENCE or n <= FEW_POINTS):
            break
    points, residual, spectrum = _polished(points)
    energy, _ = energies_and_gradients(np.ascontiguousarray(points.T)[None])
    status = "agreed" if agreed >= agree else "single" if agreed <= 1 else "few"
    symmetry = point_group(points) if dim == 3 else ""
    return ThomsonMinimum(
        float(energy[0]), points, residual, spectrum, _degrees(points), symmetry, rounds * BATCH, agreed, status
    )


def _shaken(points: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return copies of a configuration in which some points were moved by about their distance, shape (BATCH, d, n)."""
    n, dim = points.shape
    distance = (4 * np.pi / n) ** 0.5 if dim == 3 else 2 / n ** (1 / (dim - 1))
    moves = rng.normal(size=(BATCH, n, dim)) * SHAKE * distance
    # From a few points to all of them.
    chance = rng.uniform(0.05, 1, size=(BATCH, 1, 1))
    moved = points + np.where(rng.uniform(size=(BATCH, n, 1)) < chance, moves, 0)
    return np.ascontiguousarray(moved.mT)


def _downhill(starts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the energies where starts of shape (R, d, n) end, shape (R,), and the ends, shape (R, d, n)."""
    count, dim, n = starts.shape
    unit = starts / np.linalg.norm(starts, axis=1, keepdims=True)
    search = Lbfgs.begin(np.ascontiguousarray(unit.reshape(count, -1).T))
    energies, ends, alive = np.empty(count), unit.copy(), np.arange(count)
    for evaluation in range(EVALUATIONS):
        given = np.ascontiguousarray(search.trial.T).reshape(-1, dim, n)
        length = np.linalg.norm(given, axis=1, keepdims=True)
        points = given / length
        energy, gradient = energies_and_gradients(points)
        # The energy doesn't depend on lengths, so that its gradient is tangential.
        along = (gradient - (gradient * points).sum(axis=1, keepdims=True) * points) / length
        search = search.advance(energy, np.ascontiguousarray(along.reshape(len(given), -1).T))
        done = search.gradient_norm <= LEVELLED * n
        if evaluation % 20 == 19 or evaluation == EVALUATIONS - 1 or done.all():
            here = np.ascontiguousarray(search.point.T).reshape(-1, dim, n)
            energies[alive], ends[alive] = search.loss, here / np.linalg.norm(here, axis=1, keepdims=True)
            if done.all():
                break
            if done.mean() > 0.25:
                search, alive = search.take(~done), alive[~done]
    return energies, ends


def _polished(points: FloatArray) -> tuple[FloatArray, float, FloatArray]:
    """Return a configuration after Newton steps on the sphere, its largest force, and the Hessian's spectrum."""
    n, dim = points.shape
    for _ in range(NEWTON_STEPS):
        gradient, hessian, bases = tangent_expansion(points)
        values, vectors = np.linalg.eigh(hessian)
        residual = float(np.linalg.norm(gradient.reshape(n, -1), axis=1).max())
        if residual <= RESTING * n:
            break
        # Rotations, and other directions without curvature, stay as they are.
        steep = np.abs(values) > FLAT * values[-1]
        step = -(vectors[:, steep] * (1 / values[steep])) @ (vectors[:, steep].T @ gradient)
        moved = points + np.einsum("ida,ia->id", bases, step.reshape(n, dim - 1))
        points = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    return points, residual, values


def _degrees(points: FloatArray) -> NDArray[np.int64]:
    """Return how many neighbours each point has on the convex hull; flat polygons count as one face."""
    n, dim = points.shape
    if dim != 3 or n < 4 or np.linalg.matrix_rank(points - points.mean(axis=0), tol=1e-6) < 3:
        return np.empty(0, dtype=np.int64)
    hull = ConvexHull(points)
    sides: dict[tuple[int, int], list[NDArray[np.float64]]] = {}
    for corners, equation in zip(hull.simplices, hull.equations, strict=True):
        for a, b in ((0, 1), (1, 2), (0, 2)):
            key = (int(min(corners[a], corners[b])), int(max(corners[a], corners[b])))
            sides.setdefault(key, []).append(equation[:3])
    degrees = np.zeros(n, dtype=np.int64)
    for (i, j), normals in sides.items():
        if len(normals) == 2 and normals[0] @ normals[1] > 1 - 1e-9:
            continue
        degrees[[i, j]] += 1
    return degrees
