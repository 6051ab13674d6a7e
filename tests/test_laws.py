"""Laws of the expected loss, each written once and held by every engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from helpers import (
    DIFFERENCE_STEP,
    KINK_MARGIN,
    SIGMAS,
    FloatArray,
    corner_outputs,
    densities,
    entry_scale,
    independent,
    loss_scale,
    oracle,
    pattern_loss,
    sampled_loss,
    tolerance,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tegum.theory import ToyModel, expected_loss, loss_gradient, loss_hessian


@dataclass(frozen=True)
class Engine:
    """A way to evaluate the expected loss of a single model: NumPy arrays in, a float or NumPy arrays out."""

    loss: Callable[[ToyModel, Any, Any], float]
    gradient: Callable[[ToyModel, Any, Any], FloatArray]
    hessian: Callable[[ToyModel, Any, Any], FloatArray]


def packed(pair: tuple[Any, Any]) -> FloatArray:
    return np.concatenate([np.asarray(pair[0]).ravel(), np.asarray(pair[1])])


def tensors(weights: Any, bias: Any) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(weights, dtype=torch.float64), torch.tensor(bias, dtype=torch.float64)


ENGINES = {
    "numpy": Engine(
        loss=lambda model, W, b: float(expected_loss(model, W, b)),
        gradient=lambda model, W, b: packed(loss_gradient(model, W, b)),
        hessian=lambda model, W, b: np.asarray(loss_hessian(model, W, b)),
    ),
    "torch": Engine(
        loss=lambda model, W, b: float(expected_loss(model, *tensors(W, b))),
        gradient=lambda model, W, b: packed(loss_gradient(model, *tensors(W, b))),
        hessian=lambda model, W, b: np.asarray(loss_hessian(model, *tensors(W, b))),
    ),
}
every_engine = pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES.keys())
LARGEST = 3


@dataclass(frozen=True)
class Point:
    """A model, and weights and biases for it."""

    model: ToyModel
    weights: FloatArray
    bias: FloatArray

    def at(self, **changes: Any) -> ToyModel:
        """Return the model with another density or importance."""
        fields: dict[str, Any] = {"density": densities(self.model), "importance": self.model.importances()}
        return independent(self.model.n_features, self.model.n_hidden, **(fields | changes))


DENSITY = st.one_of(st.floats(0.01, 1), st.sampled_from([1e-6, 0.5, 1.0]))
IMPORTANCE = st.floats(0.1, 10)
# The values that phases have: exact zeros, ties and opposites, and entries that are almost zero.
ENTRY = st.one_of(st.floats(-2, 2), st.sampled_from([0.0, 1.0, -1.0, 0.5, -0.5, 1e-12, -1e-12, 1e-300]))
BIAS = st.one_of(st.floats(-1, 1), st.sampled_from([0.0, -1.0, 0.25, 1e-12]))


def vectors(entries: st.SearchStrategy[float], size: int) -> st.SearchStrategy[FloatArray]:
    return st.lists(entries, min_size=size, max_size=size).map(np.array)


@st.composite
def points(draw: st.DrawFn, min_features: int = 1, min_hidden: int = 1, max_hidden: int = LARGEST) -> Point:
    n = draw(st.integers(max(min_features, min_hidden), LARGEST))
    m = draw(st.integers(min_hidden, min(n, max_hidden)))
    model = independent(n, m, draw(vectors(DENSITY, n)), draw(vectors(IMPORTANCE, n)))
    return Point(model, draw(vectors(ENTRY, m * n)).reshape(m, n), draw(vectors(BIAS, n)))


@st.composite
def smooth_points(draw: st.DrawFn, min_hidden: int = 1) -> Point:
    """Points with no kink and no small overlap nearby, where central differences are good."""
    point = draw(points(min_hidden=min_hidden))
    sign = st.sampled_from([-1.0, 1.0])
    weights = draw(vectors(st.floats(0.25, 1.5), point.weights.size)) * draw(vectors(sign, point.weights.size))
    bias = draw(vectors(st.floats(0.01, 0.5), point.bias.size)) * draw(vectors(sign, point.bias.size))
    weights = weights.reshape(point.weights.shape)
    assume(np.abs(corner_outputs(weights, bias)).min() > KINK_MARGIN)
    return Point(point.model, weights, bias)


def assert_same_loss(model: ToyModel, found: float, expected: float, purpose: str = "law") -> None:
    assert abs(found - expected) <= tolerance(purpose) * loss_scale(model, abs(expected)), (found, expected)


# --- Symmetries --------------------------------------------------------------------------------------------------


@every_engine
@given(point=points(), data=st.data())
def test_permuting_the_features_changes_nothing(engine: Engine, point: Point, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(point.model.n_features)))
    permuted = point.at(density=densities(point.model)[order], importance=point.model.importances()[order])
    found = engine.loss(permuted, point.weights[:, order], point.bias[order])
    assert_same_loss(point.model, found, engine.loss(point.model, point.weights, point.bias))


@every_engine
@given(point=points())
def test_flipping_every_weight_changes_nothing(engine: Engine, point: Point) -> None:
    model, W, b = point.model, point.weights, point.bias
    assert engine.loss(model, -W, b) == engine.loss(model, W, b)
    cut = W.size
    gradient, flipped = engine.gradient(model, W, b), engine.gradient(model, -W, b)
    np.testing.assert_array_equal(flipped[:cut], -gradient[:cut])
    np.testing.assert_array_equal(flipped[cut:], gradient[cut:])


@every_engine
@given(point=points(min_hidden=2, max_hidden=2), angle=st.floats(0, 2 * np.pi))
def test_rotating_the_hidden_space_changes_nothing(engine: Engine, point: Point, angle: float) -> None:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    found = engine.loss(point.model, turn @ point.weights, point.bias)
    assert_same_loss(point.model, found, engine.loss(point.model, point.weights, point.bias))


@every_engine
@given(point=smooth_points(min_hidden=2), data=st.data())
def test_turning_the_weights_turns_the_gradient(engine: Engine, point: Point, data: st.DataObject) -> None:
    """∇L(QW) = Q ∇L(W) for orthogonal Q, so H·(AW) = A ∇L for antisymmetric A."""
    model, W, b = point.model, point.weights, point.bias
    m, n = W.shape
    raw = data.draw(vectors(st.floats(-1, 1), m * m)).reshape(m, m)
    A = raw - raw.T
    direction = np.concatenate([(A @ W).ravel(), np.zeros(n)])
    gradient, hessian = engine.gradient(model, W, b), engine.hessian(model, W, b)
    turned = np.concatenate([(A @ gradient[: m * n].reshape(m, n)).ravel(), np.zeros(n)])
    np.testing.assert_allclose(
        hessian @ direction, turned, rtol=0, atol=tolerance("hessian") * entry_scale(hessian) * entry_scale(direction)
    )


# --- Structure ---------------------------------------------------------------------------------------------------


@every_engine
@given(point=points(), data=st.data(), factors=st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)))
def test_the_loss_is_linear_in_the_importances(
    engine: Engine, point: Point, data: st.DataObject, factors: tuple[float, float]
) -> None:
    first = point.model.importances()
    second = data.draw(vectors(IMPORTANCE, point.model.n_features))
    parts = [engine.loss(point.at(importance=i), point.weights, point.bias) for i in (first, second)]
    combined = point.at(importance=factors[0] * first + factors[1] * second)
    found = engine.loss(combined, point.weights, point.bias)
    assert_same_loss(combined, found, factors[0] * parts[0] + factors[1] * parts[1])


@every_engine
@given(point=points())
def test_the_loss_is_not_negative(engine: Engine, point: Point) -> None:
    loss = engine.loss(point.model, point.weights, point.bias)
    assert loss >= -tolerance("loss") * loss_scale(point.model, 0.0)


@every_engine
@given(density=DENSITY, importance=IMPORTANCE)
def test_a_dimension_for_every_feature_costs_nothing(engine: Engine, density: float, importance: float) -> None:
    model = independent(LARGEST, LARGEST, density, importance)
    assert_same_loss(model, engine.loss(model, np.eye(LARGEST), np.zeros(LARGEST)), 0.0)


BLOCKS = [((0, 1), (2,)), ((0,), (1, 2)), ((0, 2), (1,)), ((0,), (1,), (2,))]


@every_engine
@pytest.mark.parametrize("blocks", BLOCKS, ids=str)
@given(point=points(min_features=LARGEST))
def test_the_loss_is_additive_over_orthogonal_blocks(
    engine: Engine, blocks: tuple[tuple[int, ...], ...], point: Point
) -> None:
    """Each block of features has a hidden dimension of its own, and the marginal law of the whole."""
    model, row = point.model, point.weights[0]
    weights = np.zeros((len(blocks), LARGEST))
    parts = 0.0
    for h, block in enumerate(blocks):
        chosen = list(block)
        weights[h, chosen] = row[chosen]
        part = independent(len(chosen), 1, densities(model)[chosen], model.importances()[chosen])
        parts += engine.loss(part, row[None, chosen], point.bias[chosen])
    whole = independent(LARGEST, len(blocks), densities(model), model.importances())
    assert_same_loss(whole, engine.loss(whole, weights, point.bias), parts)


# --- Limits of the density ---------------------------------------------------------------------------------------


@every_engine
@pytest.mark.parametrize("density", [1e-3, 1e-6, 1e-12], ids=str)
@given(point=points())
def test_without_active_features_only_positive_biases_cost(engine: Engine, density: float, point: Point) -> None:
    model = point.at(density=density)
    gram, b = np.abs(point.weights.T @ point.weights), point.bias
    silent = float(model.importances() @ np.maximum(b, 0) ** 2)
    # No input costs more than this, and with probability (1 − p)^n ≥ 1 − n p none is active.
    largest = float(model.importances() @ (1 + np.abs(b) + gram.sum(axis=1)) ** 2)
    found = engine.loss(model, point.weights, b)
    assert abs(found - silent) <= model.n_features * density * largest + tolerance("loss") * loss_scale(model, silent)


@every_engine
@given(point=points())
@settings(max_examples=50)
def test_at_full_density_only_the_full_pattern_counts(engine: Engine, point: Point) -> None:
    model = point.at(density=1.0)
    expected = pattern_loss(model, point.weights, point.bias, tuple(range(model.n_features)))
    assert_same_loss(model, engine.loss(model, point.weights, point.bias), expected, "loss")


@every_engine
@given(point=points(), data=st.data())
def test_the_loss_is_linear_in_each_density(engine: Engine, point: Point, data: st.DataObject) -> None:
    """Density enters through P(A) alone, which is linear in each p_i: three densities lie on a line."""
    feature = data.draw(st.integers(0, point.model.n_features - 1))
    low, high, share = 0.125, 1.0, data.draw(st.floats(0, 1))

    def loss(p: float) -> float:
        density = densities(point.model).copy()
        density[feature] = p
        return engine.loss(point.at(density=density), point.weights, point.bias)

    found = loss((1 - share) * low + share * high)
    assert_same_loss(point.at(density=1.0), found, (1 - share) * loss(low) + share * loss(high))


# --- Derivatives -------------------------------------------------------------------------------------------------


def central_differences(function: Callable[[FloatArray, FloatArray], Any], point: Point) -> FloatArray:
    """Return the derivatives of a function of (W, b) along each parameter, along the first axis."""
    theta, cut = np.concatenate([point.weights.ravel(), point.bias]), point.weights.size
    rows = []
    for place in range(len(theta)):
        shift = np.zeros_like(theta)
        shift[place] = DIFFERENCE_STEP
        ends = [function((theta + s)[:cut].reshape(point.weights.shape), (theta + s)[cut:]) for s in (shift, -shift)]
        rows.append((ends[0] - ends[1]) / (2 * DIFFERENCE_STEP))
    return np.array(rows)


@every_engine
@given(point=smooth_points())
@settings(max_examples=30)
def test_the_gradient_is_the_slope_of_the_loss(engine: Engine, point: Point) -> None:
    gradient = engine.gradient(point.model, point.weights, point.bias)
    differences = central_differences(lambda W, b: engine.loss(point.model, W, b), point)
    np.testing.assert_allclose(gradient, differences, rtol=0, atol=tolerance("difference") * entry_scale(gradient))


@every_engine
@given(point=smooth_points())
@settings(max_examples=30)
def test_the_hessian_is_the_slope_of_the_gradient(engine: Engine, point: Point) -> None:
    hessian = engine.hessian(point.model, point.weights, point.bias)
    differences = central_differences(lambda W, b: engine.gradient(point.model, W, b), point)
    np.testing.assert_allclose(hessian, differences, rtol=0, atol=tolerance("difference") * entry_scale(hessian))


# --- Oracles -----------------------------------------------------------------------------------------------------


@every_engine
@given(point=points())
@settings(max_examples=200)
def test_the_loss_is_accurate_everywhere(engine: Engine, point: Point) -> None:
    expected = oracle(point.model, point.weights, point.bias).loss
    assert_same_loss(point.model, engine.loss(point.model, point.weights, point.bias), expected, "loss")


@every_engine
@given(point=points())
@settings(max_examples=100)
def test_the_gradient_is_accurate_where_there_is_one(engine: Engine, point: Point) -> None:
    # An output that isn't stored and rests on zero has a gradient on either side.
    assume((((point.weights**2).sum(axis=0) > 0) | (point.bias != 0)).all())
    expected = oracle(point.model, point.weights, point.bias, order=1).gradient
    found = engine.gradient(point.model, point.weights, point.bias)
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance("gradient") * entry_scale(expected))


SAMPLE_BUDGET = 1 << 20
TARGET_ERROR = 2e-3


@every_engine
@pytest.mark.parametrize("seed", range(6))
def test_sampling_agrees_within_its_standard_error(engine: Engine, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, m = ((1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (4, 2))[seed]
    model = independent(n, m, rng.uniform(0.1, 0.9, n), rng.uniform(0.5, 2, n))
    weights, bias = 0.7 * rng.normal(size=(m, n)), 0.2 * rng.normal(size=n)
    exact = engine.loss(model, weights, bias)
    target = TARGET_ERROR * loss_scale(model, exact)
    estimate = sampled_loss(model, weights, bias, target, SAMPLE_BUDGET, seed)
    assert estimate.standard_error < target, f"budget spent: {estimate}"
    assert abs(estimate.mean - exact) < SIGMAS * estimate.standard_error
