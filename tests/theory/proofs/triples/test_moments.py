"""Compiled moments of a row among three features against exact sums, with their stated error."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from flint import arb, ctx, fmpq
from hypothesis import given
from hypothesis import strategies as st

from tegum.theory.enclosures import Box
from tests.support.internals import internals
from tests.support.tolerances import tolerance

# Behind the face: moments against exact rationals.
moments = internals("proofs.triples.moments")

# Dyadic numbers with zeros, ties and opposites among them, and small ones.
NUMBERS = st.one_of(
    st.integers(-24, 24).map(lambda k: k / 8),
    st.integers(-4, 4).map(lambda k: k * 2.0**-20),
    st.integers(-(2**20), 2**20).map(lambda k: k * 2.0**-18),
)
DENSITIES = st.sampled_from([0.1, 0.5, 0.7, 1.0])


def exact(value: float) -> fmpq:
    fraction = Fraction(value)
    return fmpq(fraction.numerator, fraction.denominator)


def exact_moments(p: float, row: tuple[float, float, float], bias: float) -> list[Any]:
    """Return E[x_1 y], E[x_2 y], E[x_3 y], E[y] by the signed sum over corners, pattern by pattern."""
    found = [arb(0)] * 4
    density = exact(p)
    for on in product((False, True), repeat=3):
        active = tuple(j for j in range(3) if on[j])
        chance = density ** len(active) * (1 - density) ** (3 - len(active))
        box = Box.of_unit({j: exact(row[j]) for j in active}, exact(bias))
        wanted = [*((j,) for j in active), ()]
        for features, value in zip(wanted, box.moments([(features, 1) for features in wanted]), strict=True):
            found[features[0] if features else 3] += arb(chance) * value
    return found


@given(p=DENSITIES, s=NUMBERS, g=NUMBERS, h=NUMBERS, b=NUMBERS)
def test_errors_are_below_the_stated_bound(p: float, s: float, g: float, h: float, b: float) -> None:
    bar = moments.ROUNDING * (1 + abs(s) + abs(g) + abs(h) + abs(b))
    with ctx.workprec(400):
        expected = exact_moments(p, (s, g, h), b)
        found = moments.row_moments(p, s, g, h, b)
        for name, x, value in zip(("x_1", "x_2", "x_3", "1"), found, expected, strict=True):
            assert abs(arb(x) - value) < bar, name


@given(p=DENSITIES, s=NUMBERS, g=NUMBERS, h=NUMBERS, b=NUMBERS, d=st.integers(0, 3), step=st.integers(0, 2**16))
def test_moments_with_nonnegative_inputs_increase_in_every_number(
    p: float, s: float, g: float, h: float, b: float, d: int, step: int
) -> None:
    here = np.array([s, g, h, b])
    there = here.copy()
    there[d] += step * 2.0**-14
    slack = moments.ROUNDING * (2 + np.abs(here).sum() + np.abs(there).sum())
    low, high = (np.array(moments.row_moments(p, *point)) for point in (here, there))
    assert (high >= low - slack).all()


@pytest.mark.parametrize("p", [0.2, 0.7, 1.0])
def test_a_row_of_its_own_is_reproduced(p: float) -> None:
    assert abs(moments.output_loss(p, 1.0, 0.0, 0.0, 0.0)) < tolerance("rounding")
    # Nothing stored: E[x²] − 2 β E[x] + β².
    assert abs(moments.output_loss(p, 0.0, 0.0, 0.0, 0.25) - (p / 3 - p / 4 + 1 / 16)) < tolerance("rounding")
