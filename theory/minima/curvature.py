"""Second-order conditions that hold at kinks: the smallest one-sided curvature at a critical point.

The loss is C¹ with a Hessian that jumps across kinks, and the minimisers with a dropped feature sit on a kink. There
the second-order part h(v) = lim 2 [L(θ + εv) − L(θ)] / ε² is homogeneous of degree two but not quadratic, and θ is a
strict local minimum if h > 0 in every direction. h(v) = vᵀ H(θ + 0v) v with the Hessian in the sector into which v
points. The engine is exact at every scale, so H(θ + 0v) is evaluated at θ + 1e-100 v: coordinates of θ that are not
zero absorb the shift, those that are zero keep its direction.
"""

from __future__ import annotations

import numpy as np

from ..numerics import FloatArray
from .frames import orbit_projector
from .landscape import Landscape

# A step that changes no digit of what isn't 0, and tells on which side of a kink a point is.
INFINITESIMAL = 1e-100
# Each model of a batch, for many points at once.
EACH = (slice(None), None)
# Hessians of two sectors that differ by less, relative to the largest entry, are the same.
ROUNDING = 1e-13
# Rounds, and how many of the best directions go through them; each round divides the error by about four.
ROUNDS = ((2, None), (4, 12), (18, 1))
# Second derivatives beyond this, relative to those in other sectors, are none, and the part of chance by which a
# direction is then turned; see `_beside`.
UNBOUNDED, TURN = 1e6, 1e-3


def one_sided_hessians(landscape: Landscape, parameters: FloatArray, directions: FloatArray) -> FloatArray:
    """Return H(θ + 0v) for each point θ and each of its directions v.

    Args:
        landscape: batch shape (K,).
        parameters: θ, shape (K, P), with exact zeros where the critical points have them.
        directions: v, shape (K, D, P).

    Returns:
        Shape (K, D, P, P).

    Raises:
        ValueError: if float64 doesn't hold them.
    """
    found = _sectors(landscape.take(EACH), parameters, directions)
    landscape.check_held("parameters theta of weights and bias", found, found)
    return found


def _sectors(each: Landscape, parameters: FloatArray, directions: FloatArray) -> FloatArray:
    """Return `one_sided_hessians` on a landscape with an axis for directions."""
    return each.expand(parameters[:, None] + INFINITESIMAL * directions)[2]


def _beside(
    each: Landscape, parameters: FloatArray, directions: FloatArray, scale: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return `_sectors`, and the directions that they are those of: some are turned a little.

    Where E[x_i] = 0, as of symmetric amplitudes, an unused output at b_i = 0 is critical. Near it the loss depends on
    b_i over that output's slopes a, which are of second order in W: h is −4 a_ii E[x_i²] for b_i > 0, nothing for
    b_i < 0, their mean for b_i = 0, and second derivatives grow without bound towards that. Of a direction there the
    better side is taken, so that what comes out is the infimum.

    Args:
        each: as `_sectors`.
        parameters: likewise.
        directions: likewise.
        scale: size of second derivatives at each point, shape (K,).
    """
    sectors = _sectors(each, parameters, directions)
    unbounded = np.abs(sectors).max(axis=(-2, -1)) > UNBOUNDED * scale[:, None]
    if unbounded.any():
        chance = TURN * np.random.default_rng(2).normal(size=directions.shape)
        best = np.full(unbounded.shape, np.inf)
        for side in (-1, 1):
            turned = directions + side * chance
            turned = turned / np.linalg.norm(turned, axis=-1, keepdims=True)
            there = _sectors(each, parameters, turned)
            values = np.einsum("kdi,kdij,kdj->kd", turned, there, turned)
            better = unbounded & (values < best)
            best = np.where(better, values, best)
            sectors = np.where(better[..., None, None], there, sectors)
            directions = np.where(better[..., None], turned, directions)
    return sectors, directions


def smallest_curvature(landscape: Landscape, parameters: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return min h(v) over unit vectors v, rotations of the hidden space left out, and a v that attains it.

    A minimiser of h on the sphere satisfies H(θ + 0v) v = h v, an eigenvalue problem whose matrix depends on its
    solution. It is solved by repetition from every coordinate direction and every eigenvector, with both signs.

    Args:
        landscape: batch shape (K,).
        parameters: packed critical points θ, shape (K, P), with exact zeros where they have them.

    Returns:
        The smallest curvatures, shape (K,), and their directions, shape (K, P).
    """
    count, size = parameters.shape
    if count == 0:
        return np.empty(0), np.empty((0, size))
    probes = np.broadcast_to(np.random.default_rng(1).normal(size=(4, size)), (count, 4, size))
    sectors = one_sided_hessians(landscape, parameters, probes)
    scale = 1 + np.abs(sectors).max(axis=(1, 2, 3))
    rotations = scale[:, None, None] * orbit_projector(landscape.split(parameters)[0], size)
    values, vectors = np.linalg.eigh(sectors[:, 0] + rotations)
    best, where = values[:, 0].copy(), vectors[..., 0].copy()
    kinked = np.flatnonzero(np.ptp(sectors, axis=1).max(axis=(1, 2)) > ROUNDING * scale)
    if len(kinked):
        starts = np.concatenate([np.broadcast_to(np.eye(size), (len(kinked), size, size)), vectors[kinked].mT], axis=1)
        part = landscape.take(kinked)
        best[kinked], where[kinked] = _repeat(part, parameters[kinked], rotations[kinked], scale[kinked], starts)
    return best, where


def _repeat(
    landscape: Landscape, parameters: FloatArray, rotations: FloatArray, scale: FloatArray, starts: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Solve H(θ + 0v) v = h v for its smallest h by repetition from ± the rows of `starts`, shape (K, D, P)."""
    directions = np.concatenate([starts, -starts], axis=1)
    directions = np.concatenate([directions, directions + 0.3 * np.roll(directions, 1, axis=1)], axis=1)
    points, each = np.arange(len(parameters)), landscape.take(EACH)
    best, where = np.full(len(parameters), np.inf), directions[:, 0].copy()
    values = np.zeros(directions.shape[:2])
    for rounds, kept in ROUNDS:
        if kept == 1:
            directions = where[:, None]
        elif kept is not None:
            chosen = values.argsort(axis=1)[:, :kept]
            directions = np.take_along_axis(directions, chosen[..., None], axis=1)
        for _ in range(rounds):
            directions = directions / np.linalg.norm(directions, axis=-1, keepdims=True)
            sectors, directions = _beside(each, parameters, directions, scale)
            sectors = sectors + rotations[:, None]
            values = np.einsum("kdi,kdij,kdj->kd", directions, sectors, directions)
            lowest = values.argmin(axis=1)
            lower = values[points, lowest] < best
            best = np.where(lower, values[points, lowest], best)
            where = np.where(lower[:, None], directions[points, lowest], where)
            towards = np.linalg.eigh(sectors)[1][..., 0]
            towards *= np.where(np.einsum("kdi,kdi->kd", towards, directions) < 0, -1.0, 1.0)[..., None]
            # Half a step: the repetition can alternate between two sectors.
            directions = directions + towards
    return best, where
