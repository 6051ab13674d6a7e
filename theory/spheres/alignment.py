"""How far two sets of points on a sphere are apart after the best rotation, reflection and relabelling.

The distance is δ = min over orthogonal Q and relabellings π of the root mean square of |x_i − Q y_π(i)|. For a given Q
the best π is an assignment problem. Two rotations that differ by an angle ω move no point further apart than
2 sin(ω/2), so that δ(Q) changes by no more: in two and three dimensions cells of rotations are halved until none could
hold a smaller δ, which brackets it with proof (branch and bound; angles in the space of rotation vectors: Hartley and
Kahl 2009, DOI 10.1007/s11263-008-0186-9, lemma 2). Of rotations that differ by a symmetry of y only the one
of smallest angle is looked at. In more dimensions many starts are followed, and nothing is proved.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import sympy
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.transform import Rotation

from ..numerics import FloatArray, Summarised, check_number, check_seed, gamma
from ..polytopes import Polytope, likeness
from .coulomb import on_sphere
from .point_groups import SAME, symmetries

# Cells of rotations that are examined at most, and at once; random starts where nothing is proved.
MOST_CELLS, AT_ONCE, STARTS = 400_000, 4096, 400
# Cells of each level from which the best known distance is lowered, and rounds of alternating assignment and rotation.
LOWERED, ALTERNATIONS = 8, 50
# Two orthogonal maps, found twice, agree to this.
ROUNDING = 1e-12
# Operations of an overlap of two unit vectors of which one was rotated, and a bound on an angle's rounding.
OVERLAP, ANGLE = 60, 1e-7


@dataclass(frozen=True, eq=False)
class Alignment(Summarised):
    """The best way to lay one set of points on another.

    Attributes:
        distance: the root mean square of |x_i − Q y_π(i)|, between 0 and 2.
        lower_bound: no orthogonal map and relabelling comes closer than this; what rounding, and symmetries of y that
            don't hold exactly, may have added is taken off.
        order: π, for each x_i the y that lies on it, shape (k,).
        map: Q, shape (d, d).
        status: "proved" if distance and bound agree to the tolerance, else "not proved" and why.
    """

    distance: float
    lower_bound: float
    order: NDArray[np.int64]
    map: FloatArray
    status: str


def best_alignment(points: ArrayLike, others: ArrayLike, *, tolerance: float = 0.01, seed: int = 0) -> Alignment:
    """Return the orthogonal map and relabelling that bring points on a sphere closest to others.

    Args:
        points: x, shape (k, d), moved to length 1.
        others: y, shape (k, d), likewise.
        tolerance: gap between the distance and its lower bound at which the search ends.
        seed: of the random starts in more than three dimensions.

    Raises:
        ValueError: if the shapes differ or aren't those of points, or the tolerance isn't positive.

    Example:
        >>> square = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])
        >>> turned = square[[2, 0, 1, 3]] @ [[0.6, 0.8], [0.8, -0.6]]
        >>> found = best_alignment(square, turned)
        >>> found.distance < 1e-12, found.status
        (True, 'proved')
    """
    tolerance = check_number("tolerance", tolerance, above=0)
    check_seed("seed", seed)
    x, y = on_sphere(points), on_sphere(others, "others")
    if x.ndim != 2 or x.shape != y.shape:
        raise ValueError(f"points to align must have the same shape (k, d), got {x.shape} and {y.shape}")
    search = _Search(x, y)
    d = x.shape[1]
    if d not in (2, 3):
        search.from_starts(seed)
        return search.result(0.0, f"not proved: {d} dimensions")
    bound, complete = np.inf, True
    for mirror in (np.eye(d), np.diag([*[1.0] * (d - 1), -1.0])):
        lowest, done = search.branch(mirror, tolerance)
        bound, complete = min(bound, lowest), complete and done
    status = "proved" if complete else f"not proved: {MOST_CELLS} cells spent"
    return search.result(max(0.0, min(bound, search.best)), status)


class _Search:
    """What is known so far of the best map of y onto x."""

    def __init__(self, x: FloatArray, y: FloatArray) -> None:
        self.x, self.y = x, y
        self.best, self.map, self.order = np.inf, np.eye(x.shape[1]), np.arange(len(x))
        # A rotation by ω about an axis a moves y by 2 sin(ω/2) √(1 − (a·y)²); in the plane by 2 sin(ω/2).
        least = np.linalg.eigvalsh(y.T @ y / len(y))[0] if x.shape[1] == 3 else 0.0
        self.spread = float(np.sqrt(1 - max(least, 0.0)))
        # Of squared distances, 2 minus a mean of overlaps.
        self.rounding = float(gamma(2 * (OVERLAP + len(x))))

    def result(self, bound: float, status: str) -> Alignment:
        return Alignment(self.best, bound, self.order, self.map, status)

    def lower(self, start: FloatArray) -> None:
        """Alternate between the best relabelling and the best rotation of the same handedness, from a map."""
        turn, hand, last = start, np.linalg.det(start), np.inf
        for _ in range(ALTERNATIONS):
            _, order = linear_sum_assignment(-self.x @ (self.y @ turn.T).T)
            left, _, right = np.linalg.svd(self.x.T @ self.y[order])
            flip = np.ones(len(left))
            flip[-1] = hand * np.linalg.det(left @ right)
            turn = left @ np.diag(np.sign(flip)) @ right
            distance = float(np.sqrt(np.square(self.x - self.y[order] @ turn.T).sum() / len(self.x)))
            if distance < self.best:
                self.best, self.map, self.order = distance, turn, np.asarray(order, dtype=np.int64)
            if distance >= last - ROUNDING:
                break
            last = distance

    def branch(self, mirror: FloatArray, tolerance: float) -> tuple[float, bool]:
        """Halve cells of rotations times a reflection, and return a lower bound and whether it is close enough."""
        d = len(mirror)
        # Rotation vectors; in the plane one angle.
        dimensions, half = (1, np.pi / 4) if d == 2 else (3, np.pi / 4)
        centres = np.array(list(product(np.arange(-np.pi + half, np.pi, 2 * half), repeat=dimensions)))
        alike = mirror @ self.symmetries() @ mirror
        bound, left, examined, off = np.inf, 0.0, 0, self.defect()
        while len(centres):
            reach = half * np.sqrt(dimensions)
            centres = centres[np.linalg.norm(centres, axis=1) - reach <= np.pi]
            centres = centres[_smallest(centres, alike, reach)]
            if not len(centres):
                # What was left are images of cells that were given up.
                break
            slack = self.spread * 2 * np.sin(min(reach, np.pi) / 2)
            examined += len(centres)
            if examined > MOST_CELLS:
                return min(bound, left), False
            chunks = (centres[begin : begin + AT_ONCE] for begin in range(0, len(centres), AT_ONCE))
            distances = np.concatenate([self._distances(chunk, mirror, slack - tolerance) for chunk in chunks])
            for number in np.argsort(distances)[:LOWERED]:
                self.lower(_rotations(centres[number][None])[0] @ mirror)
            least = distances - slack - off
            going = least < self.best - tolerance
            bound, left = min(bound, float(least[~going].min(initial=np.inf))), float(least[going].min(initial=np.inf))
            half /= 2
            corners = np.array(list(product((-half, half), repeat=dimensions)))
            centres = (centres[going][:, None] + corners).reshape(-1, dimensions)
        return bound, True

    def symmetries(self) -> FloatArray:
        """Return rotations that map y onto itself, shape (g, d, d), the identity among them."""
        d = self.y.shape[1]
        if d != 3 or np.linalg.matrix_rank(self.y, tol=SAME) < 2:
            return np.eye(d)[None]
        found = symmetries(self.y)
        return np.asarray(found[np.linalg.det(found) > 0])

    def defect(self) -> float:
        """Return how far an image of a point of y under a symmetry may be from the point that it should be."""
        images = self.y @ self.symmetries().mT
        apart = np.linalg.norm(images[:, :, None] - self.y, axis=-1).min(axis=2).max()
        return float(apart + gamma(OVERLAP))

    def _distances(self, vectors: FloatArray, mirror: FloatArray, slack: float) -> FloatArray:
        """Return δ(Q) of rotations, or a smaller number that is large enough to give a cell up."""
        k = len(self.x)
        overlaps = self.x @ (self.y @ (_rotations(vectors) @ mirror).mT).mT
        # Each point's nearest, whether or not another has it as well.
        near = np.minimum(overlaps.max(axis=2).sum(axis=1), overlaps.max(axis=1).sum(axis=1))
        found = np.sqrt(np.maximum(2 - 2 * near / k - self.rounding, 0))
        for number in np.flatnonzero(found < self.best + slack):
            rows, columns = linear_sum_assignment(-overlaps[number])
            shared = overlaps[number][rows, columns].sum() / k
            found[number] = np.sqrt(max(2 - 2 * shared - self.rounding, 0))
        return np.asarray(found)

    def from_starts(self, seed: int) -> None:
        """Lower the distance from placements with alike overlaps, and from random maps."""
        k, d = self.x.shape
        shape = Polytope("", sympy.ImmutableMatrix(sympy.Matrix(self.y.T)))
        order = likeness(self.x @ self.x.T, shape).order
        if order:
            left, _, right = np.linalg.svd(self.x.T @ self.y[list(order)])
            self.lower(left @ right)
        rng = np.random.default_rng([seed, k, d])
        for start in np.linalg.qr(rng.normal(size=(STARTS, d, d)))[0]:
            self.lower(start)


def _smallest(vectors: FloatArray, alike: FloatArray, reach: float) -> NDArray[np.bool_]:
    """Return which cells may hold the rotation of smallest angle among those that differ by a symmetry of y."""
    if len(alike) == 1:
        return np.ones(len(vectors), dtype=bool)
    traces = np.einsum("rij,gji->rg", _rotations(vectors), alike)
    angles = np.arccos(np.clip((traces - 1) / 2, -1, 1))
    own = np.minimum(np.linalg.norm(vectors, axis=1), np.pi)
    return np.asarray(own - reach <= angles.min(axis=1) + reach + ANGLE)


def _rotations(vectors: FloatArray) -> FloatArray:
    """Return the rotations about vectors by their lengths, shape (R, d, d): of space, or of the plane by angles."""
    if vectors.shape[1] == 3:
        return np.asarray(Rotation.from_rotvec(vectors).as_matrix())
    cosine, sine = np.cos(vectors[:, 0]), np.sin(vectors[:, 0])
    return np.stack([np.stack([cosine, -sine], axis=-1), np.stack([sine, cosine], axis=-1)], axis=-2)
