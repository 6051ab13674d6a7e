"""Bounds on rounding by counting operations: against exact sums."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from tegum.theory.numerics import UNIT, gamma


def test_gamma_bounds_products_of_roundings() -> None:
    for steps in (1, 7, 1000):
        for sign in (1, -1):
            # All roundings at their worst, and all on one side; divisions lose the most.
            worst = (1 - Fraction(UNIT)) ** -steps if sign > 0 else (1 + Fraction(UNIT)) ** -steps
            assert abs(worst - 1) <= Fraction(float(gamma(steps)))


@pytest.mark.parametrize("count", [3, 100, 4096])
def test_gamma_bounds_sums_of_products_in_any_order(count: int) -> None:
    rng = np.random.default_rng(count)
    a, b = rng.normal(size=(2, count))
    exact = sum((Fraction(float(x)) * Fraction(float(y)) for x, y in zip(a, b, strict=True)), Fraction(0))
    size = float(np.abs(a) @ np.abs(b))
    running = 0.0
    for x, y in zip(a.tolist(), b.tolist(), strict=True):
        running += x * y
    for found in (float(a @ b), float((a * b).sum()), float(a[::-1] @ b[::-1]), running):
        assert abs(float(Fraction(found) - exact)) <= float(gamma(count)) * size


def test_too_many_operations_leave_nothing() -> None:
    assert gamma(np.array([1.0, 1e16])).tolist() == [UNIT / (1 - UNIT), np.inf]
