"""What is said of how a file was read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tegum.compare.foreign import WeightBatch, model_of_weights, reading, remarks
from tegum.theory import IndependentFeatures, ToyModel

WEIGHTS = np.zeros((3, 4, 2, 5))
WEIGHTS[..., 0, 0] = WEIGHTS[..., 1, 1] = 1
WEIGHTS[..., 2:] = 0.005
DENSITY = np.broadcast_to(np.array([1.0, 0.5, 0.2, 0.1])[:, None], (3, 4, 5))
BATCH = WeightBatch(
    WEIGHTS,
    np.zeros((3, 4, 5)),
    DENSITY,
    np.broadcast_to(0.9 ** np.arange(5), (3, 4, 5)),
    bias_given=False,
    unused=("losses",),
    stored_dtype="bfloat16",
    source={"weights": "W", "W_dec": "tied to W"},
)


def test_a_missing_bias_is_said_and_the_best_one_offered() -> None:
    told = reading(BATCH, model_of_weights(BATCH))
    without, best = np.array(told["loss_without_bias"]), np.array(told["loss_with_best_bias"])
    np.testing.assert_allclose(without[:, 0], 0.72, rtol=0, atol=5e-3)
    np.testing.assert_allclose(best[:, 0], 0.183, rtol=0, atol=5e-4)
    assert np.shape(told["best_bias"]) == (3, 4, 5)
    first, *others = remarks(told)
    assert first.startswith("The file has no bias: b = 0 is assumed. With the best bias for each model's weights")
    assert "0.182928 instead of 0.720726" in first
    assert others == [
        "W_dec is tied to W.",
        "Not used: losses.",
        "W is stored as bfloat16; losses are of these numbers, computed in float64.",
    ]


def test_one_model_is_told_by_itself() -> None:
    one = replace(BATCH, weights=WEIGHTS[0, 0], bias=np.zeros(5), density=DENSITY[0, 0], importance=None)
    (first, *_) = remarks(reading(one, model_of_weights(one)))
    assert "With the best bias for these weights the loss is 0.2" in first


def test_many_features_are_pointed_to_the_function() -> None:
    many = WeightBatch(np.ones((2, 40)), np.zeros(40), np.full(40, 0.1), None, bias_given=False)
    told = reading(many, model_of_weights(many))
    assert "best_bias" not in told
    assert remarks(told)[0].endswith("`best_bias(model, weights)` finds the best one for these weights.")


@pytest.mark.parametrize("n", [3, 40])
def test_no_bias_is_offered_where_there_is_to_be_none_or_one_for_all(n: int) -> None:
    bare = WeightBatch(np.ones((2, n)), np.zeros(n), None, None, bias_given=False)
    law = IndependentFeatures(0.1)
    assert remarks(reading(bare, ToyModel(n, 2, law, bias="none"))) == []
    first, second = remarks(reading(bare, ToyModel(n, 2, law, bias="common")))
    assert first == "The file has no bias: b = 0 is assumed."
    assert second.startswith(
        "Not worked out: the best bias for these weights: best_bias covers models with bias='free'"
    )


def test_nothing_is_said_where_there_is_nothing_to_say() -> None:
    plain = WeightBatch(np.ones((1, 2)), np.zeros(2), np.full(2, 0.5), None)
    assert remarks(reading(plain, model_of_weights(plain))) == []
    with pytest.raises(ValueError, match="batch must be a WeightBatch"):
        reading(np.ones((1, 2)), model_of_weights(plain))  # type: ignore[arg-type]
