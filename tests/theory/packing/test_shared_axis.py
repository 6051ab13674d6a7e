"""Features that share one axis: the counterexamples of docs/open-problems.md, and the laws that it states."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from tegum.theory import derive_loss, enclosure, expected_loss, global_minimum
from tegum.theory.packing import one_axis, shared_axes
from tests.support.internals import internals
from tests.support.laws import independent
from tests.support.tolerances import tolerance

DENSITIES = [0.05, 0.5, 0.9]


def dropped(p: Fraction) -> Fraction:
    return p / 3 - p * p / 4


def published(p: Fraction) -> Fraction:
    """Return the smaller of the two values that are conjectured to be the best for two features on one axis."""
    return min(dropped(p), p * p / 3)


@pytest.mark.parametrize(
    ("density", "weight", "bias", "loss"),
    [
        (Fraction(1, 2), Fraction(1), Fraction(1, 10), Fraction(9259, 120000)),
        (Fraction(3, 5), Fraction(13, 15), Fraction(43, 200), None),
    ],
)
def test_the_published_minimum_has_exact_counterexamples(
    density: Any, weight: Fraction, bias: Fraction, loss: Fraction | None
) -> None:
    W, b = [[weight, -weight]], [bias, bias]
    exact = Fraction(str(derive_loss(2, 1).at(*([[str(w) for w in W[0]]], [str(x) for x in b]), str(density), 1)))
    assert exact < published(density)
    assert loss is None or exact == loss
    assert enclosure(independent(2, 1, density), W, b).loss.contains(exact)


def test_a_small_bias_is_a_counterexample_at_every_density() -> None:
    # L(1, −1; c, c) as a polynomial in c for 0 ≤ c ≤ 1: it decreases at c = 0 for every density.
    c, p = sympy.symbols("c p", positive=True)
    half = p**2 / 6 - p**2 * c / 3 + (1 - p) * c**2 + (p * (1 - p) / 3 + 2 * p**2 / 3) * c**3 - p**2 * c**4 / 6
    for density, bias in product((0.01, 0.3, 1.0), (0.0, 0.2, 1.0)):
        loss = expected_loss(independent(2, 1, density), [[1.0, -1.0]], [bias, bias])
        assert loss == pytest.approx(float(2 * half.subs({c: bias, p: density})), abs=tolerance("law"))
    # At c = p²/6 it is lower by a polynomial without roots in (0, 1].
    gain = sympy.Poly(sympy.expand(p**2 / 6 - half.subs(c, p**2 / 6)), p)
    assert gain.count_roots(sympy.Rational(1, 10**6), 1) == 0
    assert gain.eval(sympy.Rational(1, 2)) > 0


def test_an_axis_is_no_minimum_of_two_equal_features() -> None:
    # J(σ, τ) < ℓ₀ for 0 < p < 1 at τ = p²/2, σ = 3/4 (p − 2τ), so that κ < ℓ₀: docs/boundary-forms.md.
    forms = internals("formulas.stability")
    p, τ = forms.p, forms.p**2 / 2
    form = forms.KAPPA.subs({forms.σ: sympy.Rational(3, 4) * (p - 2 * τ)}).subs({forms.τ: τ})
    gap = sympy.Poly(sympy.expand(forms.VARIANCE - form), p)
    assert gap.eval(1) == 0
    quotient = sympy.quo(gap, sympy.Poly(p * (1 - p), p))
    assert sympy.rem(gap, sympy.Poly(p * (1 - p), p)).is_zero
    assert quotient.count_roots(0, 1) == 0
    assert quotient.eval(0) > 0


@pytest.mark.parametrize("density", DENSITIES)
def test_the_search_agrees_with_the_census(density: float) -> None:
    found = one_axis(2, density, starts=100)
    assert found.loss == pytest.approx(global_minimum(independent(2, 1, density)).loss, abs=tolerance("law"))
    assert (found.status, found.stored) == ("converged", 2)


@pytest.mark.parametrize(
    ("density", "weights", "bias"),
    [
        ("1/10", ["1.0425", "0.3545", "-1.016"], ["-0.129", "0.026", "0.002"]),
        ("9/10", ["-0.9125", "0.3163", "0.3163"], ["0.329", "0.49", "0.49"]),
    ],
)
def test_three_features_on_an_axis_can_be_better_than_a_pair_and_a_dropped_one(
    density: str, weights: list[str], bias: list[str]
) -> None:
    p: Any = Fraction(density)
    model = independent(3, 1, p)
    upper = enclosure(model, [[Fraction(w) for w in weights]], [Fraction(b) for b in bias]).loss.upper
    pair = global_minimum(independent(2, 1, float(p))).loss
    assert float(upper) < pair + float(dropped(p)) - 1e-5


@pytest.mark.parametrize("density", DENSITIES)
def test_cost_by_feature_doesnt_decrease(density: float) -> None:
    costs = [one_axis(k, density, starts=300).loss / k for k in (1, 2, 3)]
    assert costs == sorted(costs)


def test_one_feature_costs_nothing() -> None:
    assert one_axis(1, 0.3, starts=50).loss == pytest.approx(0.0, abs=tolerance("law"))


@given(st.lists(st.floats(0, 1), min_size=2, max_size=4), st.integers(1, 3), st.data())
def test_distributions_are_the_best_of_all(costs: list[float], n_hidden: int, data: st.DataObject) -> None:
    n_features = data.draw(st.integers(0, n_hidden * (len(costs) - 1)))
    total, sizes = shared_axes(costs, n_features, n_hidden)
    options = [o for o in product(range(len(costs)), repeat=n_hidden) if sum(o) == n_features]
    assert total == pytest.approx(min(sum(costs[k] for k in option) for option in options))
    assert sum(sizes) == n_features
    assert total == pytest.approx(sum(costs[k] for k in sizes))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: one_axis(6, 0.5), "count must be an integer from 1 to 5, got 6"),
        (lambda: one_axis(2, 0.5, starts=0), "starts must be an integer of at least 1, got 0"),
        (lambda: shared_axes((0.0, 0.1), 3, 2), "2 axes with up to 1 features each can't hold n_features=3"),
    ],
)
def test_bad_input(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]


def test_weights_are_in_order() -> None:
    found = one_axis(3, 0.9, starts=200)
    assert found.weights[0] > 0
    assert (np.diff(np.abs(found.weights)) <= 0).all()
