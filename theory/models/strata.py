"""How the samples of a stratified batch are shared out among activity patterns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..numerics import MOST_SAMPLES, FloatArray, check_count, reals, whole_numbers


def stratified_counts(masses: FloatArray, active: NDArray[np.int64], batch_size: int) -> NDArray[np.int64]:
    """Return how many samples each pattern gets.

    x = 0 is the same in every sample, so one is enough. A pattern with k active features has a loss whose deviation
    grows about like √k: the rest is shared out in proportion to P(A) √k, which has the least variance then (Neyman).

    Args:
        masses: P(A), shape (R, patterns).
        active: number of active features of each pattern, shape (patterns,).
        batch_size: samples to share out.

    Returns:
        Shape (R, patterns); at least 1 wherever P(A) > 0.

    Raises:
        ValueError: if there are fewer samples than patterns.
    """
    check_count("batch_size", batch_size, 1, MOST_SAMPLES)
    masses = reals("masses", masses, ("R", "patterns"), least=0)
    active = whole_numbers("active", active, masses.shape[1:], least=0)
    possible = masses > 0
    if possible.sum(axis=1).max(initial=0) > batch_size:
        raise ValueError(
            f"stratified sampling needs a sample for each activity pattern: expected batch_size of at least "
            f"{possible.sum(axis=1).max()}, got {batch_size}"
        )
    wanted = masses * np.sqrt(active)
    total = wanted.sum(axis=1, keepdims=True)
    spare = batch_size - possible.sum(axis=1, keepdims=True)
    ideal = spare * np.divide(wanted, total, out=np.zeros_like(wanted), where=total > 0)
    counts = np.floor(ideal)
    # Largest remainders get what rounding down has left.
    rank = np.argsort(np.argsort(counts - ideal, axis=1, kind="stable"), axis=1, kind="stable")
    counts += rank < (spare * (total > 0) - counts.sum(axis=1, keepdims=True))
    return np.asarray(counts + possible, dtype=np.int64)
