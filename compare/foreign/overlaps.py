"""How far apart the features lie that a model stores, and how far apart so many could lie at most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tegum.theory.numerics import FloatArray, check_count


def welch_bound(vectors: int, dimensions: int) -> float:
    """Return √((k − m) / (m (k − 1))), at least which |cos| two of k vectors in m dimensions have; 0 for k ≤ m.

    Source: Welch 1974, DOI 10.1109/TIT.1974.1055219.

    Example:
        >>> welch_bound(3, 2)
        0.5
    """
    check_count("vectors", vectors, 0)
    check_count("dimensions", dimensions)
    if vectors <= dimensions:
        return 0.0
    return float(np.sqrt((vectors - dimensions) / (dimensions * (vectors - 1))))


def largest_overlap(weights: FloatArray, stored: Sequence[int]) -> tuple[float, tuple[int, ...]]:
    """Return the largest |cos| of the angle between two stored features, and which these are; 0 and none for fewer.

    Args:
        weights: W, shape (n_hidden, n_features).
        stored: columns that aren't 0.
    """
    if len(stored) < 2:
        return 0.0, ()
    unit = weights[:, stored] / np.linalg.norm(weights[:, stored], axis=0)
    overlaps = np.triu(np.abs(unit.T @ unit), 1)
    if not overlaps.any():
        return 0.0, ()
    first, second = divmod(int(overlaps.argmax()), len(stored))
    return float(overlaps.max()), (stored[first], stored[second])
