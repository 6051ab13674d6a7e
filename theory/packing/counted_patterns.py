"""One output among alike features of constant amplitude: activity patterns by how many of each overlap are on.

Where only a few different overlaps a_c occur, n_c times each, the pre-activation z = b + v Σ_c m_c a_c depends on the
counts m_c of active features alone. They are binomial, and the loss is a sum over a small grid of them.
"""

from __future__ import annotations

from itertools import product
from math import comb

import numpy as np

from ..numerics import FloatArray

# Numbers that NumPy adds up one after the other at most before it adds sums pairwise.
PAIRWISE = 128
# Overlaps of unit vectors closer than this are one.
SAME = 1e-9


class CountedPatterns:
    """E(x_i − x'_i)² of the first output, all features on with one probability, each with the same value.

    Args:
        overlaps: of the first feature with all, shape (k,), in a general position: which are equal here stay equal.
        density: 1 − S.
        value: v of an active feature.

    Attributes:
        steps: operations that a term of the loss runs through: the rounding of the loss is at most γ_steps
            E[(|b| + v Σ_j |a_j| 1_j + v 1_i)²] (`numerics/rounding.py`), 1_j being 1 where feature j is active.
    """

    def __init__(self, overlaps: FloatArray, density: float, value: float) -> None:
        """List the counts and their probabilities."""
        others = np.asarray(overlaps)[1:]
        order = np.argsort(others, kind="stable")
        steps = np.diff(others[order], prepend=-np.inf) > SAME
        self._classes = np.empty(len(others), dtype=np.int64)
        self._classes[order] = np.cumsum(steps) - 1
        sizes = np.bincount(self._classes)
        counts = np.array(list(product(*(range(size + 1) for size in sizes))), dtype=np.float64)
        self._counts = counts.reshape(-1, len(sizes))
        chances = [_binomial(int(size), density) for size in sizes]
        grid = self._counts.astype(np.int64).T
        self._chances = np.prod([row[m] for row, m in zip(chances, grid, strict=True)], axis=0)
        self._sizes, self._density, self._value = sizes, density, value
        # Operations of a chance, and of a pre-activation; its square's; and the sum's over all counts.
        k, classes = len(overlaps), len(sizes)
        self.steps = 5 * k + 2 * (k + classes + 5) + 5 + PAIRWISE + len(counts).bit_length()

    def output_and_slopes(self, overlaps: FloatArray, bias: float) -> tuple[float, FloatArray]:
        """Return the loss and its derivatives in the overlaps and the bias, shape (k + 1,)."""
        p, v = self._density, self._value
        own, others = float(overlaps[0]), np.asarray(overlaps)[1:]
        means = np.bincount(self._classes, others, len(self._sizes)) / np.maximum(self._sizes, 1)
        rest = bias + v * (self._counts @ means)
        off, on = np.maximum(rest, 0), np.maximum(rest + v * own, 0)
        # Pairwise, which rounds less than a product of vectors.
        loss = (self._chances * ((1 - p) * off**2 + p * (v - on) ** 2)).sum()
        in_on = -2 * p * self._chances * (v - on) * (on > 0)
        in_rest = 2 * (1 - p) * self._chances * off + in_on
        each = v * (in_rest @ self._counts) / np.maximum(self._sizes, 1)
        slopes = np.concatenate([[v * in_on.sum()], each[self._classes], [in_rest.sum()]])
        return float(loss), slopes


def _binomial(size: int, density: float) -> FloatArray:
    """Return the chances of 0, 1, … of so many features, by products: at most 2 size + 2 roundings each."""
    on, off = (np.cumprod([1.0] + [chance] * size) for chance in (density, 1 - density))
    return np.array([comb(size, m) * on[m] * off[size - m] for m in range(size + 1)])
