"""Moments and bounds of one output of two features, against exact rational arithmetic."""

from __future__ import annotations

from fractions import Fraction
from functools import reduce
from importlib import import_module
from math import factorial
from typing import Any

import pytest
from flint import fmpq
from hypothesis import example, given
from hypothesis import strategies as st

from tegum.theory.proofs.floats import Chances, least_loss, shape_loss

# Behind the face: rounding against exact rationals, layer by layer.
pair_moments: Any = import_module("tegum.theory.proofs.floats.moments")
# Behind the face: the cost of a small overlap by itself.
small_overlap: Any = import_module("tegum.theory.proofs.cells.small_overlap")
GRID = Fraction(pair_moments.GRID)
# Integrals are sums of many terms: FLINT's rationals take a fraction of the time of Python's.
Point = tuple[fmpq, fmpq]
# A linear function c + a u + b v as (c, a, b).
Linear = tuple[fmpq, fmpq, fmpq]
ZERO, ONE = fmpq(0), fmpq(1)
NOTHING, U, V = (ZERO,) * 3, (ZERO, ONE, ZERO), (ZERO, ZERO, ONE)


def rational(number: Fraction) -> fmpq:
    return fmpq(number.numerator, number.denominator)


def fraction(number: fmpq) -> Fraction:
    return Fraction(int(number.p), int(number.q))


def at(form: Linear, point: Point) -> fmpq:
    return form[0] + form[1] * point[0] + form[2] * point[1]


def where_positive(z: Linear) -> list[Point]:
    """Return the polygon of the unit square on which a linear function is positive, with its boundary."""
    corners: list[Point] = [(ZERO, ZERO), (ONE, ZERO), (ONE, ONE), (ZERO, ONE)]
    if all(at(z, corner) <= 0 for corner in corners):
        return []
    kept: list[Point] = []
    for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
        z_a, z_b = at(z, a), at(z, b)
        if z_a >= 0:
            kept.append(a)
        if (z_a < 0) != (z_b < 0):
            share = z_a / (z_a - z_b)
            kept.append((a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])))
    return kept


def integral(polygon: list[Point], *forms: Linear) -> fmpq:
    """Return the integral of a product of linear functions, triangle by triangle in barycentric coordinates."""
    total = ZERO
    for k in range(1, len(polygon) - 1):
        a, b, c = polygon[0], polygon[k], polygon[k + 1]
        double = abs((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))
        powers: dict[tuple[int, ...], fmpq] = {(0, 0, 0): ONE}
        for form in forms:
            values, multiplied = [at(form, corner) for corner in (a, b, c)], dict[tuple[int, ...], fmpq]()
            for power, factor in powers.items():
                for place in range(3):
                    higher = tuple(p + (i == place) for i, p in enumerate(power))
                    multiplied[higher] = multiplied.get(higher, ZERO) + factor * values[place]
            powers = multiplied
        moments = (
            factor * reduce(lambda x, p: x * factorial(p), power, 1) / factorial(sum(power) + 2)
            for power, factor in powers.items()
        )
        total += double * sum(moments, ZERO)
    return total


# Of what the moments E[y], E[y²], E[x y], E[v y], E[x; on], E[x²; on], E[x v; on] are the means, where z > 0.
PRODUCTS = ("z", "zz", "xz", "vz", "x", "xx", "xv")


def exact_moments(
    s: Fraction, g: Fraction, beta: Fraction, law: tuple[Fraction, ...], products: tuple[str, ...] = PRODUCTS
) -> list[Fraction]:
    """Return moments by the sum over patterns."""
    none, one, both = map(rational, law)
    own, other, bias = map(rational, (s, g, beta))
    patterns = [(none, ZERO, ZERO), (one, own, ZERO), (one, ZERO, other), (both, own, other)]
    sums = [ZERO] * len(products)
    for number, (chance, *slopes) in enumerate(patterns):
        # An inactive feature is zero, whatever its place in the square.
        forms = {
            "z": (bias, slopes[0], slopes[1]),
            "x": U if number in (1, 3) else NOTHING,
            "v": V if number in (2, 3) else NOTHING,
        }
        area = where_positive(forms["z"])
        found = [integral(area, *(forms[name] for name in product)) for product in products]
        sums = [total + chance * mean for total, mean in zip(sums, found, strict=True)]
    return [fraction(total) for total in sums]


def exact_loss(s: Fraction, g: Fraction, beta: Fraction, law: tuple[Fraction, ...]) -> Fraction:
    squares, x_y = exact_moments(s, g, beta, law, ("zz", "xz"))
    return (law[1] + law[2]) / 3 - 2 * x_y + squares


def on_grid(low: float, high: float) -> st.SearchStrategy[Fraction]:
    """Multiples of the grid, the smallest and the coarse ones as likely as others."""
    fine = st.integers(int(low / GRID), int(high / GRID)).map(lambda k: k * GRID)
    coarse = st.integers(int(low * 8), int(high * 8)).map(lambda k: Fraction(k, 8))
    tiny = st.integers(-4 if low < 0 else 0, 4).map(lambda k: k * GRID)
    return st.one_of(fine, coarse, tiny)


laws = st.fractions(Fraction(1, 100), 1).map(lambda p: ((1 - p) ** 2, p * (1 - p), p * p))


def floats(*values: Fraction) -> list[float]:
    return [float(value) for value in values]


def chances(law: tuple[Fraction, ...]) -> Chances:
    return Chances(*floats(*law))


@given(on_grid(0, 3), on_grid(-3, 3), on_grid(-3, 2), laws)
@example(GRID, -GRID, Fraction(0), (Fraction(1, 4),) * 3)
@example(Fraction(1), Fraction(-1), Fraction(0), (Fraction(81, 100), Fraction(9, 100), Fraction(1, 100)))
@example(Fraction(2), GRID, -GRID, (Fraction(0), Fraction(0), Fraction(1)))
def test_moments_are_the_exact_ones_up_to_the_stated_rounding(
    s: Fraction, g: Fraction, beta: Fraction, law: tuple[Fraction, ...]
) -> None:
    bound = Fraction(pair_moments.rounding(*floats(s, g, beta)))
    computed = pair_moments.moments(*floats(s, g, beta), chances(law))
    for found, exact in zip(computed, exact_moments(s, g, beta, law), strict=True):
        assert abs(Fraction(found) - exact) <= bound
    loss, y, x_on = pair_moments.loss_and_slopes(*floats(s, g, beta), chances(law))
    assert abs(Fraction(loss) - exact_loss(s, g, beta, law)) <= bound
    assert (y, x_on) == (computed.y, computed.x)


@given(on_grid(0, 2), on_grid(-2, 2), on_grid(-2, 1), laws, on_grid(0, 1), on_grid(0, 1), on_grid(0, 1))
def test_moments_increase_in_slopes_and_bias(
    s: Fraction,
    g: Fraction,
    beta: Fraction,
    law: tuple[Fraction, ...],
    more_s: Fraction,
    more_g: Fraction,
    more_beta: Fraction,
) -> None:
    less = exact_moments(s, g, beta, law)
    more = exact_moments(s + more_s, g + more_g, beta + more_beta, law)
    assert all(a <= b for a, b in zip(less, more, strict=True))


@given(on_grid(0, 3), on_grid(-2, 2), laws, st.lists(on_grid(-6, 3), min_size=1, max_size=6))
def test_no_bias_costs_less_than_the_bound(
    s: Fraction, g: Fraction, law: tuple[Fraction, ...], biases: list[Fraction]
) -> None:
    lower, upper, best = least_loss(float(s), float(g), chances(law), 1e-7)
    assert 0 <= lower <= upper
    assert exact_loss(s, g, Fraction(best), law) <= Fraction(upper)
    for beta in biases:
        assert exact_loss(s, g, beta, law) >= Fraction(lower)


def test_the_bound_over_biases_is_as_close_as_asked() -> None:
    lower, upper, best = least_loss(1.0, -1.0, Chances(0.81, 0.09, 0.01), 1e-9)
    assert upper - lower < 2e-9
    assert 0 < best < 0.01


@given(on_grid(0, 8), on_grid(-12, 3), st.booleans())
def test_no_bias_beats_the_loss_by_shape(s: Fraction, beta: Fraction, optimal: bool) -> None:
    if optimal and s > 1:
        beta = s * (2 / (s + 1) - 1)
    if optimal and s <= 1:
        beta = (1 - s) / 2
    z = (rational(beta), rational(s), ZERO)
    area = where_positive(z)
    loss = Fraction(1, 3) + fraction(integral(area, z, z) - 2 * integral(area, U, z))
    bound = Fraction(shape_loss(float(s)))
    assert loss >= bound
    if optimal:
        assert loss - bound <= Fraction(2, 10**14)


@pytest.mark.parametrize("density", [Fraction(1, 20), Fraction(1, 2), Fraction(1)], ids=str)
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_small_overlap_costs_at_least_its_square(density: Fraction, sign: int) -> None:
    law = ((1 - density) ** 2, density * (1 - density), density**2)
    widest = sign * density / 8
    cost = Fraction(small_overlap.overlap_cost(float(Fraction(int(widest / GRID)) * GRID), chances(law)))
    assert cost > 0

    @given(st.fractions(Fraction(1, 1000), 1), st.fractions(-3, 3), st.fractions(-2, 2))
    def check(share: Fraction, sigma: Fraction, tau: Fraction) -> None:
        g = share * widest * Fraction(99, 100)
        s = 1 + sigma * abs(g)
        assert exact_loss(s, g, tau * abs(g), law) >= cost * g * g

    check()
