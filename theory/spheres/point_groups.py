"""The symmetries of points in space, by matching pairs, and their Schoenflies symbol."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from ..numerics import FloatArray

# Points closer than this, relative to the sphere, are the same.
SAME = 1e-5


def symmetries(points: FloatArray, *, tolerance: float = SAME) -> FloatArray:
    """Return the rotations and reflections about the origin that map a set of points onto itself.

    Two points that aren't collinear with the origin fix a map up to a reflection: each pair of points at the same
    lengths and angle is tried as their image.

    Args:
        points: shape (n, 3), not all on one line.
        tolerance: how far an image may be from a point.

    Returns:
        Orthogonal matrices, shape (g, 3, 3), the identity among them.

    Raises:
        ValueError: if the shape is another, or all points lie on a line through the origin.
    """
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"points in space must have shape (n, 3), got {points.shape}")
    gram = points @ points.T
    # The first point, and the one most at right angles with it.
    first = int(np.diag(gram).argmax())
    areas = np.linalg.norm(np.cross(points[first], points), axis=1)
    second = int(areas.argmax())
    if areas[second] <= tolerance:
        raise ValueError("points on one line through the origin have infinitely many symmetries")
    own = _frames(points[first][None], points[second][None])[0]
    lengths = np.diag(gram)
    close = np.abs(gram - gram[first, second]) <= tolerance
    close &= (np.abs(lengths - lengths[first]) <= tolerance)[:, None]
    close &= (np.abs(lengths - lengths[second]) <= tolerance)[None, :]
    images = np.argwhere(close)
    frames = _frames(points[images[:, 0]], points[images[:, 1]])
    flip = np.diag([1.0, 1.0, -1.0])
    maps = np.concatenate([frames @ own.T, frames @ flip @ own.T])
    tree = cKDTree(points)
    distances = np.asarray(tree.query((points @ maps.mT).reshape(-1, 3))[0])
    kept = maps[distances.reshape(len(maps), -1).max(axis=1) <= tolerance]
    # Points in a plane are mapped alike by a map and by its product with the reflection.
    found: list[FloatArray] = []
    for one in kept:
        if not any(np.abs(one - other).max() < 0.1 * SAME**0.5 for other in found):
            found.append(one)
    return np.array(found)


def _frames(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return right-handed frames whose first axis is along a and whose second is in the plane of a and b."""
    x = a / np.linalg.norm(a, axis=-1, keepdims=True)
    z = np.cross(x, b)
    z = z / np.linalg.norm(z, axis=-1, keepdims=True)
    return np.stack([x, np.cross(z, x), z], axis=-1)


def point_group(points: FloatArray, *, tolerance: float = SAME) -> str:
    """Return the Schoenflies symbol of the symmetries of points in space, such as "Ih" or "D4d".

    Args:
        points: shape (n, 3).
        tolerance: how far an image may be from a point.

    Raises:
        ValueError: as `symmetries`, but points on a line have the symbol "Dinfh" or "Cinfv".

    Example:
        >>> point_group(np.concatenate([np.eye(3), -np.eye(3)]))
        'Oh'
    """
    points = np.asarray(points, dtype=np.float64)
    if points.ndim == 2 and points.shape[1] == 3 and np.linalg.matrix_rank(points, tol=tolerance) < 2:
        mirrored = np.abs(np.sort(points @ points[0]) + np.sort(points @ points[0])[::-1]).max() <= tolerance
        return "Dinfh" if mirrored else "Cinfv"
    return _symbol(symmetries(points, tolerance=tolerance))


def _symbol(maps: FloatArray) -> str:
    """Return the symbol of a finite group of orthogonal matrices."""
    proper = [one for one in maps if np.linalg.det(one) > 0]
    improper = [one for one in maps if np.linalg.det(one) < 0]
    axes = rotation_axes(maps)
    orders = sorted((order for _, order in axes), reverse=True)
    inverted = any(np.abs(one + np.eye(3)).max() < 0.01 for one in improper)
    mirrored = any(abs(np.trace(one) - 1) < 0.01 for one in improper)
    if orders.count(3) >= 4:
        letter = "I" if 5 in orders else "O" if 4 in orders else "T"
        if not improper:
            return letter
        return letter + ("h" if inverted else "d")
    if not orders:
        return "C1" if not improper else "Cs" if mirrored else "Ci"
    axis, order = max(axes, key=lambda pair: pair[1])
    across = any(np.abs(one - _reflection(axis)).max() < 0.01 for one in improper)
    if len(proper) == 2 * order:
        if not improper:
            return f"D{order}"
        # With two-fold axes alone each of the three may be the principal one.
        across = across or (order == 2 and inverted)
        return f"D{order}{'h' if across else 'd'}"
    if not improper:
        return f"C{order}"
    if across:
        return f"C{order}h"
    return f"C{order}v" if mirrored else f"S{2 * order}"


def _reflection(axis: FloatArray) -> FloatArray:
    """Return the reflection in the plane at right angles to an axis."""
    return np.asarray(np.eye(3) - 2 * np.outer(axis, axis))


def rotation_axes(maps: FloatArray) -> list[tuple[FloatArray, int]]:
    """Return each axis of rotation of a group with its order, in no particular order.

    Args:
        maps: orthogonal matrices, shape (g, 3, 3); reflections among them don't count.

    Returns:
        Unit vectors along the axes, and how many rotations about each, the identity included, there are.
    """
    found: list[tuple[FloatArray, int]] = []
    for one in (one for one in maps if np.linalg.det(one) > 0):
        angle = np.arccos(np.clip((np.trace(one) - 1) / 2, -1, 1))
        if angle < 0.01:
            continue
        # The axis is the eigenvector of 1.
        axis = np.linalg.svd(one - np.eye(3))[2][-1]
        # A rotation by several steps of a finer one says nothing of its order.
        turns = 2 * np.pi / angle
        order = round(turns) if abs(turns - round(turns)) < 0.01 else 0
        for place, (known, old) in enumerate(found):
            if abs(abs(known @ axis) - 1) < 1e-3:
                found[place] = (known, max(old, order))
                break
        else:
            found.append((axis, order))
    return found
