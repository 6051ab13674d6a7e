"""Which polytope a set of features is, by its Gram matrix alone.

Two shapes are compared up to rotation, reflection, relabelling and scale. Their distance is the largest difference of
two overlaps once the mean squared length is 1,

    δ = min_π max_ij | G_ij / s − P_π(i)π(j) |,   s = tr G / k.

Relabellings are searched for by placing d corners that span the polytope: the others follow from a rotation.
Dimensionality alone recognises nothing: a pentagon and a rectified 5-cell share D = 2/5.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr
from scipy.optimize import linear_sum_assignment

from ..geometry import checked_weights, tegum_factors
from ..numerics import FloatArray, Summarised, check_kind, check_number, members, reals
from .corners import SAME, Polytope, points_of_gram
from .solids import polytope

# The polytopes that factors of trained models are held against.
KNOWN = (
    "axis",
    "digon",
    *("triangle", "pentagon", "hexagon", "heptagon", "octagon"),
    *("tetrahedron", "antiprism", "antiprism (Thomson)", "antiprism (interference)", "antiprism (equal edges)"),
    *("cube", "icosahedron", "cuboctahedron", "dodecahedron"),
    *("5-cell", "rectified 5-cell", "2-3 duoantiprism", "24-cell", "hemicube", "2_21", "3_21"),
)
# Overlaps of a base may differ by this much before it is given up.
WIDEST = 0.5
# Placements of a base that are tried at most.
MOST_PLACEMENTS = 20_000


@dataclass(frozen=True, eq=False)
class Likeness(Summarised):
    """How close some features are to a polytope.

    Attributes:
        name: of the polytope.
        distance: δ; infinite where sizes or ranks differ, or no placement comes near.
        order: for each feature the corner that it takes, shape (k,).
        placements: of a base that were tried.
    """

    name: str
    distance: float
    order: tuple[int, ...]
    placements: int


@dataclass(frozen=True, eq=False)
class Recognised(Summarised):
    """What one tegum factor is.

    Attributes:
        features: its features, counted from 0.
        rank: of their weights.
        best: the closest polytope of the same size and rank; None if no known one has these.
        second: the next one, None if there is none.
    """

    features: tuple[int, ...]
    rank: int
    best: Likeness | None
    second: Likeness | None

    def is_like(self, tolerance: float) -> bool:
        """Return whether the closest polytope is within a distance."""
        return self.best is not None and self.best.distance <= tolerance


def likeness(gram: Any, shape: Polytope) -> Likeness:
    """Return how close a Gram matrix is to a polytope's, up to relabelling and scale.

    Args:
        gram: G, shape (k, k).
        shape: the polytope, of k corners.

    Raises:
        ValueError: if G isn't a Gram matrix.

    Example:
        >>> from tegum.theory import polytope
        >>> turned = 2 * polytope("pentagon").points[:, [3, 1, 0, 2, 4]]
        >>> likeness(turned.T @ turned, polytope("pentagon")).distance < 1e-12
        True
    """
    check_kind("shape", shape, Polytope)
    gram = reals("gram", gram, ("k", "k"))
    points = points_of_gram(gram)
    gram = np.asarray(gram, dtype=np.float64)
    size = float(np.trace(gram)) / len(gram)
    nothing = Likeness(shape.name, np.inf, (), 0)
    if len(gram) != shape.n or size <= 0:
        return nothing
    points, gram = points / np.sqrt(size), gram / size
    # No relabelling brings two rows closer than their sorted entries are.
    rows = np.abs(np.sort(gram)[:, None] - np.sort(shape.gram)[None]).max(axis=-1)
    if max(rows.min(axis=0).max(), rows.min(axis=1).max()) > WIDEST:
        return nothing
    best, tried = nothing, 0
    for image in _placements(gram, shape, rows):
        tried += 1
        order = _order(points, shape.points, image)
        distance = float(np.abs(gram - shape.gram[np.ix_(order, order)]).max())
        if distance < best.distance:
            best = Likeness(shape.name, distance, tuple(map(int, order)), tried)
        if tried == MOST_PLACEMENTS or distance < SAME:
            break
    return Likeness(best.name, best.distance, best.order, tried)


def _base(shape: Polytope) -> list[int]:
    """Return corners that span the polytope, as many as it has dimensions."""
    _, _, pivots = qr(shape.points, pivoting=True)
    return [int(corner) for corner in pivots[: shape.dim]]


def _placements(gram: FloatArray, shape: Polytope, rows: FloatArray) -> Iterator[dict[int, int]]:
    """Yield the ways to put features on the corners of a base so that overlaps roughly agree."""
    base = _base(shape)

    def extend(chosen: list[int]) -> Iterator[dict[int, int]]:
        if len(chosen) == len(base):
            yield dict(zip(base, chosen, strict=True))
            return
        corner = base[len(chosen)]
        for feature in np.argsort(rows[:, corner], kind="stable"):
            wanted = shape.gram[corner, base[: len(chosen)]]
            near = np.abs(gram[feature, chosen] - wanted).max(initial=0.0) <= WIDEST / 2
            if near and rows[feature, corner] <= WIDEST and feature not in chosen:
                yield from extend([*chosen, int(feature)])

    return extend([])


def _order(points: FloatArray, corners: FloatArray, image: dict[int, int]) -> NDArray[np.int64]:
    """Return each feature's corner: a base is laid on its image by a rotation, and the others go to the nearest."""
    base, features = list(image), list(image.values())
    dim = max(len(points), len(corners))
    points, corners = (np.pad(a, ((0, dim - len(a)), (0, 0))) for a in (points, corners))
    for _ in range(2):
        left, _, right = np.linalg.svd(points[:, features] @ corners[:, base].T)
        apart = -points.T @ (left @ right @ corners)
        all_features, order = linear_sum_assignment(apart)
        # Then once more with all corners.
        features, base = list(all_features), list(order)
    return np.asarray(order)


def recognise(weights: Any, *, tolerance: float = 0.1, among: Sequence[str] = KNOWN) -> tuple[Recognised, ...]:
    """Return which polytope each tegum factor of a model is closest to.

    Args:
        weights: W, shape (n_hidden, n_features).
        tolerance: relative size up to which overlaps, columns and singular values count as zero. The default suits
            weights fresh from training.
        among: names of polytopes to compare with.

    Returns:
        A record for each factor whose features are represented, ordered by their first feature.

    Raises:
        ValueError: if the shape isn't that of one model's weights, or a name is unknown.

    Example:
        >>> import numpy as np
        >>> weights = np.zeros((3, 5))
        >>> weights[:2, :3] = polytope("triangle").points
        >>> weights[2, 3:] = 1, -1
        >>> [(factor.features, factor.best.name) for factor in recognise(weights)]
        [((0, 1, 2), 'triangle'), ((3, 4), 'digon')]
    """
    tolerance = check_number("tolerance", tolerance, least=0, below=1)
    among = members("among", among, str)
    _, weights = checked_weights(weights)
    weights = np.asarray(weights, dtype=np.float64)
    if weights.ndim != 2:
        raise ValueError(
            f"recognise takes one model: weights must have shape (n_hidden, n_features), got {weights.shape}"
        )
    try:
        shapes = [polytope(name) for name in among]
    except ValueError as error:
        raise ValueError(f"among must hold names of shapes: {error}") from None
    lengths = np.linalg.norm(weights, axis=0)
    stored = lengths > tolerance * max(1.0, lengths.max(initial=0.0))
    found = []
    for factor in tegum_factors(weights, tolerance):
        if not stored[list(factor)].all():
            continue
        own = weights[:, list(factor)]
        spectrum = np.linalg.svd(own, compute_uv=False)
        rank = int((spectrum > tolerance * spectrum[0]).sum())
        gram = own.T @ own
        near = [likeness(gram, shape) for shape in shapes if (shape.n, shape.dim) == (len(factor), rank)]
        near = sorted((one for one in near if np.isfinite(one.distance)), key=lambda one: one.distance)
        best, second = [*near, None, None][:2]
        found.append(Recognised(factor, rank, best, second))
    return tuple(found)
