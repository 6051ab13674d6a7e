"""Words for how points lie in a plane: phase labels with the shapes that small models of two dimensions take."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..numerics import reals
from .labels import PhaseFactor
from .phases import phase_factors
from .shapes import is_convex, polygon_name, widest_gap

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

    factors = phase_factors(weights, bias, TOLERANCE)
    return " + ".join(_named(weights[:, list(one.features)], one) for one in factors)


def _named(points: NDArray[np.float64], factor: PhaseFactor) -> str:
    """Return the word for one factor, with its features."""
    numbers = [str(i + 1) for i in factor.features]
    plain = f"({','.join(numbers)})"
    spectrum = np.linalg.svd(points, compute_uv=False)
    rank = int((spectrum > TOLERANCE * spectrum[0]).sum())
    if factor.size < 3 or rank != 2 or len(points) != 2:
        return f"{'line' if factor.size > 2 and rank == 1 else factor.name}{plain}"
    angles = np.arctan2(points[1], points[0])
    groups: list[list[int]] = []
    for k in range(factor.size):
        for group in groups:
            turn = np.angle(np.exp(1j * (angles[k] - angles[group[0]])))
            if abs(turn) < SAME_DIRECTION:
                group.append(k)
                break
        else:
            groups.append([k])
    inside = ",".join("=".join(numbers[k] for k in group) for group in groups)
    leaders = [group[0] for group in groups]
    if widest_gap(angles[leaders]) > np.pi + SAME_DIRECTION:
        return f"fan({inside})"
    return f"{polygon_name(len(groups)) if is_convex(points[:, leaders]) else 'cluster'}({inside})"
