"""The bound on an enumerated loss's rounding: against enclosures, for every law, amplitude, penalty and engine."""

from __future__ import annotations

from itertools import chain, combinations

import numpy as np
import pytest

from tegum.theory import ExactLoss, IndependentFeatures, OneHotFeatures, ToyModel, enclosure
from tegum.theory.loss import ArrayEngine, CompiledEngine, loss_rounding, mean_square
from tests.support.accuracy import kinds
from tests.support.cases import Case, draw_case
from tests.support.internals import internals
from tests.support.laws import LAWS, independent
from tests.support.tolerances import assert_bounded, loss_scale, tolerance

# Behind the face: rounding of single moments, which a loss only shows in sum.
moment_roundings = internals("loss.rounding").moment_roundings
# Behind the face: expectations by themselves.
TooManyPatternsError = internals("loss.signed_sums").TooManyPatternsError
KINDS = list(kinds())


def check(case: Case) -> None:
    """Hold the engines against the enclosure: compiled and in arrays, by itself and beside derivatives."""
    exact = enclosure(case.model, case.weights, case.bias).loss.midpoint
    bound = loss_rounding(case.model, case.weights, case.bias)
    assert bound.shape == ()
    for engine in (CompiledEngine, ArrayEngine) if case.model.n_features <= 6 else (ArrayEngine,):
        for order in (0, 1, 2) if case.model.n_features < 4 else (0, 1):
            found = engine(case.model).evaluate(case.weights, case.bias, order)
            assert_bounded(found.loss, exact, bound)
            assert found.error <= bound
            assert_bounded(found.loss, exact, found.error)


@pytest.mark.parametrize("number", range(0, 4 * len(KINDS), 7))
def test_the_bound_holds(number: int) -> None:
    check(draw_case(number, max_features=3, **KINDS[number % len(KINDS)]))


@pytest.mark.parametrize("number", range(3))
def test_the_bound_holds_for_more_features(number: int) -> None:
    check(draw_case(number, features=5 + number, penalty="no penalty"))


def test_supports_are_told_apart() -> None:
    # Ten digons are enumerated as such; their bound is that of ten.
    pair, b = np.array([[1.01, -0.99]]), np.array([0.01, 0.02])
    ten = loss_rounding(independent(20, 10, 0.1), np.kron(np.eye(10), pair), np.tile(b, 10))
    one = loss_rounding(independent(2, 1, 0.1), pair, b)
    assert 10 * one <= ten <= 30 * one
    with pytest.raises(TooManyPatternsError, match="up to eight features"):
        loss_rounding(independent(20, 10, 0.1), np.ones((10, 20)), np.zeros(20))
    # One feature at a time is few patterns, however many features there are.
    many = ToyModel(100, 10, OneHotFeatures())
    assert loss_rounding(many, np.ones((10, 100)) / 10, np.zeros(100)) < tolerance("loss")


def test_batches_are_single_models() -> None:
    density, importance = np.array([[0.05], [0.5]]), np.array([[1.0, 0.3, 2.0], [1.0, 1.0, 1.0]])
    rng = np.random.default_rng(0)
    W, b = rng.normal(size=(2, 2, 3)), rng.normal(size=(2, 3))
    found = loss_rounding(ToyModel(3, 2, IndependentFeatures(density), importance), W, b)
    alone = [
        float(loss_rounding(independent(3, 2, float(p[0]), row), w, offset))
        for p, row, w, offset in zip(density, importance, W, b, strict=True)
    ]
    np.testing.assert_allclose(found, alone, rtol=tolerance("rounding"))


def test_the_bound_is_far_below_what_the_engine_promises() -> None:
    rng = np.random.default_rng(1)
    for n in (2, 4, 8):
        model = independent(n, n // 2, 0.3)
        W, b = rng.normal(size=(n // 2, n)) / np.sqrt(n / 2), 0.1 * rng.normal(size=n)
        scale = loss_scale(model, float(ExactLoss(model).loss(W, b)))
        assert loss_rounding(model, W, b) < tolerance("loss") * (1 if n < 5 else 20) * scale


@pytest.mark.parametrize("law", LAWS)
def test_the_scale_is_the_mean_square_that_it_says(law: str) -> None:
    rng = np.random.default_rng(2)
    n = 4
    features = LAWS[law](rng, n, "uniform")
    slopes, offset = np.abs(rng.normal(size=(3, n))), np.abs(rng.normal(size=3))
    expected = np.zeros(3)
    chances = {active: float(chance) for active, chance in features.patterns(n)}
    for active in chain.from_iterable(combinations(range(n), size) for size in range(n + 1)):
        expected += chances.get(active, 0.0) * (offset + slopes[:, list(active)].sum(axis=-1)) ** 2
    np.testing.assert_allclose(mean_square(features, slopes, offset), expected, rtol=tolerance("loss"))


def test_more_coordinates_and_worse_corners_round_more() -> None:
    table = [[moment_roundings(free, corner) for corner in (3, 9)] for free in (0, 1, 4, 8)]
    assert np.diff(table, axis=0).min() > 0
    assert np.diff(table, axis=1).min() > 0
    # At a corner a square is off by twice what z is, and its own rounding.
    assert moment_roundings(0, 3) == 8
