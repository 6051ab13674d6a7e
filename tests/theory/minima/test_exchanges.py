"""Relabellings that leave a model as it is, against all permutations tried one by one."""

from __future__ import annotations

from itertools import permutations
from math import factorial
from typing import Any

import numpy as np
import pytest

from tegum.theory import (
    AnticorrelatedFeatures,
    CorrelatedFeatures,
    IndependentFeatures,
    OneHotFeatures,
    ToyModel,
    expected_loss,
)
from tegum.theory.minima import Exchanges
from tegum.theory.models import FeatureLaw

LAWS: dict[str, tuple[FeatureLaw, Any]] = {
    "equal": (IndependentFeatures(0.1), 1.0),
    "one apart": (IndependentFeatures(0.1), [1.0, 1.0, 1.0, 0.5]),
    "densities": (IndependentFeatures([0.1, 0.2, 0.1, 0.2]), 1.0),
    "both apart": (IndependentFeatures([0.1, 0.2, 0.1, 0.2]), [1.0, 1.0, 0.5, 1.0]),
    "pairs on together": (CorrelatedFeatures(0.2, [(0, 1), (2, 3)]), 1.0),
    "three and one": (AnticorrelatedFeatures(0.2, [(0, 1, 2)]), 1.0),
    "one-hot": (OneHotFeatures(), [1.0, 1.0, 0.5, 0.5]),
}


@pytest.fixture(params=list(LAWS.values()), ids=list(LAWS))
def model(request: pytest.FixtureRequest) -> ToyModel:
    law: FeatureLaw
    law, importance = request.param
    return ToyModel(4, 2, law, importance)


def test_the_group_is_of_the_relabellings_that_change_no_loss(model: ToyModel) -> None:
    rng = np.random.default_rng(0)
    weights, bias = rng.normal(size=(2, 4)), rng.normal(size=4)
    every = np.array(list(permutations(range(4))))
    losses = expected_loss(model, weights[:, every].swapaxes(0, 1), bias[every])
    kept = {tuple(order) for order in every[np.abs(losses - losses[0]) < 1e-12].tolist()}
    exchanges = Exchanges(model)
    assert set(exchanges.orders()) == kept
    assert exchanges.order == len(kept)


def _state(weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    return np.concatenate([weights.T @ weights, bias[None]])


def test_copies_are_found_and_counted(model: ToyModel) -> None:
    exchanges, rng = Exchanges(model), np.random.default_rng(1)
    weights, bias = rng.normal(size=(2, 4)), np.zeros(4)
    # The second half of the features is stored as the first is: some relabellings keep the state.
    weights[:, 2:] = weights[:, :2]
    state, every = _state(weights, bias), list(exchanges.orders())
    images = {tuple(np.round(_state(weights[:, order], bias), 9).ravel()) for order in map(list, every)}
    assert exchanges.copies(state, 1e-9) == len(images)
    for order in map(list, every):
        found = exchanges.relabelling(state, _state(weights[:, order], bias), 1e-9)
        assert found is not None
        np.testing.assert_allclose(_state(weights[:, list(found)], bias), _state(weights[:, order], bias), atol=1e-9)


def test_what_only_another_relabelling_makes_is_no_copy() -> None:
    exchanges = Exchanges(ToyModel(3, 2, IndependentFeatures(0.1), [1.0, 1.0, 0.5]))
    weights, bias = np.array([[1.0, 0.2, -0.7], [0.0, 0.9, 0.3]]), np.array([0.0, -0.1, 0.2])
    assert exchanges.relabelling(_state(weights, bias), _state(weights[:, [1, 0, 2]], bias[[1, 0, 2]]), 1e-9) == (
        1,
        0,
        2,
    )
    assert exchanges.relabelling(_state(weights, bias), _state(weights[:, [2, 1, 0]], bias[[2, 1, 0]]), 1e-9) is None
    # Equal up to signs of single overlaps, and so in all sorted numbers but one.
    assert exchanges.relabelling(_state(weights, bias), _state(weights * [1, -1, 1], bias), 1e-9) is None


def test_orders_of_large_groups_are_counted_without_listing_them() -> None:
    assert Exchanges(ToyModel(12, 3, IndependentFeatures(0.1))).order == factorial(12)


def test_a_polygon_has_as_many_copies_as_orders_up_to_turns_and_mirrors() -> None:
    angles = 2 * np.pi * np.arange(5) / 5
    exchanges = Exchanges(ToyModel(5, 2, IndependentFeatures(0.1)))
    assert exchanges.copies(_state(np.stack([np.cos(angles), np.sin(angles)]), np.zeros(5)), 1e-9) == 12


def test_a_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="single model"):
        Exchanges(ToyModel(3, 2, IndependentFeatures([[0.1], [0.2]])))


def test_the_nearest_copy_is_that_of_all_tried_one_by_one(model: ToyModel) -> None:
    exchanges, rng = Exchanges(model), np.random.default_rng(2)
    state = _state(rng.normal(size=(2, 4)), rng.normal(size=4))
    others = np.stack([_state(rng.normal(size=(2, 4)), rng.normal(size=4)) for _ in range(5)])
    orders = list(exchanges.orders())
    copies = np.stack([np.concatenate([state[:4][np.ix_(o, o)], state[4:][:, o]]) for o in map(list, orders)])
    every = np.linalg.norm((copies[:, None] - others).reshape(len(copies), 5, -1), axis=-1)
    np.testing.assert_allclose(exchanges.distances(state, others), every.min(axis=0), rtol=1e-12)
    np.testing.assert_allclose(exchanges.distances(state, copies), 0, atol=1e-12)
