"""Densities as roots of polynomials, against the exact loss and against the search for minima."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sympy

from tegum.theory.boundaries import critical_penalty
from tegum.theory.formulas import FORMULAS, AlgebraicDensity, algebraic_densities
from tegum.theory.minima import Landscape, pack, smallest_curvature
from tests.support.internals import internals
from tests.support.laws import independent
from tests.support.tolerances import tolerance

# Behind the face: the elimination behind the records.
elimination = internals("formulas.elimination")
# Behind the face: symbols and derivations behind the records.
forms = internals("formulas.stability")
by_name = {formula.name: formula for formula in FORMULAS}
COUNT = 5


@pytest.fixture(scope="module")
def points() -> tuple[AlgebraicDensity, ...]:
    return algebraic_densities()


def pair_at(density: Fraction) -> dict[str, float]:
    point = by_name["antipodal-pair-optimum"].point(p=density)
    return {str(symbol): float(value) for symbol, value in point.items()}


def test_every_enclosure_holds_one_root(points: tuple[AlgebraicDensity, ...]) -> None:
    assert len(points) == COUNT
    for point in points:
        polynomial = sympy.Poly(point.polynomial, forms.p)
        ends = [polynomial.eval(sympy.Rational(x)) for x in (point.density.lower, point.density.upper)]
        assert ends[0] * ends[1] < 0
        assert 0 < point.density.width <= elimination.WIDTH


def test_the_written_polynomial_is_the_derived_one(points: tuple[AlgebraicDensity, ...]) -> None:
    assert sympy.expand(points[0].polynomial - forms.TRICRITICAL) == 0
    assert points[0].polynomial == points[1].polynomial


def test_the_symmetric_pair_loses_its_curvature(points: tuple[AlgebraicDensity, ...]) -> None:
    density = points[2].density.lower
    for factor, sign in ((1, 0), (Fraction(99, 100), 1), (Fraction(101, 100), -1)):
        v = pair_at(density * factor)
        theta = pack(v["s"] ** 0.5 * np.array([[1.0, -1.0]]), np.full(2, v["c"] * v["s"]))
        (lowest,), _ = smallest_curvature(Landscape(independent(2, 1, v["p"])).take((None,)), theta[None])
        assert lowest * sign > 0 if sign else abs(lowest) < tolerance("eigenvalue")


def test_triangle_and_digon_change_places(points: tuple[AlgebraicDensity, ...]) -> None:
    def gap(density: Fraction) -> float:
        losses = []
        for name, count in (("triangle-optimum", 3), ("antipodal-pair-optimum", 2)):
            v = {str(symbol): float(value) for symbol, value in by_name[name].point(p=density).items()}
            losses.append(count * (v["p"] / 3 - v["B"] ** 2 / (4 * v["A"])))
        return losses[0] - losses[1]

    onset = points[3].density.lower
    assert abs(gap(onset)) < tolerance("law")
    assert gap(onset - Fraction(1, 1000)) > 0 > gap(onset + Fraction(1, 1000))


def test_no_penalty_is_larger_than_the_largest(points: tuple[AlgebraicDensity, ...]) -> None:
    density = float(points[4].density.midpoint)
    around = critical_penalty(density + np.array([-0.01, 0.0, 0.01]), 1.0).penalty
    assert around[1] > max(around[0], around[2])
    assert around[1] == pytest.approx(0.03955215419944, abs=tolerance("law"))


def test_what_has_no_single_root_is_an_error() -> None:
    polynomial = elimination.eliminate(forms.s - forms.p**2, forms.s - 2, forms.s, [forms.p])
    found = elimination._root_between("√2", polynomial, Fraction(1), Fraction(2))
    assert found.density.lower**2 <= 2 <= found.density.upper**2
    assert sympy.expand(found.polynomial) in (forms.p**2 - 2, 2 - forms.p**2)
    with pytest.raises(ArithmeticError, match="nowhere: 0 changes of sign between 2 and 3"):
        elimination._root_between("nowhere", polynomial, Fraction(2), Fraction(3))


@pytest.mark.slow
def test_coexistence_has_degree_152() -> None:
    # A factor over the rational numbers would have to split in the same way modulo every prime.
    possible = set(range(154))
    for prime in (2_147_483_629, 2_147_483_549):
        sums = {0}
        for degree in elimination.coexistence_degrees(sympy.Rational(1, 4), prime):
            sums |= {total + degree for total in sums}
        possible &= sums
    assert possible == {0, 1, 152, 153}
