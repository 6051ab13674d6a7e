"""Laws of the expected loss, each written once and held by every engine."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, note, reject, settings
from hypothesis import strategies as st

from tegum.theory import (
    Amplitude,
    AnticorrelatedFeatures,
    CorrelatedFeatures,
    FeatureLaw,
    IndependentFeatures,
    KHotFeatures,
    TableFeatures,
    ToyModel,
    enclosure,
)
from tegum.theory.loss import SpectralEngine
from tegum.theory.numerics import FloatArray
from tests.support.engines import ENGINES, Engine
from tests.support.laws import AMPLITUDES, LAWS, PENALTIES, densities
from tests.support.monte_carlo import sampled_loss
from tests.support.oracles import oracle, pattern_loss
from tests.support.tolerances import (
    DIFFERENCE_STEP,
    KINK_MARGIN,
    SIGMAS,
    assert_entries_close,
    assert_same_loss,
    entry_scale,
    loss_scale,
    tolerance,
)

SPECTRAL_NODES = 1 << 12


def proven_loss(model: ToyModel, weights: FloatArray, bias: FloatArray) -> float:
    """Return the middle of the proven interval."""
    return enclosure(model, weights, bias).loss.midpoint


def spectral_loss(model: ToyModel, weights: FloatArray, bias: FloatArray) -> float:
    """Return the loss of many features; drawn models that it doesn't take, or gives up on, don't count."""
    assume(not isinstance(model.features, KHotFeatures | TableFeatures))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            engine = SpectralEngine(model, max_nodes=SPECTRAL_NODES)
            found = engine.evaluate(weights, bias, 0)
    except RuntimeWarning:
        # Overlaps of extreme sizes overflow.
        reject()
    sizes = model.importances().sum() + model.n_hidden * float(model.activation_penalty)
    assume(found.error <= SPECTRAL_BAR * sizes * float(model.features.amplitude.second_moment))
    return float(found.loss)


# The spectral engine's bar is 1e-8 where those of the others are 1e-12.
SPECTRAL_BAR, SPECTRAL_SLACK = 1e-9, 1e4
LOSSES = ENGINES | {"enclosure": Engine(proven_loss), "spectral": Engine(spectral_loss, slack=SPECTRAL_SLACK)}
TABLE_LOSSES = {name: engine for name, engine in LOSSES.items() if name != "spectral"}
Engines = dict[str, Engine]


def over(engines: Engines) -> pytest.MarkDecorator:
    """Run a law through engines: all of them on the same examples, but for the spectral one, which refuses some."""
    groups = [{name: engine for name, engine in engines.items() if name != "spectral"}]
    groups += [{name: engine} for name, engine in engines.items() if name == "spectral"]
    return pytest.mark.parametrize("engines", groups, ids="-".join)


every_engine, every_loss, every_loss_of_a_table = over(ENGINES), over(LOSSES), over(TABLE_LOSSES)


def held_by_each(law: Callable[..., None]) -> Callable[..., None]:
    """Return a law of one engine as a test of several: drawing an example takes longer than evaluating it."""

    @wraps(law)
    def test(engines: Engines, *drawn: Any, **named: Any) -> None:
        for name, engine in engines.items():
            note(f"engine: {name}")
            law(engine, *drawn, **named)

    # What Hypothesis and pytest look at.
    first, *others = inspect.signature(law).parameters.values()
    test.__signature__ = inspect.Signature([first.replace(name="engines"), *others])  # type: ignore[attr-defined]
    return test


# The spectral engine takes about half of the laws that are drawn.
MANY, FEWER = (settings(max_examples=k, suppress_health_check=[HealthCheck.filter_too_much]) for k in (40, 30))
LARGEST = 3
# Losses of shares far below have no digits left.
SMALLEST_SHARE = 1e-250


@dataclass(frozen=True)
class Point:
    """A model, and weights and biases for it."""

    model: ToyModel
    weights: FloatArray
    bias: FloatArray

    def at(self, **changes: Any) -> ToyModel:
        """Return the model with another density, input law, importance or penalty."""
        if "density" in changes:
            law = self.model.features
            changes["features"] = IndependentFeatures(changes.pop("density"), amplitude=law.amplitude)
        return replace(self.model, **changes)


DENSITY = st.one_of(st.floats(0.01, 1), st.sampled_from([1e-6, 0.5, 1.0]))
IMPORTANCE = st.floats(0.1, 10)
# The values that phases have: exact zeros, ties and opposites, and entries that are almost zero. Subnormal ones are
# left out: half of the smallest is rounded to 0, and with it the side of a kink on which an amplitude's end lies.
ENTRY = st.one_of(
    st.floats(-2, 2, allow_subnormal=False), st.sampled_from([0.0, 1.0, -1.0, 0.5, -0.5, 1e-12, -1e-12, 1e-150])
)
BIAS = st.one_of(st.floats(-1, 1, allow_subnormal=False), st.sampled_from([0.0, -1.0, 0.25, 1e-12]))
ANY_LAW = tuple(LAWS)
ANY_AMPLITUDE = tuple(AMPLITUDES)
# Those that don't depend on the axes of the hidden space.
ROUND_PENALTIES = ("no penalty", "interference", "decay")


def vectors(entries: st.SearchStrategy[float], size: int) -> st.SearchStrategy[FloatArray]:
    return st.lists(entries, min_size=size, max_size=size).map(np.array)


@st.composite
def points(
    draw: st.DrawFn,
    min_features: int = 1,
    min_hidden: int = 1,
    max_hidden: int = LARGEST,
    laws: Sequence[str] = ANY_LAW,
    amplitudes: Sequence[str] = ANY_AMPLITUDE,
    penalties: Sequence[str] = tuple(PENALTIES),
) -> Point:
    n = draw(st.integers(max(min_features, min_hidden), LARGEST))
    m = draw(st.integers(min_hidden, min(n, max_hidden)))
    law, amplitude = draw(st.sampled_from(laws)), AMPLITUDES[draw(st.sampled_from(amplitudes))]
    if law == "independent":
        features: FeatureLaw = IndependentFeatures(draw(vectors(DENSITY, n)), amplitude=amplitude)
    else:
        features = LAWS[law](np.random.default_rng(draw(st.integers(0, 999))), n, amplitude)
    penalty = PENALTIES[draw(st.sampled_from(penalties))]
    model = ToyModel(n, m, features, draw(vectors(IMPORTANCE, n)), **penalty)
    return Point(model, draw(vectors(ENTRY, m * n)).reshape(m, n), draw(vectors(BIAS, n)))


def kink_distance(point: Point) -> float:
    """Return how near any pre-activation or hidden unit comes to zero at a corner of a box of amplitudes."""
    amplitude = point.model.features.amplitude
    states = sorted({0.0, float(amplitude.low), float(amplitude.high)})
    corners = np.array(list(product(states, repeat=len(point.bias))))
    outputs = corners @ (point.weights.T @ point.weights) + point.bias
    nearest = np.abs(outputs).min()
    if point.model.activation_penalty:
        nearest = min(nearest, np.abs(corners[corners.any(axis=-1)] @ point.weights.T).min())
    return float(nearest)


@st.composite
def smooth_points(draw: st.DrawFn, /, **options: Any) -> Point:
    """Points with no kink and no small overlap nearby, where central differences are good."""
    point = draw(points(**options))
    sign = st.sampled_from([-1.0, 1.0])
    weights = draw(vectors(st.floats(0.25, 1.5), point.weights.size)) * draw(vectors(sign, point.weights.size))
    bias = draw(vectors(st.floats(0.01, 0.5), point.bias.size)) * draw(vectors(sign, point.bias.size))
    moved = Point(point.model, weights.reshape(point.weights.shape), bias)
    assume(kink_distance(moved) > KINK_MARGIN)
    return moved


def as_table(law: FeatureLaw, n: int, among: Iterable[int] | None = None) -> TableFeatures:
    """Return the marginal law of some features, numbered anew, as a table."""
    chosen = list(range(n) if among is None else among)
    found = law.patterns(n, among=chosen)
    return TableFeatures(
        {tuple(chosen.index(i) for i in active): chance for active, chance in found}, amplitude=law.amplitude
    )


def permuted(law: FeatureLaw, n: int, order: list[int]) -> FeatureLaw:
    """Return the law of features that are numbered anew: feature `order[k]` becomes feature k."""
    if isinstance(law, TableFeatures):
        return as_table(law, n, order)
    if isinstance(law, CorrelatedFeatures | AnticorrelatedFeatures):
        groups = [[order.index(i) for i in group] for group in law.groups]
        return replace(law, density=np.broadcast_to(law.density, n)[order], groups=groups, _exact=None)
    if isinstance(law, IndependentFeatures):
        return replace(law, density=np.broadcast_to(law.density, n)[order], _exact=None)
    return law


# --- Symmetries --------------------------------------------------------------------------------------------------


@every_loss
@given(point=points(), data=st.data())
@MANY
@held_by_each
def test_permuting_the_features_changes_nothing(engine: Engine, point: Point, data: st.DataObject) -> None:
    n = point.model.n_features
    order = data.draw(st.permutations(range(n)))
    law = permuted(point.model.features, n, order)
    model = point.at(features=law, importance=point.model.importances()[order])
    found = engine.loss(model, point.weights[:, order], point.bias[order])
    assert_same_loss(point.model, found, engine.loss(point.model, point.weights, point.bias), slack=engine.slack)


@every_engine
@given(point=points())
@settings(max_examples=40)
@held_by_each
def test_flipping_every_weight_changes_nothing(engine: Engine, point: Point) -> None:
    model, W, b = point.model, point.weights, point.bias
    assert engine.gradient is not None
    assert_same_loss(model, engine.loss(model, -W, b), engine.loss(model, W, b), "rounding")
    cut = W.size
    gradient, flipped = engine.gradient(model, W, b), engine.gradient(model, -W, b)
    assert_entries_close(flipped, np.concatenate([-gradient[:cut], gradient[cut:]]), "rounding")


@every_loss
@given(point=points(min_hidden=2, max_hidden=2, penalties=ROUND_PENALTIES), angle=st.floats(0, 2 * np.pi))
@MANY
@held_by_each
def test_rotating_the_hidden_space_changes_nothing(engine: Engine, point: Point, angle: float) -> None:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    # At constant amplitudes the loss is kinked but still continuous: rounding in WᵀW moves it by rounding.
    found = engine.loss(point.model, turn @ point.weights, point.bias)
    assert_same_loss(point.model, found, engine.loss(point.model, point.weights, point.bias), slack=engine.slack)


@every_engine
@given(point=smooth_points(min_hidden=2, penalties=ROUND_PENALTIES), data=st.data())
@settings(max_examples=30)
@held_by_each
def test_turning_the_weights_turns_the_gradient(engine: Engine, point: Point, data: st.DataObject) -> None:
    """∇L(QW) = Q ∇L(W) for orthogonal Q, so H·(AW) = A ∇L for antisymmetric A."""
    assert engine.gradient is not None
    assert engine.hessian is not None
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


@every_loss
@given(
    point=points(penalties=["no penalty"]), data=st.data(), factors=st.tuples(st.floats(0.1, 10), st.floats(0.1, 10))
)
@MANY
@held_by_each
def test_the_loss_is_linear_in_the_importances(
    engine: Engine, point: Point, data: st.DataObject, factors: tuple[float, float]
) -> None:
    first = point.model.importances()
    second = data.draw(vectors(IMPORTANCE, point.model.n_features))
    parts = [engine.loss(point.at(importance=i), point.weights, point.bias) for i in (first, second)]
    combined = point.at(importance=factors[0] * first + factors[1] * second)
    found = engine.loss(combined, point.weights, point.bias)
    assert_same_loss(combined, found, factors[0] * parts[0] + factors[1] * parts[1], slack=engine.slack)


@every_loss
@given(point=points())
@MANY
@held_by_each
def test_the_loss_is_not_negative(engine: Engine, point: Point) -> None:
    loss = engine.loss(point.model, point.weights, point.bias)
    assert loss >= -engine.bar("loss") * loss_scale(point.model, 0.0)


@every_loss
@given(point=points(amplitudes=["uniform", "constant", "bounded away from zero"], penalties=["no penalty"]))
@MANY
@held_by_each
def test_a_dimension_for_every_feature_costs_nothing(engine: Engine, point: Point) -> None:
    n = point.model.n_features
    assert_same_loss(point.model, engine.loss(point.at(n_hidden=n), np.eye(n), np.zeros(n)), 0.0, slack=engine.slack)


@every_loss
@given(point=points(penalties=["no penalty"]), size=st.floats(0.1, 10))
@MANY
@held_by_each
def test_larger_amplitudes_are_smaller_biases(engine: Engine, point: Point, size: float) -> None:
    """ReLU(G c x + b) = c ReLU(G x + b / c): amplitudes c u at biases b cost c² as much as u at b / c."""
    law = point.model.features
    scaled = Amplitude(float(law.amplitude.low) * size, float(law.amplitude.high) * size)
    model = point.at(features=replace(law, amplitude=scaled))
    expected = size**2 * engine.loss(point.model, point.weights, point.bias / size)
    assert_same_loss(model, engine.loss(model, point.weights, point.bias), expected, slack=engine.slack)


@every_loss_of_a_table
@given(point=points())
@MANY
@held_by_each
def test_a_law_is_no_more_than_its_patterns(engine: Engine, point: Point) -> None:
    model = point.at(features=as_table(point.model.features, point.model.n_features))
    found = engine.loss(model, point.weights, point.bias)
    assert_same_loss(point.model, found, engine.loss(point.model, point.weights, point.bias), slack=engine.slack)


@every_loss_of_a_table
@given(point=points(laws=["table"]), share=st.floats(0, 1).map(lambda x: x if x > SMALLEST_SHARE else 0.0))
@MANY
@held_by_each
def test_the_loss_is_linear_in_the_law(engine: Engine, point: Point, share: float) -> None:
    n = point.model.n_features
    first = as_table(point.model.features, n)
    second = as_table(IndependentFeatures(0.3, amplitude=first.amplitude), n)
    chances: dict[tuple[int, ...], Any] = {}
    for part, law in ((1 - share, first), (share, second)):
        for active, chance in law.table.items():
            chances[active] = chances.get(active, 0.0) + part * float(chance)
    losses = [engine.loss(point.at(features=law), point.weights, point.bias) for law in (first, second)]
    mixed = point.at(features=TableFeatures(chances, amplitude=first.amplitude))
    expected = (1 - share) * losses[0] + share * losses[1]
    assert_same_loss(mixed, engine.loss(mixed, point.weights, point.bias), expected, slack=engine.slack)


@every_loss
@pytest.mark.parametrize("penalty", ["interference_penalty", "weight_penalty", "activation_penalty"])
@given(point=points(penalties=["no penalty"]), size=st.floats(0.01, 10))
@FEWER
@held_by_each
def test_the_loss_is_linear_in_each_penalty(engine: Engine, penalty: str, point: Point, size: float) -> None:
    losses = [engine.loss(point.at(**{penalty: x}), point.weights, point.bias) for x in (0.0, 1.0, size)]
    assert losses[1] >= losses[0] - engine.bar("loss") * loss_scale(point.model, losses[0])
    expected = losses[0] + size * (losses[1] - losses[0])
    assert_same_loss(point.model, losses[2], expected, "law", slack=engine.slack) if size <= 1 else assert_same_loss(
        point.model, losses[2] / size, expected / size, "law", slack=engine.slack
    )


BLOCKS = [((0, 1), (2,)), ((0,), (1, 2)), ((0, 2), (1,)), ((0,), (1,), (2,))]


@every_loss_of_a_table
@pytest.mark.parametrize("blocks", BLOCKS, ids=str)
@given(point=points(min_features=LARGEST))
@FEWER
@held_by_each
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
        part = replace(
            model,
            n_features=len(chosen),
            n_hidden=1,
            features=as_table(model.features, LARGEST, chosen),
            importance=model.importances()[chosen],
        )
        parts += engine.loss(part, row[None, chosen], point.bias[chosen])
    whole = point.at(n_hidden=len(blocks))
    assert_same_loss(whole, engine.loss(whole, weights, point.bias), parts, slack=engine.slack)


# --- Limits of the density ---------------------------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize("density", [1e-3, 1e-6, 1e-12], ids=str)
@given(point=points(laws=["independent"], penalties=["no penalty"]))
@FEWER
@held_by_each
def test_without_active_features_only_positive_biases_cost(engine: Engine, density: float, point: Point) -> None:
    model = point.at(density=density)
    gram, b = np.abs(point.weights.T @ point.weights), point.bias
    size = max(abs(float(end)) for end in (model.features.amplitude.low, model.features.amplitude.high))
    silent = float(model.importances() @ np.maximum(b, 0) ** 2)
    # No input costs more than this, and with probability (1 − p)^n ≥ 1 − n p none is active.
    largest = float(model.importances() @ (size + np.abs(b) + size * gram.sum(axis=1)) ** 2)
    found = engine.loss(model, point.weights, b)
    assert abs(found - silent) <= model.n_features * density * largest + engine.bar("loss") * loss_scale(model, silent)


@every_loss
@given(point=points(laws=["independent"], penalties=["no penalty"]))
@FEWER
@held_by_each
def test_at_full_density_only_the_full_pattern_counts(engine: Engine, point: Point) -> None:
    model = point.at(density=1.0)
    expected = pattern_loss(model, point.weights, point.bias, tuple(range(model.n_features)))
    assert_same_loss(model, engine.loss(model, point.weights, point.bias), expected, "loss", slack=engine.slack)


@every_loss
@given(point=points(laws=["independent"]), data=st.data())
@FEWER
@held_by_each
def test_the_loss_is_linear_in_each_density(engine: Engine, point: Point, data: st.DataObject) -> None:
    """Density enters through P(A) alone, which is linear in each p_i: three densities lie on a line."""
    feature = data.draw(st.integers(0, point.model.n_features - 1))
    low, high, share = 0.125, 1.0, data.draw(st.floats(0, 1))

    def loss(p: float) -> float:
        density = densities(point.model).copy()
        density[feature] = p
        return float(engine.loss(point.at(density=density), point.weights, point.bias))

    found = loss((1 - share) * low + share * high)
    assert_same_loss(point.at(density=1.0), found, (1 - share) * loss(low) + share * loss(high), slack=engine.slack)


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
@held_by_each
def test_the_gradient_is_the_slope_of_the_loss(engine: Engine, point: Point) -> None:
    assert engine.gradient is not None
    gradient = engine.gradient(point.model, point.weights, point.bias)
    differences = central_differences(lambda W, b: engine.loss(point.model, W, b), point)
    np.testing.assert_allclose(gradient, differences, rtol=0, atol=tolerance("difference") * entry_scale(gradient))


@every_engine
@given(point=smooth_points())
@settings(max_examples=30)
@held_by_each
def test_the_hessian_is_the_slope_of_the_gradient(engine: Engine, point: Point) -> None:
    gradient, exact = engine.gradient, engine.hessian
    assert gradient is not None
    assert exact is not None
    hessian = exact(point.model, point.weights, point.bias)
    differences = central_differences(lambda W, b: gradient(point.model, W, b), point)
    np.testing.assert_allclose(hessian, differences, rtol=0, atol=tolerance("difference") * entry_scale(hessian))


# --- Oracles -----------------------------------------------------------------------------------------------------


@every_loss
@given(point=points())
@settings(max_examples=100)
def test_the_loss_is_accurate_everywhere(engines: Engines, point: Point) -> None:
    expected = oracle(point.model, point.weights, point.bias).loss
    for name, engine in engines.items():
        note(f"engine: {name}")
        found = engine.loss(point.model, point.weights, point.bias)
        assert_same_loss(point.model, found, expected, "loss", slack=engine.slack)


@every_engine
@given(point=points(amplitudes=[name for name in AMPLITUDES if "constant" not in name]))
@settings(max_examples=60)
def test_the_gradient_is_accurate_where_there_is_one(engines: Engines, point: Point) -> None:
    # An output that isn't stored and rests on zero has a gradient on either side, and so has a hidden unit.
    assume((((point.weights**2).sum(axis=0) > 0) | (point.bias != 0)).all())
    assume(not point.model.activation_penalty or (point.weights != 0).all())
    expected = oracle(point.model, point.weights, point.bias, order=1).gradient
    for name, engine in engines.items():
        note(f"engine: {name}")
        assert engine.gradient is not None
        found = engine.gradient(point.model, point.weights, point.bias)
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance("gradient") * entry_scale(expected))


SAMPLE_BUDGET = 1 << 20
TARGET_ERROR = 2e-3


@pytest.mark.parametrize("penalty", ["no penalty", "all penalties"])
@pytest.mark.parametrize("amplitude", ["uniform", "symmetric", "constant"])
@pytest.mark.parametrize("law", LAWS)
def test_sampling_agrees_within_its_standard_error(law: str, amplitude: str, penalty: str) -> None:
    seed = ANY_LAW.index(law)
    rng = np.random.default_rng(seed)
    n, m = ((2, 1), (2, 2), (3, 1), (3, 2), (4, 2), (6, 2))[seed]
    features = LAWS[law](rng, n, AMPLITUDES[amplitude])
    if isinstance(features, IndependentFeatures | CorrelatedFeatures):
        features = replace(features, density=0.4, _exact=None)
    model = ToyModel(n, m, features, rng.uniform(0.5, 2, n), **PENALTIES[penalty])
    weights, bias = 0.7 * rng.normal(size=(m, n)), 0.2 * rng.normal(size=n)
    exact = ENGINES["numpy"].loss(model, weights, bias)
    target = 2 * TARGET_ERROR * loss_scale(model, exact)
    estimate = sampled_loss(model, weights, bias, target, SAMPLE_BUDGET, seed)
    assert estimate.standard_error < target, f"budget spent: {estimate}"
    assert abs(estimate.mean - exact) <= SIGMAS * estimate.standard_error + tolerance("loss") * loss_scale(model, exact)
