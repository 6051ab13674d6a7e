r"""The interference penalty above which no pair is stored, over the (density, importance) plane.

With importances (1, r) and the penalty λ·2w₁²w₂² the antipodal phase is the global minimum exactly for λ < λ_c, where

    λ_c(p, r) = sup_{w₁w₂ < 0, b} [min(1, r) ℓ₀ − L(w, b)] / 2 w₁² w₂² ,    ℓ₀ = p/3 − p²/4 ,

and feature 1 (r > 1: feature 2) on an axis of its own, with the other dropped, for λ > λ_c (docs/open-problems.md).
The supremum is either approached as the overlap vanishes, where it is (r ℓ₀ − κ)/2 in closed form and the transition
is continuous, or attained at an antipodal state, into which the model jumps. A table over (w₁², w₁w₂) with the best
biases finds the candidates; then λ ← the quotient at the minimiser of L + λ 2w₁²w₂² (Dinkelbach's iteration, which
converges quadratically) settles each on the exact loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..minima import Landscape, descend, pack, unpack
from ..models import IndependentFeatures, ToyModel
from ..numerics import FloatArray, Summarised, check_broadcast, reals
from .pair_costs import best_bias

# The table: s = 1 + offset, and γ.
SQUARES = 1 + np.concatenate([-np.geomspace(0.95, 0.01, 24), [0.0], np.geomspace(0.01, 0.9, 24)])
OVERLAPS = np.geomspace(5e-3, 1.4, 64)
# Local maxima of a table that are followed, and steps of the iteration.
CANDIDATES, STEPS = 4, 8
# An overlap below which a state counts as the axis, and the rounding error of a loss.
NO_OVERLAP, ROUNDING = 1e-5, 1e-16
# Changes of λ at which the iteration has converged.
SETTLED = 1e-13


@dataclass(frozen=True, eq=False)
class CriticalPenalty(Summarised):
    """λ_c at points of the (density, importance) plane; all arrays have the points' shape in front.

    Attributes:
        density: 1 − S.
        importance: r, the importance of feature 2 against feature 1.
        penalty: λ_c; 0 where the antipodal phase isn't the global minimum without a penalty.
        continuous: whether the overlap vanishes as λ rises to λ_c; else the model jumps.
        overlap: w₁w₂ ≤ 0 of the antipodal state at λ_c, 0 where the transition is continuous or λ_c = 0.
        weights: of that state, shape (..., 1, 2).
        bias: of that state, shape (..., 2).
        residual: the last change of λ in the iteration. It bounds nothing; `penalty_bounds` does.
        status: "first order", "continuous" or "never stored" for each point.
    """

    density: FloatArray
    importance: FloatArray
    penalty: FloatArray
    continuous: NDArray[np.bool_]
    overlap: FloatArray
    weights: FloatArray
    bias: FloatArray
    residual: FloatArray
    status: NDArray[np.str_]


def storage_cost(density: ArrayLike) -> FloatArray:
    """Return κ: what the first overlap costs feature 1, E = κγ² + O(γ³) (docs/boundary-forms.md)."""
    p = np.asarray(density, dtype=np.float64)
    D = 4 - 7 * p + 4 * p**2
    τ = p**2 / (D + np.sqrt(D**2 + 4 * p**3 * (1 - p)))
    σ = 0.75 * (p - 2 * τ)
    alone = τ**3 / 3 + τ**2 + τ * σ + σ**2 / 3
    both = τ**2 + σ**2 / 3 + 1 / 3 + τ * σ - τ - σ / 2
    return np.asarray((1 - p) ** 2 * τ**2 + p * (1 - p) * alone + p**2 * both)


def critical_penalty(density: ArrayLike, importance: ArrayLike) -> CriticalPenalty:
    """Return λ_c(p, r), the smallest interference penalty that makes storing one feature the global minimum.

    Args:
        density: p in (0, 1], shape (...).
        importance: r > 0, shape (...).

    Raises:
        ValueError: if a density or an importance is out of range, or the shapes don't broadcast.

    Example:
        >>> found = critical_penalty(0.3, 1.0)
        >>> round(float(found.penalty), 9), str(found.status)
        (0.039124827, 'first order')
    """
    density = reals("density", density, above=0, most=1)
    importance = reals("importance", importance, above=0)
    check_broadcast(density=density.shape, importance=importance.shape)
    p, r = np.broadcast_arrays(density, importance)
    if not p.size:
        raise ValueError(f"density and importance must hold a number at least, got shapes {p.shape} together")
    # With the features exchanged the loss is r times that with 1 / r.
    flipped = r.ravel() > 1
    scale = np.where(flipped, r.ravel(), 1.0)
    best = _below_one(p.ravel(), np.where(flipped, 1 / r.ravel(), r.ravel()))
    penalty, overlap, parameters, residual, status = best
    weights, bias = unpack(parameters, 1)
    weights = np.where(flipped[:, None, None], weights[..., ::-1], weights)
    bias = np.where(flipped[:, None], bias[..., ::-1], bias)
    return CriticalPenalty(
        density=p,
        importance=r,
        penalty=(scale * penalty).reshape(p.shape),
        continuous=(status == "continuous").reshape(p.shape),
        overlap=overlap.reshape(p.shape),
        weights=weights.reshape(*p.shape, 1, 2),
        bias=bias.reshape(*p.shape, 2),
        residual=(scale * residual).reshape(p.shape),
        status=status.reshape(p.shape),
    )


def _below_one(p: FloatArray, r: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, NDArray[np.str_]]:
    """Return λ_c, overlap, packed state, residual and status at rows with r ≤ 1."""
    owner, starts = _candidates(p, r)
    λ, states, change = _settle(p[owner], r[owner], starts)
    vanishing = np.maximum((r * (p / 3 - p**2 / 4) - storage_cost(p)) / 2, 0.0)
    penalty, chosen = vanishing.copy(), np.full(len(p), -1)
    overlaps = states[:, 0] * states[:, 1]
    for k in np.argsort(λ):
        if overlaps[k] < -NO_OVERLAP and λ[k] > penalty[owner[k]] + ROUNDING / overlaps[k] ** 2:
            penalty[owner[k]], chosen[owner[k]] = λ[k], k
    jumps = chosen >= 0
    axis = pack(np.broadcast_to([[1.0, 0.0]], (len(p), 1, 2)), np.stack([0 * p, p / 2], axis=-1))
    parameters = np.where(jumps[:, None], states[chosen], axis)
    status = np.where(jumps, "first order", np.where(penalty > 0, "continuous", "never stored"))
    return penalty, np.where(jumps, overlaps[chosen], 0.0), parameters, np.where(jumps, change[chosen], 0.0), status


def _candidates(p: FloatArray, r: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
    """Return the rows' numbers and packed states at the highest local maxima of each row's table."""
    owner, starts = [], []
    s, γ = SQUARES[:, None], OVERLAPS[None]
    h = γ**2 / s
    for density in np.unique(p):
        (first, b), (second, other) = best_bias(s, γ, density), best_bias(h, γ, density)
        for k in np.flatnonzero(p == density):
            quotient = (r[k] * (density / 3 - density**2 / 4) - first - r[k] * second) / (2 * γ**2)
            padded = np.pad(quotient, 1, constant_values=-np.inf)
            around = [
                np.roll(padded, shift, axis=(0, 1))[1:-1, 1:-1]
                for shift in ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, -1), (1, -1), (-1, 1))
            ]
            peaks = np.argwhere(quotient >= np.max(around, axis=0))
            peaks = peaks[np.argsort([-quotient[i, j] for i, j in peaks])][:CANDIDATES]
            for i, j in peaks:
                w = SQUARES[i] ** 0.5
                owner.append(int(k))
                starts.append([w, -OVERLAPS[j] / w, b[i, j], other[i, j]])
    return np.array(owner), np.array(starts)


def _settle(p: FloatArray, r: FloatArray, states: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return λ, the state and the last change of λ of Dinkelbach's iteration from each state."""
    importance = np.stack([np.ones_like(r), r], axis=-1)
    features = IndependentFeatures(p[:, None])
    unpenalised = Landscape(ToyModel(2, 1, features, importance))

    def quotient(states: FloatArray) -> FloatArray:
        overlap = states[:, 0] * states[:, 1]
        gain = r * (p / 3 - p**2 / 4) - unpenalised.losses(states)
        return np.asarray(np.maximum(gain / np.maximum(2 * overlap**2, NO_OVERLAP**4), 0.0))

    λ = quotient(states)
    change = np.full(len(p), np.inf)
    for _ in range(STEPS):
        states = descend(Landscape(ToyModel(2, 1, features, importance, λ)), states).parameters
        # Where the overlap has vanished the quotient is one of rounding errors.
        kept = np.abs(states[:, 0] * states[:, 1]) > NO_OVERLAP
        new = np.where(kept, quotient(states), λ)
        λ, change = new, np.abs(new - λ)
        if change.max() < SETTLED:
            break
    return λ, states, change
