"""Proven bounds of the critical penalty, against its computed value; the bounds that they rest on."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from tegum.theory import expected_loss
from tegum.theory.boundaries import critical_penalty
from tegum.theory.proofs.cells import DiagramCell, certified_cells, penalty_bounds
from tests.support.internals import internals
from tests.support.laws import independent
from tests.support.tolerances import tolerance

POINTS = [(0.15, 0.5), (0.3, 0.6), (0.6, 0.9), (0.5, 0.2), (0.8, 1.05)]
WIDEST = 0.05
# Exact for quadratic polynomials.
NODES, SHARES = np.polynomial.legendre.leggauss(2)


@pytest.mark.parametrize(("density", "importance"), POINTS)
def test_they_hold_the_critical_penalty(density: float, importance: float) -> None:
    bounds = penalty_bounds(density, importance)
    λ = float(critical_penalty(density, importance).penalty)
    ceiling = min(1.0, importance) * (density / 3 - density**2 / 4)
    assert bounds.lower <= λ * (1 + tolerance("law"))
    assert λ <= bounds.upper <= ceiling * (1 + tolerance("law"))
    assert bounds.upper - bounds.lower < WIDEST * ceiling
    assert bounds.upper_by == "search"


def test_where_nothing_is_stored_both_are_zero() -> None:
    bounds = penalty_bounds(0.5, 0.2)
    assert (bounds.lower, bounds.upper, bounds.lower_by) == (0.0, 0.0, "zero")


def test_a_density_outside_the_range() -> None:
    with pytest.raises(ValueError, match=r"density must be within \[0.01, 1\], got 0.001"):
        penalty_bounds(0.001, 0.5)


weights, densities = st.floats(-2, 2), st.floats(0.01, 1)


@given(weights, weights, st.floats(-1, 1), st.floats(-1, 1), densities, st.floats(0.01, 1))
def test_above_the_closed_bound_no_state_beats_an_axis(
    w1: float, w2: float, b1: float, b2: float, p: float, r: float
) -> None:
    """The theorem of docs/open-problems.md: with λ = r ℓ₀ nothing costs less than r ℓ₀."""
    dropped = r * (p / 3 - p**2 / 4)
    model = independent(2, 1, p, (1.0, r))
    assert expected_loss(model, [[w1, w2]], [b1, b2]) + 2 * dropped * w1**2 * w2**2 >= dropped - tolerance("law")


@settings(deadline=None)
@given(st.floats(0.01, 1.2), st.floats(0.01, 1.0), densities)
def test_the_spread_is_the_least_over_the_offset(overlap: float, aim: float, p: float) -> None:
    # Behind the face: the bound of one rival.
    least = internals("proofs.cells.columns").spread(overlap, aim, p)

    def mean_square(offset: float) -> float:
        # Gauss quadrature on the part of the inputs that doesn't clip.
        end = min(offset / overlap, 1.0)
        errors = offset - overlap * end * (NODES + 1) / 2 - aim
        on = end / 2 * float(SHARES @ errors**2) + (1 - end) * aim**2
        return (1 - p) * (offset - aim) ** 2 + p * on

    best = minimize_scalar(mean_square, bounds=(aim, aim + overlap), method="bounded", options={"xatol": 1e-10})
    assert least == pytest.approx(best.fun, rel=tolerance("difference"), abs=tolerance("law"))
    assert least <= best.fun


@settings(deadline=None)
@given(st.floats(0.01, 0.99), st.floats(0.01, 1.2), densities)
def test_the_bound_of_a_clipped_output(h: float, overlap: float, p: float) -> None:
    # Behind the face: one output by itself against a search.
    cost, _ = internals("boundaries.pair_costs").best_bias(np.array(h), np.array(overlap), p)
    dropped = p / 3 - p**2 / 4
    # Behind the face: the bound of one rival.
    bound = dropped * (1 - h) ** 2 + internals("proofs.cells.columns").spread(overlap, p * (1 - h) / 2, p)
    assert bound <= cost + tolerance("law")


@pytest.mark.slow
def test_no_pair_withstands_a_penalty_above() -> None:
    """The certified bound of the largest critical penalty in docs/open-problems.md."""
    near, penalty, claimed, least_density = 0.998, 0.0401, 0.0409, 0.13
    cells = [
        DiagramCell(density, (near - 1e-6, near), (penalty, penalty))
        for density in pairwise(np.geomspace(least_density, 1, 61).tolist())
    ]
    proofs, _ = certified_cells(cells, divisions=4)
    assert {proof.phase for proof in proofs} == {"axis(1) + drop(2)"}
    assert penalty + (2 + 2**0.5) * (1 - near) / 9 < claimed
    assert least_density / 3 - least_density**2 / 4 < claimed
    assert penalty_bounds(0.2672991012, 1.0).lower > 0.0395521
