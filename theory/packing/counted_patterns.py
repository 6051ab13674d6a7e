"""One output among alike features of constant amplitude: activity patterns by how many of each overlap are on.

Where only a few different overlaps a_c occur, n_c times each, the pre-activation z = b + v Σ_c m_c a_c depends on the
counts m_c of active features alone. They are binomial, and the loss is a sum over a small grid of them.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from scipy.stats import binom

from ..numerics import FloatArray

# Overlaps of unit vectors closer than this are one.
SAME = 1e-9


class CountedPatterns:
    """E(x_i − x'_i)² of the first output, all features on with one probability, each with the same value.

    Args:
        overlaps: of the first feature with all, shape (k,), in a general position: which are equal here stay equal.
        density: 1 − S.
        value: v of an active feature.
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
        self._chances = np.prod(binom.pmf(self._counts, sizes, density), axis=-1)
        self._sizes, self._density, self._value = sizes, density, value

    def output_and_slopes(self, overlaps: FloatArray, bias: float) -> tuple[float, FloatArray]:
        """Return the loss and its derivatives in the overlaps and the bias, shape (k + 1,)."""
        p, v = self._density, self._value
        own, others = float(overlaps[0]), np.asarray(overlaps)[1:]
        means = np.bincount(self._classes, others, len(self._sizes)) / np.maximum(self._sizes, 1)
        rest = bias + v * (self._counts @ means)
        off, on = np.maximum(rest, 0), np.maximum(rest + v * own, 0)
        loss = self._chances @ ((1 - p) * off**2 + p * (v - on) ** 2)
        in_on = -2 * p * self._chances * (v - on) * (on > 0)
        in_rest = 2 * (1 - p) * self._chances * off + in_on
        each = v * (in_rest @ self._counts) / np.maximum(self._sizes, 1)
        slopes = np.concatenate([[v * in_on.sum()], each[self._classes], [in_rest.sum()]])
        return float(loss), slopes
