"""Words for how points lie in a plane: phase labels with the shapes that small models of two dimensions take."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..numerics import reals
from .phases import phase

POLYGONS = {3: "triangle", 4: "quadrilateral", 5: "pentagon", 6: "hexagon"}
# Angle in radians below which two features have one direction.
SAME_DIRECTION = 1e-4
# Relative size under which columns and overlaps count as zero.
TOLERANCE = 1e-5


def arrangement(weights: Any, bias: Any) -> str:
    """Return a phase label in which clusters in a line or a plane are named.

    `line` is a cluster in one dimension. In two dimensions features of one direction are joined by "=", and what is
    left is a polygon if it surrounds the origin with every corner on its hull, else a fan if a half-plane holds it.

    Args:
        weights: W, shape (n_hidden, n_features).
        bias: b, shape (n_features,).

    Example:
        >>> angles = np.pi * np.array([0, 0, 2 / 3, 4 / 3])
        >>> arrangement([np.cos(angles), np.sin(angles)], np.zeros(4))
        'triangle(1=2,3,4)'
    """
    weights = reals("weights", weights, ("n_hidden", "n_features"))
    bias = reals("bias", bias, weights.shape[1:])

    def named(found: re.Match[str]) -> str:
        features = [int(number) - 1 for number in found[1].split(",")]
        return _cluster(weights[:, features], features)

    return re.sub(r"(?:cluster|triangle)\(([\d,]+)\)", named, phase(weights, bias, TOLERANCE))


def _cluster(points: NDArray[np.float64], features: list[int]) -> str:
    spectrum = np.linalg.svd(points, compute_uv=False)
    rank = int((spectrum > TOLERANCE * spectrum[0]).sum())
    numbers = [str(i + 1) for i in features]
    if rank != 2 or len(points) != 2:
        return f"{'line' if rank == 1 else 'cluster'}({','.join(numbers)})"
    angles = np.arctan2(points[1], points[0])
    groups: list[list[int]] = []
    for k in range(len(features)):
        for group in groups:
            turn = np.angle(np.exp(1j * (angles[k] - angles[group[0]])))
            if abs(turn) < SAME_DIRECTION:
                group.append(k)
                break
        else:
            groups.append([k])
    inside = ",".join("=".join(numbers[k] for k in group) for group in groups)
    turned = np.sort(angles[[group[0] for group in groups]])
    gaps = np.diff(np.append(turned, turned[0] + 2 * np.pi))
    if gaps.max() > np.pi + SAME_DIRECTION:
        return f"fan({inside})"
    corners = _corners(points[:, [group[0] for group in groups]])
    name = POLYGONS.get(len(groups), f"{len(groups)}-gon") if corners == len(groups) else "cluster"
    return f"{name}({inside})"


def _corners(points: NDArray[np.float64]) -> int:
    """Return how many of some points in a plane are corners of their convex hull."""
    order = np.argsort(np.arctan2(points[1], points[0]))
    x, y = points[:, order]
    back, ahead = np.roll(np.stack([x, y]), 1, axis=1), np.roll(np.stack([x, y]), -1, axis=1)
    turns = (x - back[0]) * (ahead[1] - y) - (y - back[1]) * (ahead[0] - x)
    return int((turns > 0).sum())
