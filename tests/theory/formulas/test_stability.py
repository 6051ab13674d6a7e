"""Closed forms of boundaries beyond what the generic test of records says of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy
from numpy.typing import NDArray
from scipy.optimize import minimize

from tegum.theory import ToyModel, derive_loss, local_minima
from tegum.theory.boundaries import critical_penalty
from tegum.theory.formulas import FORMULAS
from tests.support.internals import internals
from tests.support.laws import independent
from tests.support.tolerances import tolerance

# Behind the face: symbols and derivations behind the records.
forms = internals("formulas.stability")
by_name = {formula.name: formula for formula in FORMULAS}
p = forms.p


def region_of(outputs: Any, feature: int, *positive: set[int]) -> Any:
    """Return the derived loss of an output where exactly these corners are positive."""
    wanted = frozenset(map(frozenset, positive))
    (region,) = (region for region in outputs[feature].regions if region.positive_corners == wanted)
    return region.expression


@pytest.mark.parametrize(
    ("written", "positive"),
    [
        # Column 1 is the bias and the output's own feature, column 2 the same with the other feature at 1.
        ("stored_output_loss", ({*()}, {0}, {0, 1})),
        ("silenced_output_loss", ({*()}, {0})),
    ],
)
def test_output_losses_are_those_of_the_derivation(written: str, positive: tuple[set[int], ...]) -> None:
    formula = derive_loss(2, 1)
    w1, w2, b1, *_ = formula.symbols
    derived = region_of(formula.outputs, 0, *positive)
    mine = getattr(forms, written)(w1**2, -w1 * w2, b1)
    assert sympy.cancel(sympy.together(derived - mine)) == 0


def test_the_form_of_second_order_and_its_minimum_come_out_of_the_loss() -> None:
    slope, offset = forms.σ, forms.τ
    form = forms.second_order(slope, offset)
    assert sympy.expand(form - forms.KAPPA) == 0
    # Its derivatives vanish at the definitions of σ and τ.
    values = {d.symbol: d.expression for d in forms.ANTIPODAL[:3]}
    σ = values[slope].subs(offset, values[offset]).subs(forms.D, values[forms.D])
    τ = values[offset].subs(forms.D, values[forms.D])
    for symbol in (slope, offset):
        assert sympy.simplify(sympy.diff(form, symbol).subs({slope: σ, offset: τ})) == 0


def test_the_cubic_term_comes_out_of_the_loss() -> None:
    γ, σ, τ, r, λ = forms.γ, forms.σ, forms.τ, forms.r, forms.λ
    own = forms.stored_output_loss(1 + σ * γ, γ, τ * γ)
    other = r * forms.VARIANCE * ((1 - γ**2 / (1 + σ * γ)) ** 2 + γ**2)
    loss = sympy.series(sympy.together(own + other + 2 * λ * γ**2), γ, 0, 4).removeO()
    assert sympy.simplify(sympy.expand(loss).coeff(γ, 3) - forms.CUBIC) == 0


@pytest.mark.parametrize("density", [0.1, 0.4, 0.7, 0.95])
def test_the_storage_cost_is_the_minimum_of_the_form(density: float) -> None:
    form = sympy.lambdify((forms.σ, forms.τ), forms.KAPPA.subs(p, density))

    def cost(at: NDArray[np.float64]) -> float:
        # Where a bias would be negative the form is another one: there is nothing lower there.
        return float(form(at[0], at[1])) if at[1] >= 0 else 1.0

    best = minimize(cost, np.array([0.1, 0.1]), method="Nelder-Mead", tol=1e-12)
    # Behind the face: the cost of a pair by itself.
    assert internals("boundaries.pair_penalty").storage_cost(density) == pytest.approx(best.fun, abs=tolerance("law"))


@pytest.mark.parametrize(("density", "penalty"), [(0.3, 0.0), (0.6, 0.0), (0.6, 0.005), (0.9, 0.002)])
def test_the_dropped_feature_is_a_minimum_below_its_limit_only(density: float, penalty: float) -> None:
    limit = float(by_name["dropped-feature-limit"].point(p=density, m=1, **{"lambda": penalty})[forms.r])
    for factor, stays in ((0.99, True), (1.01, False)):
        model = ToyModel(2, 1, independent(2, 1, density).features, (1.0, factor * limit), penalty)
        assert ("axis(1) + drop(2)" in {point.phase for point in local_minima(model)}) == stays


@pytest.mark.parametrize(
    ("density", "jumps"), [(0.513, True), (0.518, True), (0.5203, False), (0.836, False), (0.838, True)]
)
def test_the_transition_jumps_where_the_cubic_term_is_negative(density: float, jumps: bool) -> None:
    cubic = by_name["weak-storage-cubic"]
    limit = float(by_name["dropped-feature-limit"].point(p=density, m=1, **{"lambda": 0})[forms.r])
    assert (cubic.value(cubic.point(p=density, r=limit, **{"lambda": 0})) < 0) == jumps
    # An overlap of a few thousandths or less pays before the limit of stability.
    found = critical_penalty(density, limit)
    assert (str(found.status) == "first order") == jumps
    assert -0.003 < found.overlap <= 0


def test_records_of_special_points_have_their_numbers() -> None:
    lower, upper = (by_name[f"tricritical-{end}"].random_point(np.random.default_rng(0)) for end in ("lower", "upper"))
    assert [round(float(x), 10) for x in (lower[p], lower[forms.r])] == [0.5202477368, 0.5740419074]
    assert [round(float(x), 10) for x in (upper[p], upper[forms.r])] == [0.8373195801, 0.8964406084]
