"""How small weights grow: the gradient flow linearised about W = 0, in which the biases relax to the means.

With small weights every output is on, x'_i = b_i + Σ_j G_ij x_j, and the flow separates: ḃ_i = 2 I_i (μ_i − b_i) from
b_i = 0, and Ẇ = W A(t) with the matrix of `growth_rates`. docs/basins.md derives it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import solve_ivp

from ..models import IndependentFeatures, ToyModel, diagram_model
from ..numerics import FloatArray, check_kind, check_number, reals
from .gradient import gradient_flow

ACCURACY = 1e-11
# The slower a bias relaxes, the longer the beginning lasts.
LEAST_IMPORTANCE = 1e-6
# Biases have relaxed after this many units of time over the importance.
RELAXED = 15.0
# Variance of each initial weight by Xavier's law of a 1×2 matrix.
INITIAL_VARIANCE = 2 / 3
ANGLES = 4000
# The search for the separatrix: size of the first weight, range of κ, values tried at once, and how often.
SEEDLING = 1e-5
KAPPAS = (1e-8, 10.0)
TRIED, REFINEMENTS = 48, 4
# Overlaps at the end that are less negative than this are on the side of one sign.
OPPOSITE = 1e-6


def growth_rates(model: ToyModel, time: float) -> FloatArray:
    """Return A(t) of Ẇ = W A(t), the linearised gradient flow of small weights from b = 0.

    With V_i = Var x_i, μ_i = E x_i and what is missing of bias i, μ_i e^{−2 I_i t}:

        A_ij = 4 I_i V_i δ_ij + 2 μ_i μ_j (I_i e^{−2 I_i t} + I_j e^{−2 I_j t}).

    Args:
        model: a single model, batch shape (), of independent features.
        time: t ≥ 0 since the biases were zero; np.inf for relaxed biases.

    Returns:
        Shape (n_features, n_features), symmetric.

    Raises:
        ValueError: if the model is a batch or its features aren't independent, or the time is negative.
    """
    check_kind("model", model, ToyModel)
    model.check_plain("the growth from small weights", "bias", "targets")
    time = check_number("time", time, least=0, infinite=True)
    if model.batch_shape != () or not isinstance(model.features, IndependentFeatures):
        raise ValueError(
            "growth rates are those of a single model with IndependentFeatures, got "
            f"{type(model.features).__name__} with batch shape {model.batch_shape}"
        )
    density, importance, amplitude = model.densities(), model.importances(), model.features.amplitude
    mean = density * np.float64(amplitude.mean)
    variance = density * np.float64(amplitude.second_moment) - mean**2
    missing = importance * np.exp(-2 * importance * time)
    rates = 2 * np.outer(mean, mean) * (missing[:, None] + missing)
    return np.asarray(rates + np.diag(4 * importance * variance))


def early_growth(model: ToyModel, time: float) -> FloatArray:
    """Return the propagator P(t) of small weights: W(t) = W(0) P(t), from b = 0.

    For two features of equal importance 1 and density p, uniform on [0, 1], it is known in closed form: the sum of the
    weights grows by e^{4Vt + p² (1 − e^{−2t})}, their difference by e^{4Vt}.

    Args:
        model: a single model of independent features.
        time: t ≥ 0, finite.

    Returns:
        Shape (n_features, n_features).

    Raises:
        ValueError: as `growth_rates`, or if the time isn't finite.
    """
    check_kind("model", model, ToyModel)
    time = check_number("time", time, least=0)
    growth_rates(model, time)
    n = model.n_features

    def slope(t: float, flat: FloatArray) -> FloatArray:
        return np.asarray((flat.reshape(n, n) @ growth_rates(model, t)).ravel())

    if time == 0:
        return np.eye(n)
    solved = solve_ivp(slope, (0.0, time), np.eye(n).ravel(), method="DOP853", rtol=ACCURACY, atol=ACCURACY)
    return np.asarray(solved.y[:, -1].reshape(n, n))


def same_sign_share(density: float, importance: float, initial_scale: ArrayLike) -> FloatArray:
    """Return the share of seeds that the gradient flow leads to weights of one sign, for small initial weights.

    For n = 2, m = 1, features uniform on [0, 1] and r ≤ 1. A seed's weights, Xavier's law times the scale ε, go through
    the linear phase; what leaves it is the ratio W_2 / |W_1|^r, and the flow decides by whether that exceeds κ. The
    share is the integral over the law of the initial weights (docs/basins.md).

    Args:
        density: p in (0, 1].
        importance: r in (0, 1] of feature 2 against feature 1.
        initial_scale: ε > 0, shape (...).

    Returns:
        Shape (...).

    Raises:
        ValueError: if a number is out of range, or no κ exists because both signs lead to the same end.
    """
    density = check_number("density", density, above=0, most=1)
    importance = check_number("importance", importance, least=LEAST_IMPORTANCE, most=1)
    scale = reals("initial_scale", initial_scale, above=0)
    kappa = _separatrix(density, importance)
    if not np.isfinite(kappa):
        raise ValueError(
            "a share needs signs that lead to different ends, as at lower densities and importances nearer to 1, "
            f"got density {density!r} and importance {importance!r}"
        )
    growth = _lasting_growth(diagram_model(2, 1, density, importance))
    angles = (np.arange(ANGLES) + 0.5) * 2 * np.pi / ANGLES
    x, y = (np.stack([np.cos(angles), np.sin(angles)], axis=-1) @ growth).T
    if importance == 1:
        # Both weights grow alike, and no scale enters.
        ratio = np.abs(y / x)
        beyond = np.broadcast_to((ratio > kappa) & (ratio < 1 / kappa), (*scale.shape, ANGLES)).astype(float)
    else:
        # |W_2| > κ |W_1|^r is a bound from below on the radius, which has Rayleigh's law.
        radius = (kappa * np.abs(x) ** importance / np.abs(y)) ** (1 / (1 - importance))
        beyond = np.exp(-((radius / scale[..., None]) ** 2) / (2 * INITIAL_VARIANCE))
    return np.asarray(np.where(x * y > 0, beyond, 0.0).mean(axis=-1))


def small_separatrix(density: float, importance: float, size: ArrayLike) -> FloatArray:
    """Return initial weights from which the gradient flow ends on neither side, by the theory of small weights.

    Two lines part weights that end with one sign from those that end with opposite signs: where the second weight is κ
    times the first to the power r, and where the first is zero (for r = 1 the mirror image of the other), both after
    the biases have relaxed. Their mirror images under W → −W are separatrices as well.

    Args:
        density: p in (0, 1].
        importance: r in (0, 1] of feature 2 against feature 1.
        size: s > 0 of the larger weight after the biases have relaxed, shape (...).

    Returns:
        (W_1, W_2) on either line, shape (2, ..., 2); NaN where both signs lead to the same end.

    Raises:
        ValueError: if a number is out of range.
    """
    density = check_number("density", density, above=0, most=1)
    importance = check_number("importance", importance, least=LEAST_IMPORTANCE, most=1)
    s = reals("size", size, above=0)
    kappa = _separatrix(density, importance)
    second = (kappa if importance == 1 else 0.0 * kappa) * s
    relaxed = np.stack([np.stack([s, kappa * s**importance], axis=-1), np.stack([second, s], axis=-1)])
    return np.asarray(relaxed @ np.linalg.inv(_lasting_growth(diagram_model(2, 1, density, importance))))


def _lasting_growth(model: ToyModel) -> FloatArray:
    """Return what the transient of the biases does to small weights, the growth at relaxed biases taken out."""
    time = RELAXED / float(model.importances().min())
    return early_growth(model, time) * np.exp(-time * np.diag(growth_rates(model, np.inf)))


@lru_cache(maxsize=64)
def _separatrix(density: float, importance: float) -> float:
    """Return the κ below which weights (δ, κ δ^r), δ → 0, at relaxed biases end with opposite signs; NaN for none."""
    low, high = KAPPAS
    for _ in range(REFINEMENTS):
        kappa = np.geomspace(low, high, TRIED)
        weights = np.stack([np.full(TRIED, SEEDLING), kappa * SEEDLING**importance], axis=-1)[:, None]
        model = diagram_model(2, 1, np.full(TRIED, density), importance)
        means = model.densities() / 2
        ends = gradient_flow(model, weights, means).weights[:, 0]
        opposite = ends[:, 0] * ends[:, 1] < -OPPOSITE
        if not opposite[0] or opposite.all():
            return float("nan")
        first = int(opposite.argmin())
        low, high = kappa[first - 1], kappa[first]
    return float(np.sqrt(low * high))
