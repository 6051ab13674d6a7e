"""The sampled loss of given weights: within its own error of the exact one, and of thousands of features."""

from __future__ import annotations

import numpy as np
import pytest

from tegum.empirical import sampled_loss, train
from tegum.theory import IndependentFeatures, OneHotFeatures, ToyModel, expected_loss
from tests.support.tolerances import tolerance

# Standard errors that a mean may be off: one of 15,000 is further.
SIGMAS = 4


def test_it_is_within_its_error_of_the_exact_loss() -> None:
    rng = np.random.default_rng(0)
    model = ToyModel(4, 2, IndependentFeatures(np.array([[0.1], [0.8]])), (1.0, 0.5, 0.5, 0.25), weight_penalty=0.01)
    weights, bias = rng.normal(size=(2, 2, 4)), rng.normal(size=(2, 4)) * 0.1
    loss, error = sampled_loss(model, weights, bias)
    assert loss.shape == error.shape == (2,)
    assert (np.abs(loss - expected_loss(model, weights, bias)) < SIGMAS * error).all()


def test_a_single_model_and_a_batch_of_weights() -> None:
    rng = np.random.default_rng(1)
    model = ToyModel(3, 2, OneHotFeatures())
    weights, bias = rng.normal(size=(5, 2, 3)), np.zeros(3)
    losses, _ = sampled_loss(model, weights, bias)
    one, error = sampled_loss(model, weights[2], bias)
    assert one.shape == ()
    # The inputs are the same.
    np.testing.assert_allclose(losses[2], one, rtol=0, atol=tolerance("law"))
    assert abs(one - expected_loss(model, weights[2], bias)) < SIGMAS * error


def test_a_thousand_features_train_and_are_evaluated() -> None:
    model = ToyModel(1000, 2, IndependentFeatures(0.01))
    trained = train(model, seeds=1, steps=2, batch_size=8, device="cpu")
    loss, error = sampled_loss(model, trained.weights[0], trained.bias[0])
    np.testing.assert_allclose(trained.loss[0], loss, rtol=1e-9)
    assert 0 < error < 0.05 * loss
    with pytest.raises(ValueError, match=r"inverts transforms for up to 1,000 features.*sampled_loss"):
        expected_loss(ToyModel(1001, 2, IndependentFeatures(0.01)), np.ones((2, 1001)), np.zeros(1001))
