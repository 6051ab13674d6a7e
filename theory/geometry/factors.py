"""Tegum factors: groups of features that interfere within, and not with each other.

Features whose overlap G_ij isn't negligible against ‖W_i‖‖W_j‖ are joined in a graph, whose connected components are
the tegum factors. Features whose column is negligible are joined to none. Phase labels are made of the same factors.
"""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np

from ..numerics import Array, check_number
from .measures import checked_weights, norms_and_directions

# Overlaps below this fraction of ‖W_i‖‖W_j‖, and columns below this fraction of the longest or of 1, count as zero.
TOLERANCE = 1e-3
# The same for weights fresh from training, whose columns are off by noise: docs/phases.md says why so much.
TRAINED_TOLERANCE = 0.1


def _negligible(xp: Any, norms: Array, tolerance: float) -> Array:
    tolerance = check_number("tolerance", tolerance, least=0, below=1)
    longest = xp.max(norms, axis=-1, keepdims=True)
    return norms <= tolerance * xp.maximum(longest, xp.ones_like(longest))


def negligible_columns(weights: Array, tolerance: float = TOLERANCE) -> Array:
    """Return which features aren't represented: ‖W_i‖ ≤ tolerance · max(1, max_j ‖W_j‖).

    Args:
        weights: W, shape (..., n_hidden, n_features).
        tolerance: relative size up to which a column counts as zero.

    Returns:
        Boolean, shape (..., n_features); tensors in, a tensor out.

    Raises:
        ValueError: as `interference_graph`.
    """
    xp, weights = checked_weights(weights)
    return _negligible(xp, norms_and_directions(xp, weights)[0], tolerance)


def interference_graph(weights: Array, tolerance: float = TOLERANCE) -> Array:
    """Return which pairs of features interfere: |G_ij| > tolerance ‖W_i‖‖W_j‖ for i ≠ j, both represented.

    Args:
        weights: W, shape (..., n_hidden, n_features).
        tolerance: relative size up to which overlaps and columns count as zero.

    Returns:
        Boolean, shape (..., n_features, n_features), symmetric and false on the diagonal; tensors in, a tensor out.

    Raises:
        ValueError: if the shape isn't that of weights, an entry isn't a finite real number, or the tolerance isn't in
            [0, 1).
    """
    xp, weights = checked_weights(weights)
    norms, unit = norms_and_directions(xp, weights)
    stored = ~_negligible(xp, norms, tolerance)
    edges = xp.abs(unit.mT @ unit) > tolerance
    each = xp.arange(edges.shape[-1], device=array_api_compat.device(edges))
    return edges & stored[..., :, None] & stored[..., None, :] & (each[:, None] != each[None, :])


def component_numbers(xp: Any, edges: Array) -> Array:
    """Return the connected component of each node of a batch of graphs, shape (..., n) for edges (..., n, n).

    Components of each graph are numbered from 0 in the order of their first nodes.
    """
    n = edges.shape[-1]
    each = xp.arange(n, dtype=xp.int64, device=array_api_compat.device(edges))
    joined = edges | (each[:, None] == each[None, :])
    leader = xp.broadcast_to(each, tuple(edges.shape[:-1]))
    # Each node follows the first of its neighbours' leaders, and then that one's leader. Leaders only move to the
    # front, within their component; when none moves, neighbours agree, and the first node leads its component.
    moving = True
    while moving:
        followed = xp.where(joined, leader[..., None, :], xp.full_like(leader, n)[..., None])
        front = xp.min(followed, axis=-1)
        front = xp.take_along_axis(front, front, axis=-1)
        moving = bool(xp.any(front != leader))
        leader = front
    place = xp.cumulative_sum(xp.astype(leader == each, xp.int64), axis=-1) - 1
    return xp.take_along_axis(place, leader, axis=-1)


def tegum_factor_numbers(weights: Array, tolerance: float = TOLERANCE) -> Array:
    """Return the number of the tegum factor that each feature of each model is in.

    The factors of a model are numbered from 0, in the order of their first features. A feature whose column is
    negligible is a factor of its own.

    Args:
        weights: W, shape (..., n_hidden, n_features).
        tolerance: relative size up to which overlaps and columns count as zero. The default suits minimisers,
            `TRAINED_TOLERANCE` weights fresh from training.

    Returns:
        Integers, shape (..., n_features); tensors in, a tensor out.

    Raises:
        ValueError: as `interference_graph`.

    Example:
        >>> digon_around_axis, three_in_a_line = [[1, 0, -1], [0, 1, 0]], [[1, -1, 1], [0, 0, 0]]
        >>> tegum_factor_numbers([digon_around_axis, three_in_a_line])
        array([[0, 1, 0],
               [0, 0, 0]])
    """
    edges = interference_graph(weights, tolerance)
    return component_numbers(array_api_compat.array_namespace(edges), edges)


def tegum_factors(weights: Any, tolerance: float = TOLERANCE) -> tuple[tuple[int, ...], ...]:
    """Return the tegum factors of one model, each an ascending tuple of features, ordered by their first feature.

    Features are numbered from 0, as columns of W are; phase labels number them from 1.

    Args:
        weights: W, shape (n_hidden, n_features).
        tolerance: relative size up to which overlaps and columns count as zero.

    Returns:
        A partition of the features.

    Raises:
        ValueError: as `interference_graph`, and if there is more than one model; `tegum_factor_numbers` takes batches.

    Example:
        >>> tegum_factors([[1, 0, -1, 0], [0, 1, 0, 0]])  # a digon, an axis, and a feature that isn't represented
        ((0, 2), (1,), (3,))
    """
    numbers = tegum_factor_numbers(weights, tolerance)
    if numbers.ndim != 1:
        raise ValueError(
            f"tegum_factors takes one model: weights must have shape (n_hidden, n_features), got "
            f"{tuple(np.shape(weights))}"
        )
    factors: dict[int, list[int]] = {}
    for feature, number in enumerate(numbers.tolist()):
        factors.setdefault(number, []).append(feature)
    return tuple(map(tuple, factors.values()))
