"""Second moments of linear dynamics: closed forms of one weight, simulated steps, and long recursions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tegum.theory.noise import OptimiserRule, spread_after, spread_at_rest, spread_of_steps
from tegum.theory.numerics import FloatArray
from tests.support.tolerances import SIGMAS, tolerance

SGD, MOMENTUM = OptimiserRule(False, 0.0), OptimiserRule(False, 0.8)
# A second moment that forgets within hundreds of steps.
ADAM = OptimiserRule(True, 0.7, second=0.98)
RULES = {"sgd": SGD, "momentum": MOMENTUM, "adam": ADAM}
RATES = {"sgd": 0.2, "momentum": 0.05, "adam": 0.01}
SIZE = 4
# Adam's own repetition stops at a change of 1e-10.
SETTLED = 1e-8


def bowl(seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Return a Hessian and a covariance of noise that don't commute."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(SIZE, SIZE)))[0]
    factor = rng.normal(size=(SIZE, SIZE))
    return (turn * np.array([0.3, 0.6, 1.0, 2.0])) @ turn.T, 0.01 * factor @ factor.T


def one(number: float) -> FloatArray:
    return np.array([[number]])


@pytest.mark.parametrize("momentum", [Fraction(0), Fraction(1, 2), Fraction(9, 10)])
@pytest.mark.parametrize("rate", [Fraction(1, 100), Fraction(1, 2), Fraction(1)])
def test_one_weight_under_sgd(momentum: Fraction, rate: Fraction) -> None:
    # E[δ²] = η C (1 + μ) / (h (1 − μ) (2 (1 + μ) − η h)).
    h, c = Fraction(3, 2), Fraction(1, 8)
    exact = rate * c * (1 + momentum) / (h * (1 - momentum) * (2 * (1 + momentum) - rate * h))
    found = spread_at_rest(one(float(h)), one(float(c)), float(rate), OptimiserRule(False, float(momentum)))
    assert found[0, 0] == pytest.approx(float(exact), rel=tolerance("law"))


def test_the_closed_form_leaves_second_moments_as_they_are() -> None:
    mu, eta, h, c = Fraction(1, 2), Fraction(1, 3), Fraction(3, 2), Fraction(1, 8)
    dd = eta * c * (1 + mu) / (h * (1 - mu) * (2 * (1 + mu) - eta * h))
    # E[δ²] stays if 2 E[δ v'] = η E[v'²], and then E[δ' v'] = −η E[v'²] / 2, which is E[δ v] again.
    vv = (c + h**2 * dd) / (1 - mu**2 + mu * h * eta)
    dv = -eta * vv / 2
    new_vv = mu**2 * vv + 2 * mu * h * dv + h**2 * dd + c
    new_dv = mu * dv + h * dd
    assert new_vv == vv
    assert dd - 2 * eta * new_dv + eta**2 * new_vv == dd
    assert new_dv - eta * new_vv == dv


def test_one_weight_under_adam_is_at_a_fixed_point() -> None:
    # D = η / √(C + h² Σ), and Σ is that of steps D with the gain 1 − β₁.
    h, c, eta, beta = 2.0, 0.3, 0.05, 0.9
    rule = OptimiserRule(True, beta, epsilon=0.0)
    found = spread_at_rest(one(h), one(c), eta, rule)[0, 0]
    step = eta / (c + h**2 * found) ** 0.5
    # The same as SGD with the rate (1 − β₁) D.
    expected = step * c / (h * (2 - (1 - beta) / (1 + beta) * step * h))
    assert found == pytest.approx(expected, rel=SETTLED)


def test_epsilon_shortens_steps() -> None:
    c, eps = 0.3, 0.2
    found = spread_at_rest(one(1.0), one(c), 0.01, OptimiserRule(True, 0.0, epsilon=eps))[0, 0]
    step = 0.01 / ((c + found) ** 0.5 + eps)
    assert found == pytest.approx(step * c / (2 - step), rel=SETTLED)


@pytest.mark.parametrize("name", RULES)
def test_a_long_recursion_ends_at_rest(name: str) -> None:
    hessian, noise = bowl()
    rest = spread_at_rest(hessian, noise, RATES[name], RULES[name])
    rates = np.full(4000, RATES[name])
    long = spread_after(hessian, noise, rates, RULES[name])
    np.testing.assert_allclose(long, rest, rtol=0, atol=SETTLED * np.abs(rest).max())
    assert np.abs(spread_after(hessian, noise, rates[:20], RULES[name]) - rest).max() > 0.05 * np.abs(rest).max()


def simulated(hessian: FloatArray, noise: FloatArray, rates: FloatArray, rule: OptimiserRule, runs: int) -> FloatArray:
    """Return δ of many runs after the steps; Adam divides by the root of the mean square over all runs."""
    rng, root = np.random.default_rng(3), np.linalg.cholesky(noise)
    delta, velocity, square = np.zeros((runs, SIZE)), np.zeros((runs, SIZE)), np.zeros(SIZE)
    for t, rate in enumerate(rates, start=1):
        gradient = delta @ hessian + rng.normal(size=delta.shape) @ root.T
        velocity = rule.momentum * velocity + (1 - rule.momentum if rule.adam else 1.0) * gradient
        step: Any = rate
        if rule.adam:
            square = rule.second * square + (1 - rule.second) * (gradient**2).mean(axis=0)
            corrected = np.sqrt(square / (1 - rule.second**t)) + rule.epsilon
            step = rate / (1 - rule.momentum**t) / corrected
        delta = delta - step * velocity
    return delta


@pytest.mark.parametrize("name", RULES)
def test_the_recursion_is_what_steps_do(name: str) -> None:
    hessian, noise = bowl(1)
    rates = RATES[name] * np.linspace(2, 0, 60)
    expected = spread_after(hessian, noise, rates, RULES[name])
    delta = simulated(hessian, noise, rates, RULES[name], runs=20_000)
    products = delta[:, :, None] * delta[:, None, :]
    error = products.std(axis=0) / len(delta) ** 0.5
    assert (np.abs(products.mean(axis=0) - expected) <= SIGMAS * error).all()
    assert np.diag(error).max() <= 0.02 * np.diag(expected).max()


@pytest.mark.parametrize("name", RULES)
def test_flat_directions_are_left_out(name: str) -> None:
    hessian, noise = bowl(2)
    rng = np.random.default_rng(5)
    flat = np.linalg.qr(rng.normal(size=(SIZE, 1)))[0]
    across = np.eye(SIZE) - flat @ flat.T
    hessian = across @ hessian @ across
    rest = spread_at_rest(hessian, noise, RATES[name], RULES[name])
    assert np.abs(rest @ flat).max() <= tolerance("law") * np.abs(rest).max()
    # In a long recursion they grow, and the rest of the spread is the same.
    long = spread_after(hessian, noise, np.full(6000, RATES[name]), RULES[name])
    assert flat.T @ long @ flat > 10 * np.trace(rest)
    atol = SETTLED * np.abs(long).max()
    np.testing.assert_allclose(across @ long @ across, rest, rtol=0, atol=atol)


@pytest.mark.parametrize(("momentum", "limit"), [(0.0, 2.0), (0.5, 3.0)])
def test_steps_that_are_too_long_have_no_rest(momentum: float, limit: float) -> None:
    rule = OptimiserRule(False, momentum)
    assert np.isfinite(spread_at_rest(one(1.0), one(1.0), limit - 1e-3, rule)).all()
    assert np.isnan(spread_at_rest(one(1.0), one(1.0), limit + 1e-3, rule)).all()


def test_a_saddle_has_no_rest() -> None:
    assert np.isnan(spread_at_rest(np.diag([1.0, -1e-3]), np.eye(2), 0.1, SGD)).all()


def test_adam_without_noise_has_no_rest() -> None:
    # Its steps grow as gradients shrink, until they are too long.
    assert np.isnan(spread_at_rest(np.diag([1.0, 1.0]), np.diag([1.0, 0.0]), 1e-3, OptimiserRule(True, 0.9))).all()


def test_given_steps_are_those_of_a_preconditioner() -> None:
    # D = diag(d) is SGD at rate 1 in coordinates y = D^(−1/2) δ.
    hessian, noise = bowl(4)
    d = np.array([0.05, 0.1, 0.2, 0.4])
    root = np.sqrt(d)
    in_y = spread_of_steps(root[:, None] * hessian * root, root[:, None] * noise * root, np.ones(SIZE), MOMENTUM)
    found = spread_of_steps(hessian, noise, d, MOMENTUM)
    np.testing.assert_allclose(found, root[:, None] * in_y * root, rtol=tolerance("law"), atol=tolerance("law"))


def test_noise_twice_as_large_spreads_sgd_twice_as_far() -> None:
    hessian, noise = bowl(6)
    found = spread_at_rest(hessian, 2 * noise, 0.1, MOMENTUM)
    np.testing.assert_allclose(found, 2 * spread_at_rest(hessian, noise, 0.1, MOMENTUM), rtol=tolerance("law"))
