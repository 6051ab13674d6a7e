"""Compiled moments of the check against exact ones, with their stated error; and against the search's."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
from flint import fmpq
from hypothesis import given
from hypothesis import strategies as st

from tests.support.internals import internals

# Behind the face: moments of one output.
recurrence = internals("proofs.checks.recurrence")
# Behind the face: moments to compare with.
exact_moments = internals("proofs.checks.exact_moments")
# Behind the face: moments of the search, by another formula.
searched = internals("proofs.triples.moments")

# Any float64 number of moderate size; zeros, ties, opposites and tiny ones among them.
NUMBERS = st.one_of(
    st.integers(-24, 24).map(lambda k: k / 8),
    st.floats(-5, 5, allow_subnormal=False),
    st.integers(-4, 4).map(lambda k: k * 2.0**-40),
)
DENSITIES = st.sampled_from([Fraction(1, 10), Fraction(1, 2), Fraction(7, 10), Fraction(999, 1000), Fraction(1)])


def exact(value: float) -> fmpq:
    return fmpq(*Fraction(value).as_integer_ratio())


def exact_values(p: Fraction, row: tuple[float, ...], bias: float) -> tuple[Any, Any]:
    """Return E[x_1 y] and E[y], pattern by pattern."""
    moments, own, mean = exact_moments.ExactMoments(1), fmpq(0), fmpq(0)
    density = fmpq(p.numerator, p.denominator)
    for on in product((False, True), repeat=3):
        slopes = [exact(row[j]) for j in range(3) if on[j]]
        chance = density ** len(slopes) * (1 - density) ** (3 - len(slopes))
        mean += chance * moments.moment(exact(bias), slopes, [0] * len(slopes))
        if on[0]:
            own += chance * moments.moment(exact(bias), slopes, [1] + [0] * (len(slopes) - 1))
    return own, mean


@given(DENSITIES, NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_errors_are_below_the_stated_bound(p: Fraction, s: float, g: float, h: float, b: float) -> None:
    own, mean = exact_values(p, (s, g, h), b)
    bar = exact(recurrence.ROUNDING) * sum((exact(abs(x)) for x in (s, g, h, b)), fmpq(0))
    assert abs(exact(recurrence.own_product(float(p), s, g, h, b)) - own) <= bar
    assert abs(exact(recurrence.mean_output(float(p), s, g, h, b)) - mean) <= bar


@given(DENSITIES, NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_the_search_finds_the_same_by_another_formula(p: Fraction, s: float, g: float, h: float, b: float) -> None:
    size = 1 + abs(s) + abs(g) + abs(h) + abs(b)
    own, *_, mean = searched.row_moments(float(p), s, g, h, b)
    bar = 2 * searched.ROUNDING * size
    np.testing.assert_allclose(recurrence.own_product(float(p), s, g, h, b), own, rtol=0, atol=bar)
    np.testing.assert_allclose(recurrence.mean_output(float(p), s, g, h, b), mean, rtol=0, atol=bar)
