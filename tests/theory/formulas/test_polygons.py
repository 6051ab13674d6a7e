"""Polygons and other rigid shapes: polynomials derived by machine, optima with one feature on, sums of overlaps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy
from scipy.integrate import quad
from scipy.optimize import minimize_scalar

from tegum.theory.formulas import FORMULAS
from tegum.theory.packing import packed
from tests.support.internals import internals
from tests.support.tolerances import tolerance

# Behind the face: polynomials before they become formulas; families of solids behind their names.
rigid_shapes, solids = internals("derivation.rigid_shapes"), internals("polytopes.solids")
shapes, closed_forms, polygons = (
    # Behind the face: symbols behind the records.
    internals("formulas.shapes"),
    # Behind the face: symbols behind the records.
    internals("formulas.pairs"),
    # Behind the face: symbols behind the records.
    internals("formulas.polygons"),
)
by_name = {formula.name: formula for formula in FORMULAS}
c, p = rigid_shapes.RELATIVE_BIAS, rigid_shapes.DENSITY
NEAR, ACROSS = (sympy.sqrt(5) - 1) / 4, -(sympy.sqrt(5) + 1) / 4
half, third = sympy.Rational(1, 2), sympy.Rational(1, 3)


@pytest.mark.parametrize(
    ("overlaps", "low", "high", "A", "B"),
    [
        ([-1], 0, 1, closed_forms.PAIR_A, closed_forms.PAIR_B),
        ([-1, 0, 0], 0, 1, closed_forms.PAIR_A, closed_forms.PAIR_B),
        ([1], -1, 0, closed_forms.MERGED_A, closed_forms.MERGED_B),
        ([-half] * 2, 0, half, shapes.TRIANGLE_A, shapes.TRIANGLE_B),
        ([-third] * 3, 0, third, shapes.TETRAHEDRON_A, shapes.TETRAHEDRON_B),
        ([NEAR, NEAR, ACROSS, ACROSS], polygons.PENTAGON_LOW, 0, polygons.PENTAGON_A, polygons.PENTAGON_B),
    ],
    ids=["pair", "square", "merged", "triangle", "tetrahedron", "pentagon"],
)
def test_polynomials_are_what_the_machine_derives(overlaps: Any, low: Any, high: Any, A: Any, B: Any) -> None:
    derived = rigid_shapes.shape_polynomials(overlaps, low, high)
    assert [sympy.expand(mine - theirs) for mine, theirs in zip(derived, (A, B), strict=True)] == [0, 0]


def test_a_corner_that_changes_sign_is_an_error() -> None:
    with pytest.raises(ValueError, match="changes sign for c between 0 and 2"):
        rigid_shapes.shape_polynomials([-1], 0, 2)


@pytest.mark.parametrize("density", ["1/10", "1/5", "3/10"])
def test_the_best_pentagon_is_the_packed_one(density: str) -> None:
    v = {str(symbol): float(value) for symbol, value in by_name["pentagon-optimum"].point(p=density).items()}
    one = packed("pentagon", v["p"])
    assert 5 * (v["p"] / 3 - v["B"] ** 2 / (4 * v["A"])) == pytest.approx(one.loss, abs=tolerance("loss"))
    assert (v["s"], v["c"] * v["s"]) == pytest.approx((one.scale, one.bias), abs=1e-7)


def test_the_pentagon_leaves_its_range_where_the_record_says() -> None:
    low = float(polygons.PENTAGON_LOW)
    inside = [packed("pentagon", density) for density in (0.0512, 0.3430)]
    outside = [packed("pentagon", density) for density in (0.0510, 0.3432)]
    assert all(low < one.bias / one.scale < 0 for one in inside)
    assert outside[0].bias / outside[0].scale < low
    assert outside[1].bias > 0


def polygon_loss(k: int, scale: float, bias: float) -> float:
    """Return E(x_1 − x'_1)² k times, one of k features on, by quadrature."""
    overlaps = scale * np.cos(2 * np.pi * np.arange(k) / k)

    def error(u: float) -> float:
        outputs = np.maximum(overlaps * u + bias, 0)
        outputs[0] -= u
        return float(outputs @ outputs)

    kinks = [float(-bias / a) for a in overlaps if abs(a) > 1e-9 and 0 < -bias / a < 1]
    return float(quad(error, 0, 1, points=sorted(set(kinks)) or None, epsabs=1e-13)[0])


@pytest.mark.parametrize(("k", "neighbours"), [(5, 1), (7, 1), (11, 1), (12, 2), (17, 2), (18, 3)])
def test_the_best_polygon_is_found_by_quadrature_too(k: int, neighbours: int) -> None:
    point = by_name["polygon-optimum"].point(k=k, h=neighbours)
    v = {str(symbol): float(value) for symbol, value in point.items()}
    closed = 1 / 3 - v["B"] ** 2 / (4 * v["A"])
    assert polygon_loss(k, v["s"], v["c"] * v["s"]) == pytest.approx(closed, abs=tolerance("loss"))

    def best_scale(relative: float) -> float:
        # The loss is a parabola in s: three values have it.
        none, one, two = (polygon_loss(k, s, relative * s) for s in (1e-9, 1.0, 2.0))
        curvature, slope = (two - 2 * one + none) / 2, one - none
        return none - (slope - curvature) ** 2 / (4 * curvature)

    near = [best_scale(relative) for relative in np.linspace(-0.95, 0, 39)]
    assert min(near) >= closed - 1e-9
    found = minimize_scalar(best_scale, bounds=(v["c"] - 0.02, v["c"] + 0.02), method="bounded")
    assert found.fun == pytest.approx(closed, abs=1e-8)


def test_the_decagon_has_golden_numbers() -> None:
    overlap, best = (1 + sympy.sqrt(5)) / 4, (1 - sympy.sqrt(5)) / 2
    A = (1 + c) ** 3 / 3 + 2 * (overlap + c) ** 3 / (3 * overlap)
    B = polygons.POLYGON_B
    slopes = [sympy.diff(polynomial, c) for polynomial in (A, B)]
    A, B, in_a, in_b = (sympy.radsimp(sympy.expand(one.subs(c, best))) for one in (A, B, *slopes))
    assert sympy.expand(2 * A * in_b - in_a * B) == 0
    assert sympy.expand(B - 2 * A * (3 + sympy.sqrt(5)) / 2) == 0
    assert sympy.expand(4 * A * (third - sympy.Rational(1, 6)) - B**2) == 0


@pytest.mark.parametrize("k", range(3, 13))
def test_interference_is_that_of_the_polytope(k: int) -> None:
    formula = by_name["polygon-interference"]
    whole = solids.polygon(k).interference
    assert k * formula.value(formula.point(k=k)) == pytest.approx(whole, abs=tolerance("law"))
