"""Sums and products with what rounding took from them, against exact rationals."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from array_api_compat import array_namespace

from tegum.theory.numerics import SPLITTER, precise_gram, split, splitter, two_product, two_sum
from tests.support.oracles import exact_gram

rng = np.random.default_rng(0)
PAIRS = [tuple(map(float, pair)) for pair in rng.normal(size=(60, 2)) * 10.0 ** rng.integers(-40, 40, size=(60, 2))]


@pytest.mark.parametrize(("a", "b"), [*PAIRS, (1.0, -1.0), (0.0, 3.0), (1e308, 1.0), (2.0**-500, 2.0**500)])
def test_nothing_is_lost(a: float, b: float) -> None:
    assert sum(map(Fraction, two_sum(a, b))) == Fraction(a) + Fraction(b)
    if max(abs(a), abs(b)) < 1e290:
        assert sum(map(Fraction, two_product(a, b, SPLITTER))) == Fraction(a) * Fraction(b)
        high, low = split(a, SPLITTER)
        assert Fraction(high) + Fraction(low) == Fraction(a)
        # Halves have products without rounding.
        assert Fraction(high * high) == Fraction(high) ** 2


@pytest.mark.parametrize(
    ("number", "digits"),
    [(np.zeros(1), 53), (np.zeros(1, dtype=np.float32), 24), (torch.zeros((), dtype=torch.float32), 24)],
    ids=["float64", "float32", "torch's float32"],
)
def test_numbers_are_split_in_halves_whatever_their_type(number: Any, digits: int) -> None:
    assert splitter(array_namespace(number), number.dtype) == 2 ** ((digits + 1) // 2) + 1


def test_float64_has_a_splitter_by_itself() -> None:
    assert splitter(np, np.float64) == SPLITTER


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_overlaps_have_twice_the_digits(dtype: type) -> None:
    unit = Fraction(float(np.finfo(dtype).eps) / 2)
    W: Any = (rng.normal(size=(20, 5, 4)) * 10.0 ** rng.integers(-3, 3, size=(20, 5, 4))).astype(dtype)
    # Columns that are almost at right angles.
    W[:, :, 1] -= W[:, :, 0] * ((W[:, :, 0] * W[:, :, 1]).sum(-1) / (W[:, :, 0] ** 2).sum(-1))[:, None]
    gram, short = precise_gram(W)
    assert gram.dtype == dtype
    for w, high, low in zip(W, gram, short, strict=True):
        for i, row in enumerate(exact_gram(w)):
            for j, exact in enumerate(row):
                size = sum(abs(Fraction(float(a)) * Fraction(float(b))) for a, b in zip(w[:, i], w[:, j], strict=True))
                assert abs(Fraction(float(high[i, j])) + Fraction(float(low[i, j])) - exact) <= 36 * unit**2 * size
                # The first alone is right to its last digit, cancelled or not.
                assert abs(Fraction(float(high[i, j])) - exact) <= unit * abs(exact) + 36 * unit**2 * size


def test_torch_agrees_with_numpy() -> None:
    W = rng.normal(size=(2, 3, 4))
    for ours, theirs in zip(precise_gram(W), precise_gram(torch.from_numpy(W)), strict=True):
        np.testing.assert_array_equal(ours, theirs.numpy())
