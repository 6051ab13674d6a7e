"""Moments of one input's gradient over activity patterns: against exact rationals, samples, and the exact loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import factorial
from typing import Any

import numpy as np
import pytest
import sympy

from tegum.theory import Amplitude, IndependentFeatures, TableFeatures, ToyModel, loss_gradient
from tegum.theory.minima import pack
from tegum.theory.noise import gradient_noise
from tegum.theory.numerics import FloatArray
from tests.support.cases import Case, draw_cases
from tests.support.internals import internals
from tests.support.laws import AMPLITUDES, LAWS, independent
from tests.support.monte_carlo import sampled_moments
from tests.support.tolerances import SIGMAS, tolerance

# Behind the face: the rule of integration.
cells = internals("noise.cells")
TARGET, BUDGET = 0.01, 1 << 15
# Points whose cells are either empty or large enough for a few thousand samples to see them.
SEEN = ("random", "zeros", "ties", "short", "corners", "polytope")


def without_penalties_on_weights(model: ToyModel) -> ToyModel:
    return replace(model, interference_penalty=0.0, weight_penalty=0.0)


@pytest.mark.parametrize("dimension", [1, 2, 3, 4])
def test_the_rule_integrates_monomials_of_degree_five(dimension: int) -> None:
    rule = cells.simplex_rule(dimension)
    assert (rule.shares > 0).all()
    assert (rule.nodes >= 0).all()
    for powers in product(range(6), repeat=dimension + 1):
        if sum(powers) > 5:
            continue
        # The mean of barycentric monomials: d! Π α_i! / (d + Σ α_i)!.
        exact = Fraction(factorial(dimension), factorial(dimension + sum(powers)))
        for power in powers:
            exact *= factorial(power)
        found = (rule.shares * (rule.nodes ** np.array(powers)).prod(axis=1)).sum()
        assert found == pytest.approx(float(exact), rel=tolerance("moment"))


def test_the_rule_is_no_better_than_that() -> None:
    rule = cells.simplex_rule(1)
    assert abs((rule.shares * rule.nodes[:, 1] ** 6).sum() - 1 / 7) > 1e-4


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("amplitude", ["uniform", "symmetric", "constant"])
@pytest.mark.parametrize("penalty", ["no penalty", "activation"])
def test_moments_are_those_of_samples(law: str, amplitude: str, penalty: str) -> None:
    compared = 0
    for place, points in enumerate(SEEN):
        # Hidden activations that change their sign cut cells as outputs do: those of four features are many.
        most = 4 if penalty == "no penalty" else 3
        kind: dict[str, Any] = {"law": law, "amplitude": amplitude, "penalty": penalty, "max_features": most}
        for case in draw_cases(1, start=place, points=points, **kind):
            noise = gradient_noise(case.model, case.weights, case.bias)
            for k, active in enumerate(noise.patterns):
                sampled = sampled_moments(case.model, case.weights, case.bias, active, TARGET, BUDGET)
                for found, mean, error in (
                    (noise.means[k], sampled.mean, sampled.mean_error),
                    (noise.seconds[k], sampled.second, sampled.second_error),
                ):
                    scale = np.abs(mean).max()
                    assert (np.abs(found - mean) <= SIGMAS * error + tolerance("law") * scale).all(), case.name
                    compared += 1
    assert compared >= 2 * len(SEEN)


def cases_of_means() -> list[Case]:
    kinds = product(("uniform", "symmetric", "constant", "thirds"), ("no penalty", "activation", "all penalties"))
    drawn = [c for amplitude, penalty in kinds for c in draw_cases(8, amplitude=amplitude, penalty=penalty)]
    return [case for case in drawn if case.resolved]


def test_the_mean_is_the_gradient_of_the_exact_loss() -> None:
    cases = cases_of_means()
    assert len(cases) > 60
    for case in cases:
        model = without_penalties_on_weights(case.model)
        exact = pack(*loss_gradient(model, case.weights, case.bias))
        found = gradient_noise(model, case.weights, case.bias).mean
        scale = case.entry_scale(float(np.abs(exact).max()))
        assert np.abs(found - exact).max() <= tolerance("moment") * scale, case.name


U = sympy.symbols("u1 u2")
FEW = sympy.Rational(1, 3)


def polynomials(weights: list[Any], bias: list[Any], active: tuple[int, ...], on: list[bool]) -> list[Any]:
    """Return the gradient of one input's loss in (W, b), n features in one dimension, by differentiating it."""
    n = len(weights)
    w, b = sympy.symbols(f"w:{n}"), sympy.symbols(f"b:{n}")
    x = [U[i] if i in active else sympy.Integer(0) for i in range(n)]
    hidden = sum(w[i] * x[i] for i in range(n))
    outputs = [w[i] * hidden + b[i] if on[i] else sympy.Integer(0) for i in range(n)]
    loss = sum((x[i] - outputs[i]) ** 2 for i in range(n))
    point = dict(zip((*w, *b), (*weights, *bias), strict=True))
    return [sympy.expand(sympy.diff(loss, symbol).subs(point)) for symbol in (*w, *b)]


# ∫ u_1^i u_2^j over cells of the square, and ∫ u^i over the part of an interval.
Cell = Callable[[int, int], Any]
SQUARE: Cell = lambda i, j: Fraction(1, (i + 1) * (j + 1))  # noqa: E731
FIRST_LARGER: Cell = lambda i, j: Fraction(1, (j + 1) * (i + j + 2))  # noqa: E731
SECOND_LARGER: Cell = lambda i, j: FIRST_LARGER(j, i)  # noqa: E731
ABOVE_A_THIRD: Cell = lambda i, _: (1 - Fraction(1, 3) ** (i + 1)) / (i + 1)  # noqa: E731


def exact_second(gradient: list[Any], moment: Cell) -> FloatArray:
    """Return ∫ g gᵀ over a cell, in rational numbers."""
    products = [[sympy.Poly(a * b, *U).terms() for b in gradient] for a in gradient]
    table = [[sum(Fraction(c.p, c.q) * moment(*powers) for powers, c in terms) for terms in row] for row in products]
    return np.array(table).astype(float)


def second_of(weights: list[Any], bias: list[Any], pattern: tuple[int, ...]) -> FloatArray:
    noise = gradient_noise(independent(len(weights), 1, 0.5), np.array([weights], dtype=float), np.array(bias, float))
    return np.asarray(noise.seconds[noise.patterns.index(pattern)])


def test_one_feature_whose_output_is_cut_by_its_kink() -> None:
    # W = 1, b = −1/3: z = u − 1/3, on above a third. g_b = 2 (z − u) = −2/3, g_w = 2 u g_b.
    found = second_of([1], [-FEW], (0,))
    by_hand = np.array([[Fraction(16, 9) * Fraction(26, 81), Fraction(8, 9) * Fraction(4, 9)], [0, Fraction(8, 27)]])
    by_hand[1, 0] = by_hand[0, 1]
    np.testing.assert_allclose(found, by_hand.astype(float), rtol=tolerance("moment"))
    np.testing.assert_allclose(
        found, exact_second(polynomials([1], [-FEW], (0,), [True]), ABOVE_A_THIRD), rtol=tolerance("moment")
    )


@pytest.mark.parametrize("weights", [[1, -1], [1, FEW], [0, 2]])
def test_two_features_that_are_always_on(weights: list[Any]) -> None:
    bias = [2, 4]
    expected = exact_second(polynomials(weights, bias, (0, 1), [True, True]), SQUARE)
    np.testing.assert_allclose(second_of(weights, bias, (0, 1)), expected, rtol=tolerance("moment"))


def test_an_antipodal_pair_is_cut_along_the_diagonal() -> None:
    weights, bias = [FEW, -FEW], [0, 0]
    upper = polynomials(weights, bias, (0, 1), [True, False]), FIRST_LARGER
    lower = polynomials(weights, bias, (0, 1), [False, True]), SECOND_LARGER
    expected = exact_second(*upper) + exact_second(*lower)
    np.testing.assert_allclose(second_of(weights, bias, (0, 1)), expected, rtol=tolerance("moment"), atol=1e-16)


def test_constant_amplitudes_need_no_integral_and_any_number_of_features() -> None:
    model = ToyModel(6, 1, IndependentFeatures(1.0, amplitude=Amplitude(1, 1)))
    noise = gradient_noise(model, np.full((1, 6), 0.5), np.full(6, 0.25))
    # h = 3, z = 1.75, g_b = 1.5, g_w = h g_b + Σ_i W_i g_b.
    expected = np.concatenate([np.full(6, 3 * 1.5 + 6 * 0.5 * 1.5), np.full(6, 1.5)])
    np.testing.assert_allclose(noise.mean, expected, rtol=tolerance("moment"))
    assert np.abs(noise.covariance()).max() <= tolerance("moment") * (expected**2).max()


def test_a_kink_with_a_probability_counts_as_off() -> None:
    # z_2 = 0 whatever feature 1 does, and z_1 = u: nothing is wrong, so that no gradient is left where x_2 = 0.
    model = ToyModel(2, 1, TableFeatures({(0,): 1}))
    np.testing.assert_array_equal(gradient_noise(model, [[1.0, 0.0]], [0.0, 0.0]).seconds, 0)
    # By half a last bit above it, output 2 is on.
    above = gradient_noise(model, [[1.0, 0.0]], [0.0, 2.0**-30]).seconds
    assert above[0, 3, 3] == pytest.approx(2.0**-58, rel=tolerance("moment"))


@pytest.mark.parametrize("amplitude", AMPLITUDES)
def test_second_moments_have_no_negative_eigenvalue(amplitude: str) -> None:
    for case in draw_cases(24, amplitude=amplitude):
        seconds = gradient_noise(case.model, case.weights, case.bias).seconds
        spectra = np.linalg.eigvalsh(seconds)
        assert (spectra[..., 0] >= -tolerance("rounding") * np.maximum(spectra[..., -1], 0)).all(), case.name
