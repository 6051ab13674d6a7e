"""What some points form: the name of one tegum factor, by its directions alone.

Simplices and polygons are known by how their corners lie, however uneven these are: as many dimensions as corners but
one and every overlap negative; all corners on the hull of a plane around the origin. Other polytopes are known by the
overlaps of their corners, sorted: each corner of them sees the same. Whether a factor is one up to relabelling,
`tegum.theory.polytopes.recognise` tells exactly, and how far it is from it.
"""

from __future__ import annotations

from functools import cache
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..numerics import FloatArray

# What polygons are called by their numbers of corners, as far as they have a name.
POLYGONS = {3: "triangle", 4: "quadrilateral", 5: "pentagon", 6: "hexagon", 7: "heptagon", 8: "octagon"}
SIMPLICES = {3: "triangle", 4: "tetrahedron", 5: "5-cell"}
# Directions are like a polytope's if no sorted overlap differs by more: less than half of what lies between any two of
# them that have as many corners in as many dimensions (the test of it is of all in the atlas).
LIKE = 0.12


def polygon_name(corners: int) -> str:
    """Return what a polygon of so many corners is called."""
    return POLYGONS.get(corners, f"{corners}-gon")


def is_convex(points: FloatArray) -> NDArray[np.bool_]:
    """Return whether all of some points in a plane are corners of their hull.

    Args:
        points: shape (..., 2, k), in any order; by their angles they surround the origin.
    """
    order = np.argsort(np.arctan2(points[..., 1, :], points[..., 0, :]), axis=-1)
    x, y = (np.take_along_axis(points[..., axis, :], order, axis=-1) for axis in (0, 1))
    back_x, back_y, ahead_x, ahead_y = (np.roll(line, shift, axis=-1) for shift in (1, -1) for line in (x, y))
    turns = (x - back_x) * (ahead_y - y) - (y - back_y) * (ahead_x - x)
    return np.asarray((turns > 0).all(axis=-1))


def widest_gap(angles: FloatArray) -> FloatArray:
    """Return the largest angle between neighbours among directions in a plane, shape (..., k) to (...)."""
    turned = np.sort(angles, axis=-1)
    return np.asarray(np.diff(turned, axis=-1, append=turned[..., :1] + 2 * np.pi).max(axis=-1))


def _repeated(*overlaps: tuple[float, int]) -> FloatArray:
    """Return overlaps, each so many times, in order."""
    return np.sort(np.concatenate([np.full(count, value) for value, count in overlaps]))


def _antiprism(u: float) -> FloatArray:
    """Return the overlaps of a square antiprism: squares at heights ±√u, turned by 45°."""
    near, across = ((1 - u) * sign * 0.5**0.5 - u for sign in (1, -1))
    return _repeated((u, 2), (2 * u - 1, 1), (near, 2), (across, 2))


def _duoantiprism(p: int, q: int) -> FloatArray:
    """Return the overlaps of every other corner of the duoprism of a 2p-gon and a 2q-gon."""
    a, b = np.meshgrid(np.arange(2 * p), np.arange(2 * q), indexing="ij")
    overlaps = (np.cos(np.pi * a / p) + np.cos(np.pi * b / q)) / 2
    return np.sort(overlaps[(a + b) % 2 == 0][1:])


# By name: dimensions, and the overlaps of a corner with all others. What is in brackets tells heights apart.
SOLIDS: dict[str, tuple[int, FloatArray]] = {
    "antiprism": (3, _antiprism(1 / 3)),
    "antiprism (equal edges)": (3, _antiprism((2 * 2**0.5 - 1) / 7)),
    "icosahedron": (3, _repeated((-1, 1), (-(0.2**0.5), 5), (0.2**0.5, 5))),
    "cuboctahedron": (3, _repeated((-1, 1), (-0.5, 4), (0, 2), (0.5, 4))),
    "dodecahedron": (3, _repeated((-1, 1), (-(5**0.5) / 3, 3), (-1 / 3, 6), (1 / 3, 6), (5**0.5 / 3, 3))),
    "24-cell": (4, _repeated((-1, 1), (-0.5, 8), (0, 6), (0.5, 8))),
    "2_21": (6, _repeated((-0.5, 10), (0.25, 16))),
    "3_21": (7, _repeated((-1, 1), (-1 / 3, 27), (1 / 3, 27))),
    "4_21": (8, _repeated((-1, 1), (-0.5, 56), (0, 126), (0.5, 56))),
}


@cache
def known_solids(corners: int, dimensions: int) -> dict[str, FloatArray]:
    """Return the overlaps of a corner, ascending, of each known polytope of so many corners and dimensions, by name."""
    d = dimensions
    found = {name: row for name, (dim, row) in SOLIDS.items() if (dim, len(row) + 1) == (d, corners)}
    if d >= 3 and corners == 1 << d:
        found["cube" if d == 3 else f"{d}-cube"] = _repeated(*((1 - 2 * j / d, comb(d, j)) for j in range(1, d + 1)))
    if d >= 5 and corners == 1 << (d - 1):
        row = _repeated(*((1 - 2 * j / d, comb(d, j)) for j in range(2, d + 1, 2)))
        found["hemicube" if d == 5 else f"{d}-hemicube"] = row
    if d >= 4 and corners == comb(d + 1, 2):
        name = "rectified 5-cell" if d == 4 else f"rectified {d}-simplex"
        found[name] = _repeated(((d - 3) / (2 * d - 2), 2 * (d - 1)), (-2 / (d - 1), comb(d - 1, 2)))
    if d == 4 and corners % 2 == 0:
        half = corners // 2
        pairs = ((p, half // p) for p in range(2, half + 1) if half % p == 0 and p <= half // p and half > 4)
        found |= {f"{p}-{q} duoantiprism": _duoantiprism(p, q) for p, q in pairs}
    return found


def shape_names(weights: FloatArray, tolerance: float) -> NDArray[Any]:
    """Return the name of the shape of each of some tegum factors that have as many features.

    Args:
        weights: their columns, shape (F, n_hidden, k), none of them zero.
        tolerance: singular values below this share of the largest are zero.

    Returns:
        Strings, shape (F,).
    """
    count, _, k = weights.shape
    if k == 1:
        return np.full(count, "axis", dtype=object)
    unit = weights / np.linalg.norm(weights, axis=1, keepdims=True)
    cosines = unit.mT @ unit
    if k == 2:
        return np.where(cosines[:, 0, 1] < 0, "digon", "merged").astype(object)
    names = np.full(count, "cluster", dtype=object)
    _, spectrum, right = np.linalg.svd(weights, full_matrices=False)
    ranks = (spectrum > tolerance * spectrum[:, :1]).sum(axis=1)
    each = np.arange(k)
    negative = (cosines < 0)[:, each[:, None] != each].all(axis=1)
    names[(ranks == k - 1) & negative] = SIMPLICES.get(k, f"{k - 1}-simplex")
    if k >= 5:
        flat = np.flatnonzero(ranks == 2)
        if len(flat):
            points = spectrum[flat, :2, None] * right[flat, :2]
            around = widest_gap(np.arctan2(points[:, 1], points[:, 0])) < np.pi
            names[flat[around & is_convex(points)]] = polygon_name(k)
        for rank in np.unique(ranks[names == "cluster"]):
            rows = np.flatnonzero((ranks == rank) & (names == "cluster"))
            names[rows] = _likest(cosines[rows], known_solids(k, int(rank)))
    return names


def _likest(cosines: FloatArray, known: dict[str, FloatArray]) -> NDArray[Any]:
    """Return the known polytope that each of some factors is most like, "cluster" where it is like none."""
    # A corner's overlap with itself is the last in order.
    rows = np.sort(cosines, axis=-1)[..., :-1]
    names, least = np.full(len(rows), "cluster", dtype=object), np.full(len(rows), LIKE)
    for name, row in known.items():
        apart = np.abs(rows - row).max(axis=(-2, -1))
        names[apart <= least] = name.partition(" (")[0]
        least = np.minimum(least, apart)
    return names
