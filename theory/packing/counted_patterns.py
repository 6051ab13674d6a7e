"""One output among alike features of constant amplitude: activity patterns by how many of each overlap are on.

Where only a few different overlaps a_c occur, n_c times each (`shells.py`), the pre-activation z = b + v Σ_c m_c a_c
depends on the counts m_c of active features alone. They are binomial, and the loss is a sum over a small grid of them.
"""

from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
from numpy.typing import NDArray

from ..numerics import FloatArray
from .shells import Terms

# Numbers that NumPy adds up one after the other at most before it adds sums pairwise.
PAIRWISE = 128


class CountedPatterns:
    """E(x_i − x'_i)² of the first output, all features on with one probability, each with the same value.

    Args:
        sizes: of the shells of other corners, shape (C,).
        corners: how many there are in all, k.
        density: 1 − S.
        value: v of an active feature.

    Attributes:
        steps: operations that a term of the loss runs through: the rounding of the loss is at most γ_steps
            E[(|b| + v Σ_j |a_j| 1_j + v 1_i)²] (`numerics/rounding.py`), 1_j being 1 where feature j is active.
    """

    def __init__(self, sizes: NDArray[np.int64], corners: int, density: float, value: float) -> None:
        """List the counts and their probabilities."""
        counts = np.array(list(product(*(range(int(size) + 1) for size in sizes))), dtype=np.float64)
        self._counts = counts.reshape(-1, len(sizes))
        chances = [_binomial(int(size), density) for size in sizes]
        grid = self._counts.astype(np.int64).T
        self._chances = np.ones(len(self._counts))
        for row, m in zip(chances, grid, strict=True):
            self._chances *= row[m]
        self._density, self._value = density, value
        # Operations of a chance, and of a pre-activation; its square's; and the sum's over all counts.
        k, shells = corners, len(sizes)
        self.steps = 5 * k + 2 * (k + shells + 5) + 5 + PAIRWISE + len(counts).bit_length()

    def terms(self, own: float, overlaps: FloatArray, bias: float) -> Terms:
        """Return the loss and its derivatives, given the overlaps of the shells, shape (C,)."""
        p, v = self._density, self._value
        rest = bias + v * (self._counts @ overlaps)
        off, on = np.maximum(rest, 0), np.maximum(rest + v * own, 0)
        # Pairwise, which rounds less than a product of vectors.
        loss = (self._chances * ((1 - p) * off**2 + p * (v - on) ** 2)).sum()
        in_on = -2 * p * self._chances * (v - on) * (on > 0)
        in_rest = 2 * (1 - p) * self._chances * off + in_on
        return Terms(float(loss), float(in_rest.sum()), float(v * in_on.sum()), v * (in_rest @ self._counts))

    def least(self, overlaps: FloatArray) -> tuple[float, float] | None:
        """Return the scale s and the bias b of least loss, given the overlaps of the shells of unit vectors.

        None if no scale costs less than dropping the features, as where their value is negative.

        Each pre-activation is b + s m with a slope m of its own, and on where b/s > −m. So the half-plane of (s, b)
        falls in sectors in which the loss is a quadratic function. Its minimum is one of such a function inside of its
        sector, or lies on a ray between two sectors; all of them are compared.
        """
        p, v = self._density, self._value
        rest = v * (self._counts @ overlaps)
        weights = np.concatenate([(1 - p) * self._chances, p * self._chances])
        slopes = np.concatenate([rest, rest + v])
        # What an active feature takes off the square besides.
        pulls = np.concatenate([np.zeros(len(rest)), p * v * self._chances])
        order = np.argsort(-slopes, kind="stable")
        weights, slopes, pulls = weights[order], slopes[order], pulls[order]
        # Of the first, the first two, … that are on: loss = const + H_ss s² + 2 H_sb s b + H_bb b² − 2 g_s s − 2 g_b b.
        H_ss, H_sb, H_bb = (np.cumsum(weights * slopes**power) for power in (2, 1, 0))
        g_s, g_b = np.cumsum(pulls * slopes), np.cumsum(pulls)
        determinant = H_ss * H_bb - H_sb**2
        ratios = -slopes
        with np.errstate(divide="ignore", invalid="ignore"):
            s = (H_bb * g_s - H_sb * g_b) / determinant
            b = (H_ss * g_b - H_sb * g_s) / determinant
            inside = (s > 0) & (b >= ratios * s) & (b <= np.append(ratios[1:], np.inf) * s)
            gains = np.where(inside & (determinant > 0), g_s * s + g_b * b, -np.inf)
            square, pull = H_ss + 2 * ratios * H_sb + ratios**2 * H_bb, g_s + ratios * g_b
            along = np.where((pull > 0) & (square > 0), pull**2 / square, -np.inf)
        best, ray = int(gains.argmax()), int(along.argmax())
        if not max(gains[best], along[ray]) > 0:
            return None
        if gains[best] >= along[ray]:
            return float(s[best]), float(b[best])
        scale = float(pull[ray] / square[ray])
        return scale, float(ratios[ray]) * scale


def _binomial(size: int, density: float) -> FloatArray:
    """Return the chances of 0, 1, … of so many features, by products: at most 2 size + 2 roundings each."""
    on, off = (np.cumprod([1.0] + [chance] * size) for chance in (density, 1 - density))
    return np.array([comb(size, m) * on[m] * off[size - m] for m in range(size + 1)])
