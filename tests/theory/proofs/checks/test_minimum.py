"""Exact losses, slopes and Hessians over boxes, against other engines, and what they prove."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from flint import fmpq

from tegum.theory import ToyModel, diagram_model, enclosure, loss_hessian
from tegum.theory.numerics import FloatArray, Range, as_fraction
from tests.support.internals import internals
from tests.support.tolerances import tolerance

# Behind the face: exact losses, slopes and curvatures by themselves.
minimum = internals("proofs.checks.minimum")

SEEDS = range(3)
# Two minima at density 0.7 and equal importances.
TRIANGLE = ([[0.879758775, -0.439879387, -0.439879387], [0.0, 0.761893448, -0.761893448]], [0.322530731] * 3)
CLUSTER = (
    [[0.840987100, 0.391820291, -0.537080660], [0.0, 0.834357659, 0.647150421]],
    [0.121031632, -0.199636257, 0.121031632],
)
KEPT = [0, 1, 2, 4, 5, 6, 7, 8]


def exact(value: Any) -> fmpq:
    return fmpq(*Fraction(value).as_integer_ratio())


def asked(p: float, r: float) -> tuple[ToyModel, Any]:
    return diagram_model(3, 2, p, r), minimum.TripleModel(exact(p), (fmpq(1), fmpq(1), exact(r)))


def weights(seed: int) -> tuple[FloatArray, FloatArray]:
    """Return weights of features that are all stored, W_21 being 0, and biases."""
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(2, 3))
    W[1, 0] = 0
    return W * (0.5 + 1 / np.linalg.norm(W, axis=0)), rng.normal(size=3) * 0.3


def box_around(W: Any, b: Any, radius: float = 0.0) -> tuple[Range, ...]:
    W, b = np.array(W), np.array(b)
    return tuple(Range(exact(x) - exact(radius), exact(x) + exact(radius)) for x in (*W.ravel()[[0, 1, 2, 4, 5]], *b))


@pytest.mark.parametrize("seed", SEEDS)
def test_losses_and_slopes_lie_in_their_enclosures(seed: int) -> None:
    model, numbers = asked(0.6, 0.8)
    W, b = weights(seed)
    loss, slopes = minimum.loss_and_slopes(numbers, [tuple(map(exact, row)) for row in W], tuple(map(exact, b)))
    proof = enclosure(model, W, b, order=1)
    assert proof.loss.contains(as_fraction(loss))
    assert proof.gradient is not None
    for interval, slope in zip(proof.gradient[KEPT], slopes, strict=True):
        assert interval.contains(as_fraction(slope))


@pytest.mark.parametrize("radius", [0.0, 1e-3, 0.03])
@pytest.mark.parametrize("seed", SEEDS)
def test_hessians_of_points_lie_in_the_ranges_of_a_box(seed: int, radius: float) -> None:
    rng = np.random.default_rng(100 + seed)
    model, numbers = asked(0.6, 0.8)
    W, b = weights(seed)
    ranges = minimum._hessian(numbers, box_around(W, b, radius))
    bar = tolerance("law") * 100
    for _ in range(10):
        shift = rng.uniform(-radius, radius, (3, 3))
        shift[1, 0] = 0
        hessian = loss_hessian(model, W + shift[:2], b + shift[2])[np.ix_(KEPT, KEPT)]
        scale = 1 + np.abs(hessian).max()
        for i, j in np.ndindex(8, 8):
            assert float(ranges[i][j].low) - bar * scale <= hessian[i, j] <= float(ranges[i][j].high) + bar * scale
    if radius == 0:
        # And they are no wider than they must be.
        assert max(float(side.width) for row in ranges for side in row) < tolerance("law")


def test_features_that_are_not_stored_have_no_second_derivatives() -> None:
    W, b = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), np.zeros(3)
    _, numbers = asked(0.7, 1.0)
    assert minimum.convexity(numbers, box_around(W, b)) == 0


def test_the_loss_is_convex_around_a_minimum_and_not_around_a_saddle() -> None:
    model, numbers = asked(0.7, 1.0)
    W, b = TRIANGLE
    least = float(np.linalg.eigvalsh(loss_hessian(model, np.array(W), np.array(b))[np.ix_(KEPT, KEPT)])[0])
    found = float(minimum.convexity(numbers, box_around(W, b)))
    assert least / 2 < found <= least
    assert 0 < float(minimum.convexity(numbers, box_around(W, b, 1e-4))) <= found
    # What is wanted is proved or not.
    assert minimum.convexity(numbers, box_around(W, b), wanted=exact(0.99 * least)) == exact(0.99 * least)
    assert minimum.convexity(numbers, box_around(W, b), wanted=exact(1.01 * least), max_parts=1) == 0
    # Between two minima the loss isn't convex.
    middle = [(np.array(x) + np.array(y)) / 2 for x, y in zip(TRIANGLE, CLUSTER, strict=True)]
    assert minimum.convexity(numbers, box_around(*middle), max_parts=1) == 0


def test_a_box_that_is_too_wide_is_cut() -> None:
    _, numbers = asked(0.7, 1.0)
    wide = box_around(*TRIANGLE, 2.8e-4)
    assert minimum.convexity(numbers, wide, max_parts=1) == 0
    assert minimum.convexity(numbers, wide) > 0


@pytest.mark.parametrize("seed", range(6))
def test_pivots_say_whether_a_matrix_is_positive_definite(seed: int) -> None:
    rng = np.random.default_rng(seed)
    root = rng.integers(-5, 6, size=(4, 4))
    matrix = root @ root.T
    least = float(np.linalg.eigvalsh(matrix)[0])
    rows = [[fmpq(int(x)) for x in row] for row in matrix]
    for shift in (least - 1e-6, least + 1e-6, least - 3, least + 3):
        assert minimum._positive_definite(rows, exact(shift)) == (shift < least)


@pytest.mark.parametrize("value", [0, 1, 2, Fraction(1, 3), Fraction(10**40, 7), Fraction(1, 10**50)])
def test_roots_lie_in_their_ranges(value: Any) -> None:
    found = minimum.square_root(exact(value))
    assert found.low**2 <= exact(value) <= found.high**2
    assert found.width <= fmpq(1, 2**127)


def test_ranges_are_rounded_outward() -> None:
    third = Range(fmpq(-1, 3), fmpq(1, 3))
    assert minimum.rounded_outward(third, 4) == Range(fmpq(-2, 4), fmpq(2, 4))
    assert minimum.rounded_outward(Range(fmpq(1, 4), fmpq(3, 4)), 4) == Range(fmpq(1, 4), fmpq(3, 4))
