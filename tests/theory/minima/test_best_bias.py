"""The best bias for given weights: below every bias of a grid, for every law, and where theory knows it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tegum.theory import Amplitude, IndependentFeatures, OneHotFeatures, ToyModel, best_bias, expected_loss
from tegum.theory.loss import ExactLoss
from tests.support.laws import AMPLITUDES, LAWS
from tests.support.tolerances import tolerance

SEEDS = st.integers(0, 2**32 - 1)
# Points of a grid that the best bias is held against.
POINTS = 1501


def pentagon(scale: float) -> np.ndarray:
    angles = 2 * np.pi * np.arange(5) / 5
    return scale * np.stack([np.cos(angles), np.sin(angles)])


@pytest.mark.parametrize("amplitude", AMPLITUDES.values(), ids=AMPLITUDES)
@pytest.mark.parametrize("law", LAWS)
@settings(max_examples=3, deadline=None)
@given(seed=SEEDS)
def test_no_bias_of_a_grid_is_better(law: str, amplitude: object, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, m = 3, int(rng.integers(1, 3))
    features = LAWS[law](rng, n, amplitude)
    weights = rng.normal(size=(m, n)) * rng.choice([0.05, 1.0, 2.0])
    weights[:, rng.random(n) < 0.2] = 0
    # Overlaps that are whole numbers put kinks onto each other.
    weights = np.round(weights) if rng.random() < 0.3 else weights
    model = ToyModel(n, m, features)
    exact = ExactLoss(model)
    bias = best_bias(model, weights)
    reach = 3 * np.abs(weights.T @ weights).sum() + 3
    grid = np.linspace(-reach, reach, POINTS)[:, None].repeat(n, axis=1)
    around = bias + np.linspace(-1e-3, 1e-3, POINTS)[:, None]
    found = exact.output_losses(weights, bias)
    for others in (grid, around):
        best = exact.output_losses(weights, others).min(axis=0)
        assert (found <= best + tolerance("rounding") * (1 + found)).all()


def test_where_the_slope_is_zero() -> None:
    rng = np.random.default_rng(3)
    model = ToyModel(4, 2, IndependentFeatures(np.array([0.9, 0.5, 0.2, 0.05])), importance=(1.0, 2.0, 3.0, 4.0))
    weights = rng.normal(size=(20, 2, 4))
    bias = best_bias(model, weights)
    _, slope = ExactLoss(model).gradient(weights, bias)
    losses = ExactLoss(model).output_losses(weights, bias)
    is_on = losses < 0.999 * model.densities() / 3
    assert is_on.sum() > 40
    assert np.abs(slope[is_on]).max() < tolerance("gradient")


def test_weights_that_were_kept_without_a_bias() -> None:
    weights = np.zeros((2, 5))
    weights[0, 0] = weights[1, 1] = 1
    weights[:, 2:] = 0.005
    density = np.array([1.0, 0.5, 0.2, 0.1])
    model = ToyModel(5, 2, IndependentFeatures(density[:, None]), importance=0.9 ** np.arange(5))
    without = expected_loss(model, weights, np.zeros(5))
    losses = expected_loss(model, weights, best_bias(model, weights))
    assert float(without[0].round(2)) == 0.72
    assert float(losses[0].round(3)) == 0.183
    assert (losses < without).all()


def test_an_output_without_weights_is_the_mean() -> None:
    model = ToyModel(2, 1, IndependentFeatures([0.3, 0.8], amplitude=Amplitude(0.5, 1.5)))
    np.testing.assert_allclose(best_bias(model, np.zeros((1, 2))), [0.3, 0.8], rtol=0, atol=tolerance("rounding"))


def test_outputs_that_are_best_off_are_turned_off() -> None:
    # Negative numbers can't be reproduced, and an output of 0 is the nearest to them.
    model = ToyModel(2, 1, IndependentFeatures(0.5, amplitude=Amplitude(-1.0, -0.5)))
    weights = np.array([[1.0, -0.5]])
    bias = best_bias(model, weights)
    np.testing.assert_array_equal(bias, [-0.5, -0.5])
    np.testing.assert_array_equal(
        ExactLoss(model).output_losses(weights, bias), ExactLoss(model).output_losses(weights, bias - 5)
    )


def test_one_hot_models_reach_a_loss_of_zero() -> None:
    model = ToyModel(5, 2, OneHotFeatures(amplitude="constant"))
    weights = pentagon(1.0)
    bias = best_bias(model, weights)
    # Neighbours overlap by cos 72° = 0.309, and a bias below minus that leaves 1 − 0.309 of 1.
    assert float(expected_loss(model, weights, bias)) < float(expected_loss(model, weights, np.zeros(5)))
    wide = pentagon(2.0)
    assert float(expected_loss(model, wide, best_bias(model, wide))) < tolerance("rounding")


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_it_follows_permutations_and_rotations(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights, density = rng.normal(size=(2, 4)), rng.uniform(0.05, 1, 4)
    order = rng.permutation(4)
    turn, _ = np.linalg.qr(rng.normal(size=(2, 2)))

    def least(W: np.ndarray, p: np.ndarray) -> np.ndarray:
        model = ToyModel(4, 2, IndependentFeatures(p))
        return np.asarray(ExactLoss(model).output_losses(W, best_bias(model, W)))

    found = least(weights, density)
    np.testing.assert_allclose(
        least(weights[:, order], density[order]), found[order], rtol=0, atol=tolerance("rounding")
    )
    np.testing.assert_allclose(least(turn @ weights, density), found, rtol=0, atol=tolerance("rounding"))


def test_batches_broadcast_and_are_their_members() -> None:
    rng = np.random.default_rng(7)
    model = ToyModel(3, 2, IndependentFeatures(np.array([[[0.1]], [[0.9]]])))
    weights = rng.normal(size=(4, 2, 3))
    found = best_bias(model, weights)
    assert found.shape == (2, 4, 3)
    single = best_bias(model.take((1, 0)), weights[2])
    np.testing.assert_allclose(found[1, 2], single, rtol=0, atol=1e-9)


def test_tensors_come_back_as_tensors() -> None:
    model = ToyModel(5, 2, IndependentFeatures(0.05))
    # Other versions of Python are tried without it.
    torch = pytest.importorskip("torch")
    weights = torch.tensor(pentagon(1.17), dtype=torch.float32)
    found = best_bias(model, weights)
    assert (found.dtype, found.shape) == (torch.float32, (5,))
    np.testing.assert_allclose(found.numpy(), best_bias(model, pentagon(1.17)), rtol=0, atol=1e-5)


def test_transforms_are_inverted_for_many_features() -> None:
    rng = np.random.default_rng(0)
    model = ToyModel(12, 3, IndependentFeatures(0.05))
    weights = rng.normal(size=(3, 12)) * 0.6
    bias = best_bias(model, weights)
    exact = ExactLoss(model)
    found = exact.output_losses(weights, bias)
    for step in (-0.1, -0.01, 0.01, 0.1):
        assert (found <= exact.output_losses(weights, bias + step) + 1e-8).all()


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones((3, 2)), r"weights must have shape \(..., 1, 2\)"),
        (np.full((1, 2), np.nan), "weights must be finite"),
        ("text", "weights"),
    ],
)
def test_what_are_no_weights_is_refused(weights: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        best_bias(ToyModel(2, 1, IndependentFeatures(0.5)), weights)
