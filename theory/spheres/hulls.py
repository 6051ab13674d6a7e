"""The edges of the convex hull of points in the plane or in space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

# Directions in which points spread less, faces that differ less, are none.
THIN, SAME_FACE = 1e-6, 1e-9


def hull_edges(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the edges of the convex hull of points; a flat polygon counts as one face.

    Args:
        points: shape (n, 2) or (n, 3).

    Returns:
        Pairs i < j in order, shape (edges, 2). Points in a plane have those of their polygon, points on a line the one
        between its ends.

    Raises:
        ValueError: if the shape is another.

    Example:
        >>> square = np.array([[1.0, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]])
        >>> hull_edges(square).tolist()
        [[0, 1], [0, 3], [1, 2], [2, 3]]
    """
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] not in (2, 3):
        raise ValueError(f"a hull needs points of shape (n, 2) or (n, 3), got {points.shape}")
    centred = points - points.mean(axis=0)
    _, spread, directions = np.linalg.svd(centred, full_matrices=False)
    rank = int((spread > THIN).sum())
    flat = centred @ directions[:rank].T
    if rank == 0:
        return np.empty((0, 2), dtype=np.int64)
    if rank == 1:
        return np.array([sorted((int(flat.argmin()), int(flat.argmax())))])
    hull = ConvexHull(flat)
    if rank == 2:
        return np.array(sorted(sorted(map(int, side)) for side in hull.simplices))
    sides: dict[tuple[int, int], list[NDArray[np.float64]]] = {}
    for corners, equation in zip(hull.simplices, hull.equations, strict=True):
        for a, b in ((0, 1), (1, 2), (0, 2)):
            key = (int(min(corners[a], corners[b])), int(max(corners[a], corners[b])))
            sides.setdefault(key, []).append(equation[:3])
    return np.array(sorted(pair for pair, (one, other) in sides.items() if one @ other <= 1 - SAME_FACE))
