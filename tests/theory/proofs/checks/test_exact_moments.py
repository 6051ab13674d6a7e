"""Exact moments against the signed sum over corners in ball arithmetic, which is another formula."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from flint import ctx, fmpq
from hypothesis import given
from hypothesis import strategies as st

from tegum.theory.enclosures import Box
from tests.support.internals import internals

# Behind the face: exact moments by themselves.
exact_moments = internals("proofs.checks.exact_moments")

# Zeros, ties and opposites among them.
NUMBERS = st.sampled_from([0, 0, 1, -1, 2]) | st.fractions(-2, 2, max_denominator=12)


def exact(value: Any) -> fmpq:
    return fmpq(*Fraction(value).as_integer_ratio())


@given(NUMBERS, st.lists(st.tuples(NUMBERS, st.integers(0, 2)), max_size=3), st.sampled_from([0, 1]))
def test_moments_are_those_of_the_signed_sum(offset: Any, inputs: list[tuple[Any, int]], order: int) -> None:
    slopes, powers = [exact(slope) for slope, _ in inputs], [power for _, power in inputs]
    found = exact_moments.ExactMoments(order).moment(exact(offset), slopes, powers)
    features = tuple(j for j, power in enumerate(powers) for _ in range(power))
    with ctx.workprec(300):
        box = Box.of_unit(dict(enumerate(slopes)), exact(offset))
        (ball,) = box.moments([(features, order)])
        assert ball.rad() < 2.0**-100
    # A third is a ball itself, which is to be narrower than what it is looked for in.
    with ctx.workprec(600):
        assert ball.contains(found)


def test_a_moment_by_hand() -> None:
    # z = u − 1/2: E[u; z > 0] = 3/8, E[u max(z, 0)] = ∫ u (u − 1/2) from 1/2 to 1.
    half = fmpq(1, 2)
    assert exact_moments.ExactMoments(0).moment(-half, [fmpq(1)], [1]) == fmpq(3, 8)
    assert exact_moments.ExactMoments(1).moment(-half, [fmpq(1)], [1]) == fmpq(5, 48)


@pytest.mark.parametrize("at_zero", [0, 1])
def test_what_counts_as_on_matters_where_nothing_moves(at_zero: int) -> None:
    moments = exact_moments.ExactMoments(0, at_zero)
    assert moments.moment(fmpq(0), [], []) == at_zero
    assert moments.moment(fmpq(0), [fmpq(0)], [1]) == fmpq(at_zero, 2)
    # A point of a line has no length.
    assert moments.moment(fmpq(0), [fmpq(1)], [0]) == 1
    assert moments.moment(fmpq(-1), [fmpq(1)], [0]) == 0
