"""The linear model against its definition, sampled inputs, the ReLU model where that is linear, and descents."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from tegum.theory import (
    Amplitude,
    CorrelatedFeatures,
    FeatureLaw,
    IndependentFeatures,
    ToyModel,
    expected_loss,
)
from tegum.theory.loss import linear_gradient, linear_loss, linear_optimum
from tegum.theory.numerics import FloatArray
from tests.support.laws import examples, independent
from tests.support.tolerances import DIFFERENCE_STEP, SIGMAS, entry_scale, tolerance

LAWS: dict[str, FeatureLaw] = examples(3) | {
    "equal densities": IndependentFeatures(0.3),
    "always on": IndependentFeatures(1.0),
    "always one": IndependentFeatures([1.0, 0.5, 0.2], amplitude="constant"),
    "symmetric": IndependentFeatures(0.6, amplitude="symmetric"),
    "shifted": IndependentFeatures(0.6, amplitude=Amplitude(-0.25, 2.0)),
    "correlated, symmetric": CorrelatedFeatures(0.4, [(0, 2)], amplitude="symmetric"),
}
IMPORTANCE = (1.0, 0.5, 2.0)
law_names = pytest.mark.parametrize("name", LAWS)


def random_point(n: int, m: int, seed: int) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(-1.2, 1.2, (m, n)), rng.uniform(-0.5, 0.5, n)


def defined_loss(model: ToyModel, weights: FloatArray, bias: FloatArray) -> float:
    """Return the loss by its definition: a sum over activity patterns, and two Gauss nodes for each amplitude."""
    n, amplitude = model.n_features, model.features.amplitude
    half = float(amplitude.width) / 2
    nodes = [float(amplitude.mean) + half * sign / np.sqrt(3) for sign in (-1, 1)]
    total = 0.0
    for active, chance in model.features.patterns(n):
        for amplitudes in product(nodes, repeat=len(active)):
            x = np.zeros(n)
            x[list(active)] = amplitudes
            error = x - weights.T @ (weights @ x) - bias
            total += float(chance) * 0.5 ** len(active) * float(model.importances() @ error**2)
    return total


@pytest.mark.parametrize("n_hidden", [1, 2, 4])
@law_names
def test_loss_is_its_definition(name: str, n_hidden: int) -> None:
    model = ToyModel(3, n_hidden, LAWS[name], IMPORTANCE)
    point = random_point(3, n_hidden, n_hidden)
    expected = defined_loss(model, *point)
    assert abs(linear_loss(model, *point) - expected) <= tolerance("loss") * (1 + expected)


@pytest.mark.parametrize("name", ["independent", "correlated", "two hot", "shifted"])
def test_loss_is_the_mean_over_sampled_inputs(name: str) -> None:
    model = ToyModel(3, 2, LAWS[name], IMPORTANCE)
    W, b = random_point(3, 2, 7)
    x = model.features.sample(3, 1 << 17, np.random.default_rng(0))
    errors = (x - x @ (W.T @ W) - b) ** 2 @ np.array(IMPORTANCE)
    standard_error = errors.std() / np.sqrt(len(errors))
    assert standard_error < 0.01 * errors.mean()
    assert abs(errors.mean() - linear_loss(model, W, b)) <= SIGMAS * standard_error


@pytest.mark.parametrize("name", [name for name, law in LAWS.items() if law.amplitude.low >= 0])
def test_relu_model_is_linear_where_no_output_is_negative(name: str) -> None:
    rng = np.random.default_rng(3)
    weights, bias = rng.uniform(0, 1, (20, 2, 3)), rng.uniform(0, 0.5, (20, 3))
    model = ToyModel(3, 2, LAWS[name], IMPORTANCE)
    expected = expected_loss(model, weights, bias)
    np.testing.assert_allclose(linear_loss(model, weights, bias), expected, rtol=tolerance("law"))


def test_relu_helps_where_targets_are_not_negative() -> None:
    # Replacing a negative answer by 0 brings it closer to any target in [0, 1].
    rng = np.random.default_rng(4)
    weights, bias = rng.uniform(-1, 1, (50, 2, 3)), rng.uniform(-0.5, 0.5, (50, 3))
    model = independent(3, 2, 0.4, IMPORTANCE)
    assert (linear_loss(model, weights, bias) >= expected_loss(model, weights, bias)).all()


@law_names
def test_gradient_is_that_of_differences(name: str) -> None:
    model = ToyModel(3, 2, LAWS[name], IMPORTANCE)
    W, b = random_point(3, 2, 11)
    d_weights, d_bias = linear_gradient(model, W, b)
    steps = DIFFERENCE_STEP * np.eye(9)
    shift_weights, shift_bias = steps[:, :6].reshape(9, 2, 3), steps[:, 6:]
    upper = linear_loss(model, W + shift_weights, b + shift_bias)
    lower = linear_loss(model, W - shift_weights, b - shift_bias)
    expected = (upper - lower) / (2 * DIFFERENCE_STEP)
    error = np.abs(np.concatenate([d_weights.ravel(), d_bias]) - expected).max()
    assert error <= tolerance("difference") * entry_scale(expected)


def test_torch_gives_the_same_numbers_and_differentiates() -> None:
    model = ToyModel(3, 2, IndependentFeatures(np.array([[0.1], [0.7]])), IMPORTANCE)
    W, b = random_point(3, 2, 5)
    weights, bias = (torch.from_numpy(array).requires_grad_() for array in (W, b))
    loss = linear_loss(model, weights, bias)
    assert isinstance(loss, torch.Tensor)
    np.testing.assert_allclose(loss.detach().numpy(), linear_loss(model, W, b), rtol=tolerance("loss"))
    loss.sum().backward()  # type: ignore[no-untyped-call]
    expected = [part.sum(axis=0) for part in linear_gradient(model, W, b)]
    assert weights.grad is not None
    assert bias.grad is not None
    np.testing.assert_allclose(weights.grad.numpy(), expected[0], rtol=tolerance("gradient"))
    np.testing.assert_allclose(bias.grad.numpy(), expected[1], rtol=tolerance("gradient"))


def test_batches_are_single_models_side_by_side() -> None:
    density, importance = np.array([[0.1], [0.6]]), np.array([[1.0, 1.0, 1.0], [0.5, 3.0, 1.0]])
    model = ToyModel(3, 2, IndependentFeatures(density), importance)
    optimum = linear_optimum(model)
    assert (optimum.weights.shape, optimum.bias.shape) == ((2, 2, 3), (2, 3))
    for index in range(2):
        alone = linear_optimum(model.take(index))
        np.testing.assert_array_equal(optimum.weights[index], alone.weights)
        np.testing.assert_array_equal(optimum.kept[index], alone.kept)
        np.testing.assert_allclose(optimum.loss[index], alone.loss, rtol=tolerance("rounding"))


def best_descent(model: ToyModel, starts: int) -> float:
    """Return the smallest loss that quasi-Newton descents from random starts reach."""
    n, m = model.n_features, model.n_hidden

    def value_and_slope(flat: FloatArray) -> tuple[Any, FloatArray]:
        point = flat[: m * n].reshape(m, n), flat[m * n :]
        d_weights, d_bias = linear_gradient(model, *point)
        return linear_loss(model, *point), np.concatenate([d_weights.ravel(), d_bias])

    rng = np.random.default_rng(n + m)
    ends = [minimize(value_and_slope, rng.normal(size=(m + 1) * n), jac=True, method="BFGS") for _ in range(starts)]
    return float(min(end.fun for end in ends))


@pytest.mark.parametrize("n_hidden", [1, 2])
@pytest.mark.parametrize(
    ("name", "importance"),
    [
        pytest.param(name, importance, id=f"{name}, {importance}")
        for name in LAWS
        for importance in (1.0, IMPORTANCE)
        if importance == 1.0 or name.startswith(("independent", "shifted", "symmetric", "correlated, symmetric"))
    ],
)
def test_optimum_is_the_best_of_many_descents(name: str, importance: Any, n_hidden: int) -> None:
    model = ToyModel(3, n_hidden, LAWS[name], importance)
    optimum = linear_optimum(model)
    for part in linear_gradient(model, optimum.weights, optimum.bias):
        assert np.abs(part).max() <= tolerance("gradient")
    assert abs(best_descent(model, 8) - optimum.loss) <= tolerance("difference")


@pytest.mark.parametrize("seed", range(20))
def test_optimum_keeps_the_largest_and_costs_the_rest(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 30)), int(rng.integers(1, 30))
    p, importance = rng.uniform(0.01, 1, n), rng.uniform(0.1, 3, n)
    optimum = linear_optimum(ToyModel(n, m, IndependentFeatures(p), importance))
    cost = importance * (p / 3 - p**2 / 4)
    assert optimum.kept.sum() == min(n, m)
    assert cost[~optimum.kept].max(initial=0) <= cost[optimum.kept].min()
    np.testing.assert_allclose(optimum.loss, cost[~optimum.kept].sum(), rtol=tolerance("law"), atol=tolerance("loss"))
    np.testing.assert_allclose(optimum.bias, np.where(optimum.kept, 0, p / 2), atol=tolerance("rounding"))


def test_features_that_go_together_are_stored_as_their_sum() -> None:
    optimum = linear_optimum(ToyModel(2, 1, CorrelatedFeatures(0.5, [(0, 1)])))
    np.testing.assert_allclose(np.abs(optimum.weights), np.full((1, 2), np.sqrt(0.5)), rtol=tolerance("law"))
    # Half the variance of their difference remains: p (E[u²] − E[u]²).
    assert optimum.loss == pytest.approx(0.5 / 3 - 0.5 / 4, abs=tolerance("loss"))
    assert not optimum.kept.any()


def test_correlated_features_of_different_importance_are_refused() -> None:
    with pytest.raises(ValueError, match="correlated features whose importances differ"):
        linear_optimum(ToyModel(3, 2, LAWS["correlated"], IMPORTANCE))


def test_penalties_are_refused() -> None:
    model = ToyModel(2, 1, IndependentFeatures(0.5), weight_penalty=0.1)
    for function in (linear_loss, linear_gradient):
        with pytest.raises(ValueError, match="has no penalties"):
            function(model, [[1.0, 0.0]], [0.0, 0.0])
    with pytest.raises(ValueError, match="has no penalties"):
        linear_optimum(model)


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"weights must have shape \(..., 1, 2\)"):
        linear_loss(independent(2, 1), [[1.0, 0.0, 0.0]], [0.0, 0.0])
    with pytest.raises(ValueError, match="model must be a ToyModel"):
        linear_optimum(3)  # type: ignore[arg-type]
