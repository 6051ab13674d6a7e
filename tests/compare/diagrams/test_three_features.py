"""Three features in two dimensions: minima, labels and boundaries, against the two-feature model by additivity."""

from __future__ import annotations

import numpy as np
import pytest

from tegum.theory import CriticalPoint, diagram_model, local_minima
from tegum.theory.boundaries import BoundaryCurve, phase_boundaries
from tegum.theory.geometry import representative
from tegum.theory.minima import census, diagram_minima

LOSS_DIGITS = 1e-12
RESIDUAL_BAR = 1e-10
STARTS = 256

# Density and relative importance, with the phases that are minima there, up to exchanges of features 1 and 2.
PLACES = {
    "sparse, equal": (0.3, 1.0, {"digon(1,2) + axis(3)", "axis(1) + digon(2,3)", "triangle(1,2,3)"}),
    "triangle": (0.7, 1.0, {"triangle(1,2,3)", "cluster(1,2,3)"}),
    "third feature unimportant": (
        0.3,
        0.3,
        {"axis(1) + digon(2,3)", "axis(1) + axis(2) + drop(3)", "digon(1,2) + axis(3)"},
    ),
    "third feature dropped": (0.6, 0.5, {"axis(1) + axis(2) + drop(3)"}),
    "third feature important": (0.8, 2.0, {"digon(1,2) + axis(3)", "merged(1,2) + axis(3)"}),
}
EQUAL = [(0.55, 0.9), (0.6, 1.0), (0.75, 1.1), (0.9, 1.0)]


def live(density: float, ratio: float, starts: int = STARTS) -> tuple[CriticalPoint, ...]:
    model = diagram_model(3, 2, np.array([density]), np.array([ratio]))
    return tuple(point for point in census(model, starts=starts)[0] if not point.dead)


def pair_loss(density: float, ratio: float, phase: str) -> float:
    """Return the least loss of two features, of importance 1 and `ratio`, that share a dimension."""
    return min(p.loss for p in local_minima(diagram_model(2, 1, density, ratio)) if p.phase == phase)


@pytest.mark.parametrize("name", PLACES)
def test_the_minima_are_those_of_the_map(name: str) -> None:
    density, ratio, expected = PLACES[name]
    # The sparse triangle's basin is so small that it takes the default number of starts to meet it.
    points = live(density, ratio, starts=1024 if name.startswith("sparse") else STARTS)
    assert {representative([point.phase], 2)[0] for point in points} == expected
    assert all(point.status == "minimum" and point.gradient_norm <= 1e-12 for point in points)


@pytest.mark.parametrize("name", ["sparse, equal", "third feature unimportant", "third feature important"])
def test_an_axis_beside_a_pair_costs_what_the_pair_costs(name: str) -> None:
    density, ratio, _ = PLACES[name]
    losses = {representative([p.phase], 2)[0]: p.loss for p in reversed(live(density, ratio))}
    assert abs(losses["digon(1,2) + axis(3)"] - pair_loss(density, 1.0, "digon(1,2)")) < LOSS_DIGITS
    if "axis(1) + digon(2,3)" in losses:
        assert abs(losses["axis(1) + digon(2,3)"] - pair_loss(density, ratio, "digon(1,2)")) < LOSS_DIGITS


def test_copies_of_one_minimum_have_one_curvature() -> None:
    points = [p for p in live(0.3, 1.0) if "digon" in p.phase]
    assert sorted(p.phase for p in points) == ["axis(1) + digon(2,3)", "digon(1,2) + axis(3)", "digon(1,3) + axis(2)"]
    curvatures = [p.curvature for p in points]
    np.testing.assert_allclose(curvatures, curvatures[0], rtol=5e-3)


@pytest.mark.parametrize(("density", "ratio"), EQUAL)
def test_the_optimum_around_equal_importance_is_a_triangle(density: float, ratio: float) -> None:
    best = live(density, ratio)[0]
    assert best.phase == "triangle(1,2,3)"
    p, pair = density, density**2 / 6
    dropped = p / 3 - p**2 / 4
    published = min(2 * pair, (1 + ratio) * pair, ratio * dropped, dropped)
    assert best.loss < published
    if ratio == 1.0:
        gram = best.weights.T @ best.weights
        np.testing.assert_allclose(gram, gram[0, 0] * (1.5 * np.eye(3) - 0.5), atol=1e-10)


# --- Boundaries --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def curves() -> tuple[BoundaryCurve, ...]:
    """Return the curves around the triangle's border with both digons, at sparse to moderate density."""
    return phase_boundaries(diagram_minima([0.47, 0.5, 0.54], [0.92, 1.0, 1.08], n_features=3, n_hidden=2, starts=16))


def test_curves_solve_their_equations(curves: tuple[BoundaryCurve, ...]) -> None:
    assert curves
    assert max(curve.residual.max() for curve in curves) <= RESIDUAL_BAR


def test_both_digons_cost_the_same_at_equal_importance(curves: tuple[BoundaryCurve, ...]) -> None:
    phases = ("axis(1) + digon(2,3)", "digon(1,2) + axis(3)")
    (curve,) = [c for c in curves if c.kind == "coexistence" and c.phases == phases]
    np.testing.assert_allclose(curve.importance, 1.0, rtol=1e-9)
    assert curve.cheapest.any()


@pytest.mark.parametrize("digon", ["axis(1) + digon(2,3)", "digon(1,2) + axis(3)"])
def test_the_triangle_costs_what_a_digon_costs_on_their_curve(digon: str, curves: tuple[BoundaryCurve, ...]) -> None:
    (curve,) = [c for c in curves if c.kind == "coexistence" and c.phases == (digon, "triangle(1,2,3)")]
    for k in (len(curve.density) // 4, len(curve.density) // 2):
        density, ratio = float(curve.density[k]), float(curve.importance[k])
        losses = {representative([p.phase], 2)[0]: p.loss for p in reversed(live(density, ratio))}
        assert abs(losses[digon] - losses["triangle(1,2,3)"]) < 1e-9
