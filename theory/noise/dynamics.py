"""How an optimiser's noise spreads around a minimum: second moments of weights, step by step and at rest.

Near a minimum with Hessian H the mean gradient of a batch is H δ + ξ, δ the distance from the minimum and ξ the noise,
of covariance C. SGD with momentum μ (c = 1) and Adam (μ = β₁, c = 1 − β₁) both do

    v ← μ v + c (H δ + ξ),    δ ← δ − D v ,

with D the learning rate, and for Adam divided by √E[g²], the square root of the mean square that it keeps for each
parameter. So second moments of (δ, v) follow a linear recursion, which is a Lyapunov equation where it is at rest
(S. Mandt, M. D. Hoffman, D. M. Blei 2017, arXiv:1704.04289, for SGD at small rates). docs/sampling-noise.md has all.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from ..numerics import FloatArray, check_flag, check_kind, check_number, machine_code, reals, type_of

# Curvatures below this share of the largest are flat: noise that spreads along them costs nothing.
FLAT = 1e-9
# Repetitions of Adam's mean squares, which depend on how far the weights spread, until they change by less.
REPETITIONS, SETTLED = 200, 1e-10


class OptimiserRule(NamedTuple):
    """An optimiser, as its second moments see it.

    Attributes:
        adam: whether steps are divided by the root of the gradients' mean squares.
        momentum: SGD's μ, Adam's β₁.
        second: Adam's β₂.
        epsilon: Adam's ε.
    """

    adam: bool
    momentum: float
    second: float = 0.999
    epsilon: float = 1e-8

    @property
    def gain(self) -> float:
        """What a gradient is multiplied with on its way into the momentum, c."""
        return 1 - self.momentum if self.adam else 1.0


def _follow(hessian: Any, noise: Any, rates: Any, rule: Any, spread: Any) -> None:
    size = hessian.shape[0]
    mixed, moved = np.zeros((size, size)), np.zeros((size, size))
    squares, steps = np.zeros(size), np.zeros(size)
    gain = 1 - rule.momentum if rule.adam else 1.0
    left_first, left_second = 1.0, 1.0
    pulled, pulled_mixed = np.zeros((size, size)), np.zeros((size, size))
    for t in range(rates.shape[0]):
        left_first *= rule.momentum
        left_second *= rule.second
        for i in range(size):
            for j in range(size):
                a, b = 0.0, 0.0
                for k in range(size):
                    a += hessian[i, k] * spread[k, j]
                    b += hessian[i, k] * mixed[k, j]
                pulled[i, j], pulled_mixed[i, j] = a, b
        # Of v: μ² E[v vᵀ] + μ c (H E[δ vᵀ] + its transpose) + c² (H E[δ δᵀ] H + C).
        for i in range(size):
            for j in range(i + 1):
                square = noise[i, j]
                for k in range(size):
                    square += pulled[i, k] * hessian[k, j]
                if i == j:
                    squares[i] = rule.second * squares[i] + (1 - rule.second) * square
                both = pulled_mixed[i, j] + pulled_mixed[j, i]
                moved[i, j] = rule.momentum**2 * moved[i, j] + rule.momentum * gain * both + gain * gain * square
                moved[j, i] = moved[i, j]
        for i in range(size):
            steps[i] = rates[t]
            if rule.adam:
                steps[i] /= (1 - left_first) * (np.sqrt(squares[i] / (1 - left_second)) + rule.epsilon)
        # E[δ vᵀ] with the new v, then E[δ δᵀ] and E[δ vᵀ] with the new δ.
        for i in range(size):
            for j in range(size):
                mixed[i, j] = rule.momentum * mixed[i, j] + gain * pulled[j, i]
        for i in range(size):
            for j in range(size):
                spread[i, j] += steps[i] * steps[j] * moved[i, j] - mixed[i, j] * steps[j] - steps[i] * mixed[j, i]
        for i in range(size):
            for j in range(size):
                mixed[i, j] -= steps[i] * moved[i, j]


def check_rule(rule: OptimiserRule) -> None:
    """Raise `ValueError` unless an optimiser's rule is one; compiled code takes it as it is."""
    check_kind("rule", rule, OptimiserRule)
    check_flag("rule.adam", rule.adam)
    check_number("rule.momentum", rule.momentum, least=0, below=1)
    check_number("rule.second", rule.second, least=0, below=1)
    check_number("rule.epsilon", rule.epsilon, least=0)


def _checked_pair(hessian: FloatArray, noise: FloatArray, rule: OptimiserRule) -> tuple[FloatArray, FloatArray]:
    check_rule(rule)
    hessian = reals("hessian", hessian, ("P", "P"))
    return hessian, reals("noise", noise, hessian.shape)


_MATRIX = numba.float64[:, ::1]
_followed = machine_code(
    _follow,
    numba.void(_MATRIX, _MATRIX, numba.float64[::1], type_of(OptimiserRule(True, 0.9)), _MATRIX),
    nogil=True,
    error_model="numpy",
)


def spread_after(hessian: FloatArray, noise: FloatArray, rates: FloatArray, rule: OptimiserRule) -> FloatArray:
    """Return E[δ δᵀ] after steps that begin at the minimum, shape (P, P).

    Args:
        hessian: H, shape (P, P).
        noise: covariance C of a batch's gradient, shape (P, P).
        rates: learning rate of each step, shape (T,).
        rule: the optimiser.
    """
    hessian, noise = _checked_pair(hessian, noise, rule)
    rates = reals("rates", rates, ("T",), least=0)
    spread = np.zeros(hessian.shape)
    _followed(np.ascontiguousarray(hessian), np.ascontiguousarray(noise), np.ascontiguousarray(rates), rule, spread)
    return spread


def spread_at_rest(hessian: FloatArray, noise: FloatArray, rate: float, rule: OptimiserRule) -> FloatArray:
    """Return E[δ δᵀ] at a constant learning rate once it no longer changes, flat directions left out; NaN if it grows.

    Adam's D depends on the spread, E[g²] = diag(C + H E[δ δᵀ] H), which is repeated until it stands; NaN if it doesn't.

    Args:
        hessian: H, shape (P, P).
        noise: C, shape (P, P).
        rate: η.
        rule: the optimiser.
    """
    hessian, noise = _checked_pair(hessian, noise, rule)
    rate = check_number("rate", rate, above=0)
    steps = np.full(len(hessian), rate)
    if not rule.adam:
        return spread_of_steps(hessian, noise, steps, rule)
    spread = np.zeros_like(hessian)
    for _ in range(REPETITIONS):
        squares = np.diag(noise + hessian @ spread @ hessian)
        before, spread = spread, spread_of_steps(hessian, noise, steps / (np.sqrt(squares) + rule.epsilon), rule)
        if not np.isfinite(spread).all() or np.abs(spread - before).max() <= SETTLED * np.abs(spread).max():
            return spread
    return np.full(hessian.shape, np.nan)


def spread_of_steps(hessian: FloatArray, noise: FloatArray, steps: FloatArray, rule: OptimiserRule) -> FloatArray:
    """Return E[δ δᵀ] at rest for given lengths of steps D, flat directions left out; NaN if it grows.

    With D = S² the matrix S H S is symmetric, and in its eigenvectors each pair of modes is a Lyapunov equation in four
    unknowns. If S H S u = 0 then S u is a flat direction of H: what is left of δ is its part across all of those.

    Args:
        hessian: H, shape (P, P).
        noise: C, shape (P, P).
        steps: diagonal of D, shape (P,).
        rule: the optimiser.
    """
    hessian, noise = _checked_pair(hessian, noise, rule)
    steps = reals("steps", steps, (len(hessian),), least=0)
    root = np.sqrt(steps)
    values, vectors = np.linalg.eigh(root[:, None] * hessian * root)
    flat = FLAT * np.abs(values).max(initial=0.0)
    bent = values > flat
    modes, a = vectors[:, bent], rule.gain * values[bent]
    if (values < -flat).any() or a.max(initial=0.0) >= 2 * (1 + rule.momentum):
        return np.full(hessian.shape, np.nan)
    drive = rule.gain**2 * modes.T @ (root[:, None] * noise * root) @ modes
    # y ← y − w and w ← μ w + a y + noise: the old (y, w) in the new y and w, for each mode, shape (modes, 2, 2).
    mu = np.full_like(a, rule.momentum)
    kept = np.moveaxis(np.array([[1 - a, -mu], [a, mu]]), -1, 0)
    both = np.einsum("aik,bjl->abijkl", kept, kept).reshape(len(a), len(a), 4, 4)
    # Unknowns y y', y w', w y', w w'.
    noise_in = drive[..., None] * np.array([1.0, -1.0, -1.0, 1.0])
    found = np.linalg.solve(np.eye(4) - both, noise_in[..., None])[..., 0, 0]
    back = root[:, None] * modes
    along, _ = np.linalg.qr(root[:, None] * vectors[:, ~bent])
    back -= along @ (along.T @ back)
    return np.asarray(back @ found @ back.T)
