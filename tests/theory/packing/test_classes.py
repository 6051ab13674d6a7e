"""Packing features of two importances: linear and integer programs, factors of one class and of both."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from tegum.theory import IndependentFeatures, ToyModel, best_packing, expected_loss, global_minimum
from tegum.theory.packing import class_factors, finite_packing, mixed_factors, packed, shared_packing

EXACT = 1e-12
SMALL = ("axis", "digon", "triangle", "tetrahedron", "pentagon")
DENSITY, IMPORTANCE = 0.2, (1.0, 0.5)
DROPPED = DENSITY / 3 - DENSITY**2 / 4
ATLAS = best_packing(DENSITY, among=SMALL)


@pytest.fixture(scope="module")
def pairs() -> tuple[Any, ...]:
    return mixed_factors(DENSITY, IMPORTANCE, most=2)


def test_a_class_saves_in_proportion_to_its_importance() -> None:
    factors = {one.name: one for one in class_factors(ATLAS, IMPORTANCE)}
    assert len(factors) == 2 * len(SMALL)
    for name in SMALL:
        one = packed(name, DENSITY)
        for number, size in enumerate(IMPORTANCE):
            factor = factors[f"{name} of class {number + 1}"]
            model = ToyModel(one.corners, one.dim, IndependentFeatures(DENSITY), size)
            loss = float(expected_loss(model, factor.weights, factor.bias))
            assert factor.saved == pytest.approx(one.corners * size * DROPPED - loss, abs=EXACT)
            assert factor.counts[number] == one.corners


def test_the_mixed_pair_is_the_global_minimum_and_costs_less_than_pairs_of_its_own_kind(pairs: tuple[Any, ...]) -> None:
    (pair,) = pairs
    assert (pair.name, pair.counts, pair.dim, pair.mixed) == ("digon of 1 + 1", (1, 1), 1, True)
    model = ToyModel(2, 1, IndependentFeatures(DENSITY), IMPORTANCE)
    assert float(expected_loss(model, pair.weights, pair.bias)) == pytest.approx(global_minimum(model).loss, abs=EXACT)
    # Concavity: two mixed pairs against one of each class.
    own = sum(size * packed("digon", DENSITY).loss for size in IMPORTANCE)
    mixed = 2 * (sum(IMPORTANCE) * DROPPED - pair.saved)
    assert mixed < own - 1e-5


def test_the_linear_program_agrees_with_its_dual_and_with_large_models(pairs: tuple[Any, ...]) -> None:
    ratios = (1.0, 1.0)
    for mixed in ((), pairs):
        found = shared_packing(ATLAS, IMPORTANCE, ratios, mixed=mixed)
        assert found.status == "optimal"
        dual = found.dimension_price + float(np.dot(found.feature_prices, ratios))
        assert dual == pytest.approx(found.saved, abs=EXACT)
        assert all(used <= ratio + EXACT for used, ratio in zip(found.stored, ratios, strict=True))
        whole = finite_packing((40, 40), 40, ATLAS, importance=IMPORTANCE, mixed=mixed)
        saved = (DROPPED * (40 + 40 * IMPORTANCE[1]) - whole.loss) / 40
        assert found.saved - 0.02 * DROPPED <= saved <= found.saved + EXACT
    assert found.mixed
    assert found.saved > shared_packing(ATLAS, IMPORTANCE, ratios).saved + 1e-5


def test_important_features_in_plenty_leave_no_room_for_others(pairs: tuple[Any, ...]) -> None:
    found = shared_packing(ATLAS, IMPORTANCE, (10.0, 10.0), mixed=pairs)
    assert found.copies == {f"{ATLAS.best.name} of class 1": pytest.approx(1 / ATLAS.best.dim)}
    assert found.saved == pytest.approx(ATLAS.best.gain, abs=EXACT)
    assert found.feature_prices == pytest.approx((0, 0), abs=EXACT)


@pytest.mark.parametrize(("counts", "m"), [((1, 1), 1), ((2, 3), 2), ((3, 4), 3)])
def test_the_integer_program_finds_what_trying_everything_finds(
    counts: tuple[int, int], m: int, pairs: tuple[Any, ...]
) -> None:
    factors = (*class_factors(ATLAS, IMPORTANCE), *pairs)
    most = 0.0
    for copies in product(*(range(m // one.dim + 1) for one in factors)):
        used = sum(c * one.dim for c, one in zip(copies, factors, strict=True))
        sides = [sum(c * one.counts[k] for c, one in zip(copies, factors, strict=True)) for k in (0, 1)]
        if used <= m and all(side <= count for side, count in zip(sides, counts, strict=True)):
            most = max(most, sum(c * one.saved for c, one in zip(copies, factors, strict=True)))
    found = finite_packing(counts, m, ATLAS, importance=IMPORTANCE, mixed=pairs)
    weights = np.repeat(IMPORTANCE, counts)
    assert found.loss == pytest.approx(DROPPED * weights.sum() - most, abs=EXACT)
    model = ToyModel(sum(counts), m, IndependentFeatures(DENSITY), tuple(weights))
    assert float(expected_loss(model, found.weights, found.bias)) == pytest.approx(found.loss, abs=EXACT)


@pytest.mark.slow
def test_no_product_costs_less_than_the_global_minimum() -> None:
    # Three features in two dimensions, exactly.
    density, importance = 0.7, (1.0, 0.8)
    mixed = mixed_factors(density, importance, most=3)
    assert {one.name for one in mixed} >= {"triangle of 1 + 2", "triangle of 2 + 1"}
    atlas = best_packing(density, among=SMALL)
    found = finite_packing((1, 2), 2, atlas, importance=importance, mixed=mixed)
    best = global_minimum(ToyModel(3, 2, IndependentFeatures(density), (1.0, 0.8, 0.8)))
    assert found.loss == pytest.approx(best.loss, abs=EXACT)
    assert found.copies == {"triangle of 1 + 2": 1}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: class_factors(ATLAS, ()), r"importance must be that of 1 to 8 classes, got 0"),
        (lambda: class_factors(ATLAS, (1.0, 0.0)), "importance must lie in"),
        (lambda: mixed_factors(0.3, (1.0, 0.5), most=5), "most must be an integer from 2 to 4, got 5"),
        (lambda: shared_packing(ATLAS, (1.0, 0.5), (1.0,)), "per_dimension must have shape \\(2,\\), got"),
        (lambda: shared_packing(ATLAS, (1.0, 0.5), (1.0, -1.0)), "per_dimension must be positive and finite"),
        (lambda: shared_packing(best_packing(None, among=SMALL), (1.0,), (1.0,)), "need a density"),
        (lambda: finite_packing((1, 2), 2, ATLAS), "n_features and importance must be of as many classes"),
        (
            lambda: finite_packing((1,), 1, ATLAS, mixed=mixed_factors(0.3, (1.0, 0.5), most=2)),
            "expected factors of 1 classes",
        ),
    ],
)
def test_bad_input_is_named(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
