"""Names for the structure of a model: which features share a tegum factor, and in which shape.

Tegum factors (`factors.py`) are the connected components of the graph of features that interfere (docs/phases.md).
A label follows from the weights and biases alone, never from a list of candidates.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..numerics import MOST_EXCHANGED, FloatArray, check_count, check_number, members, reals
from .factors import TOLERANCE, negligible_columns, tegum_factors


def dead_outputs(weights: Any, bias: Any, margin: float = 0.0) -> NDArray[np.bool_]:
    """Return which outputs are zero for every input: b_i + Σ_j max(G_ij, 0) ≤ −margin.

    Args:
        weights: W, shape (..., n_hidden, n_features).
        bias: b, shape (..., n_features).
        margin: how far below zero the largest pre-activation has to stay.

    Returns:
        Shape (..., n_features), true for outputs that no input in [0, 1]^n switches on.
    """
    weights = reals("weights", weights, (..., "n_hidden", "n_features"))
    bias = reals("bias", bias, (..., weights.shape[-1]))
    margin = check_number("margin", margin)
    largest = bias + np.maximum(weights.mT @ weights, 0).sum(axis=-1)
    return np.asarray(largest <= -margin)


def _shape(weights: FloatArray, tolerance: float) -> str:
    """Return the name of one tegum factor with columns `weights`."""
    size = weights.shape[1]
    if size == 1:
        return "axis"
    gram = weights.T @ weights
    overlaps = gram[np.triu_indices(size, 1)]
    if size == 2:
        return "digon" if overlaps[0] < 0 else "merged"
    spectrum = np.linalg.svd(weights, compute_uv=False)
    rank = int((spectrum > tolerance * spectrum[0]).sum())
    simplices = {(3, 2): "triangle", (4, 3): "tetrahedron"}
    if (size, rank) in simplices and (overlaps < 0).all():
        return simplices[size, rank]
    return "cluster"


def relabelled(label: str, order: Sequence[int]) -> str:
    """Return a label with its features renumbered.

    Args:
        label: a phase label.
        order: the new number of each feature, counted from 0.
    """
    parts = []
    for name, listed in re.findall(r"(\w+)\(([\d,]+)\)", label):
        features = sorted(order[int(feature) - 1] + 1 for feature in listed.split(","))
        parts.append((features, f"{name}({','.join(map(str, features))})"))
    return " + ".join(text for _, text in sorted(parts))


def representative(labels: Sequence[str], n_equal: int) -> tuple[str, ...]:
    """Return labels up to exchanges of the first `n_equal` features: of all copies the first in alphabetical order.

    Args:
        labels: phase labels that are renumbered together, in any order.
        n_equal: number of features, from the first, that have the same importance.

    Example:
        >>> representative(["digon(1,3) + axis(2)"], 2)
        ('axis(1) + digon(2,3)',)
    """
    labels = members("labels", labels, str)
    check_count("n_equal", n_equal, 0, MOST_EXCHANGED)
    numbers = [int(number) for label in labels for number in re.findall(r"\d+", label)]
    rest = tuple(range(n_equal, max(numbers, default=0)))
    orders = [(*order, *rest) for order in permutations(range(n_equal))]
    return min(tuple(sorted(relabelled(label, order) for label in labels)) for order in orders)


def phase(weights: Any, bias: Any, tolerance: float = TOLERANCE) -> str:
    """Return the label of a model's structure, such as "digon(1,2)" or "axis(1) + drop(2)".

    Features are numbered from 1. `axis` is a feature with a dimension of its own, `digon` a pair with negative
    overlap, `merged` a pair with positive overlap, `triangle` and `tetrahedron` are simplices with every overlap
    negative, `cluster` is any other tegum factor, `drop` a feature that isn't represented, and `dead` one whose
    output no input switches on.

    Args:
        weights: W, shape (n_hidden, n_features).
        bias: b, shape (n_features,).
        tolerance: relative size under which columns and overlaps count as zero. The default suits minimisers;
            weights fresh from noisy training may want 0.1.

    Returns:
        Tegum factors joined by " + ", ordered by their first feature.

    Raises:
        ValueError: if the shapes don't fit, an entry isn't finite, or the tolerance isn't in [0, 1).

    Example:
        >>> phase([[1.0, -1.0]], [0.0, 0.0])
        'digon(1,2)'
        >>> phase([[1.0, 0.0]], [0.0, 0.25])
        'axis(1) + drop(2)'
    """
    weights = reals("weights", weights, ("n_hidden", "n_features"))
    bias = reals("bias", bias, weights.shape[1:])
    tolerance = check_number("tolerance", tolerance, least=0, below=1)
    dead = dead_outputs(weights, bias)
    dropped = ~dead & negligible_columns(weights, tolerance)
    named: list[tuple[tuple[int, ...], str]] = []
    for state, name in ((dead, "dead"), (dropped, "drop")):
        named += [((int(i),), name) for i in np.flatnonzero(state)]
    stored = np.flatnonzero(~dead & ~dropped)
    for factor in tegum_factors(weights[:, stored], tolerance) if len(stored) else ():
        features = stored[list(factor)]
        named.append((tuple(features.tolist()), _shape(weights[:, features], tolerance)))
    labels = [f"{name}({','.join(str(i + 1) for i in features)})" for features, name in sorted(named)]
    return " + ".join(labels)
