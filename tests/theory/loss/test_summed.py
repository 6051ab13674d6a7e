"""Finitely many inputs: the loss as a plain sum, within its bound of the truth, and with the derivatives of others."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tegum.theory import (
    AnticorrelatedFeatures,
    DataFeatures,
    ExactLoss,
    FeatureLaw,
    IndependentFeatures,
    MixtureFeatures,
    TableFeatures,
    ToyModel,
    enclosure,
    expected_loss,
    loss_gradient,
    loss_hessian,
    polish,
)
from tegum.theory.loss import ArrayEngine, CompiledEngine, SummedEngine, engine_for, linear_loss
from tegum.theory.minima import random_minima
from tegum.theory.numerics import FloatArray
from tests.support.cases import draw_cases
from tests.support.laws import EVERY_LAW
from tests.support.oracles import oracle
from tests.support.tolerances import USED_UP, tolerance

CONSTANT = ("constant", "constant, negative")


def circle(n: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return chances Q[position, feature] of a position on a circle, weights and biases."""
    angles = 2 * np.pi * np.arange(n) / n
    chances = 1 / (1 + np.exp(-10 * np.cos(angles[:, None] - angles)))
    return chances, 0.6 * np.stack([np.cos(angles), np.sin(angles)]), np.full(n, 0.3)


def every_pattern(n: int) -> FloatArray:
    return np.array(list(product((0.0, 1.0), repeat=n)))


def direct(x: FloatArray, chances: FloatArray, weights: FloatArray, bias: FloatArray) -> float:
    residual = x - np.maximum(x @ weights.T @ weights + bias, 0)
    return float((chances * (residual**2).sum(axis=1)).sum())


def test_twelve_binary_features_whose_chances_follow_a_position_on_a_circle() -> None:
    Q, W, b = circle(12)
    x = every_pattern(12)
    chances = np.where(x[:, None] > 0, Q, 1 - Q).prod(axis=-1).mean(axis=1)
    chances /= chances.sum()
    table = {tuple(np.flatnonzero(row).tolist()): p for row, p in zip(x, chances, strict=True)}
    mixture = MixtureFeatures([Fraction(1, 12)] * 12, [IndependentFeatures(row, amplitude="constant") for row in Q])
    for law in (TableFeatures(table, amplitude="constant"), mixture, DataFeatures(x, chances)):
        model = ToyModel(12, 2, law)
        found = ExactLoss(model).engine.evaluate(W, b, 0)
        assert float(found.loss) == pytest.approx(1.3366000153, abs=5e-11)
        assert abs(float(found.loss) - direct(x, chances, W, b)) <= float(found.error) < 1e-12
    assert isinstance(engine_for(ToyModel(12, 2, mixture.laws[0])), SummedEngine)


@pytest.mark.parametrize(("density", "bias"), [(0.1, 0.0), (0.5, -0.36)])
def test_independent_binary_features_are_summed_over(density: float, bias: float) -> None:
    _, W, _ = circle(12)
    x, b = every_pattern(12), np.full(12, bias)
    chances = (np.where(x > 0, density, 1 - density)).prod(axis=1)
    found = expected_loss(ToyModel(12, 2, IndependentFeatures(density, amplitude="constant")), W, b)
    assert float(found) == pytest.approx(direct(x, chances, W, b), rel=1e-14)


@pytest.mark.parametrize("law", EVERY_LAW)
@pytest.mark.parametrize("amplitude", CONSTANT)
def test_the_bound_covers_fifty_digits(law: str, amplitude: str) -> None:
    for case in draw_cases(12, start=500, law=law, amplitude=amplitude):
        found = SummedEngine(case.model).evaluate(case.weights, case.bias, 0, outputs=True)
        expected = oracle(case.model, case.weights, case.bias).loss
        error = float(found.error)
        assert abs(float(found.loss) - expected) <= max(USED_UP * error, 1e-300), case.name
        assert abs(float(found.loss) - expected) <= tolerance("loss") * case.loss_scale(expected), case.name


def test_a_bias_that_cancels_large_overlaps_leaves_all_digits() -> None:
    """z = b + W² is a billionth of its terms."""
    law = IndependentFeatures(0.5, amplitude="constant")
    W, b = np.diag(np.linspace(700, 760, 8)), np.full(8, -541507.38)
    model = ToyModel(8, 8, law)
    found = engine_for(model).evaluate(W, b, 0)
    assert isinstance(engine_for(model), SummedEngine)
    exact = Fraction(0)
    for w, c in zip(np.diag(W).tolist(), b.tolist(), strict=True):
        for on in (0, 1):
            exact += (max(on * Fraction(w) ** 2 + Fraction(c), Fraction(0)) - on) ** 2 / 2
    assert abs(Fraction(float(found.loss)) - exact) <= Fraction(1e-13) * exact
    assert abs(Fraction(float(found.loss)) - exact) <= Fraction(float(found.error)) <= Fraction(1e-12) * exact


@pytest.mark.parametrize("law", EVERY_LAW)
@pytest.mark.parametrize("points", ["random", "ties", "short", "corners", "dead", "polytope", "tiny"])
def test_derivatives_are_those_of_enumeration_also_on_kinks(law: str, points: str) -> None:
    """z = 0 is decided with twice the digits in both, so that they agree on both sides and on the kink itself."""
    for case in draw_cases(4, start=900, law=law, amplitude="constant", points=points):
        summed, compiled = (
            ExactLoss.by(kind(case.model)).loss_gradient_hessian(case.weights, case.bias)
            for kind in (SummedEngine, CompiledEngine)
        )
        for mine, theirs, purpose in zip(summed, compiled, ("loss", "gradient", "gradient", "hessian"), strict=True):
            scale = case.entry_scale(float(np.abs(theirs).max()))
            np.testing.assert_allclose(mine, theirs, rtol=0, atol=tolerance(purpose) * scale, err_msg=case.name)


def test_the_engine_is_chosen_by_inputs() -> None:
    few, many = (IndependentFeatures(0.2, amplitude="constant"), IndependentFeatures(0.2))
    assert isinstance(engine_for(ToyModel(6, 2, few)), CompiledEngine)
    assert isinstance(engine_for(ToyModel(16, 2, few)), SummedEngine)
    assert not isinstance(engine_for(ToyModel(12, 2, many)), SummedEngine)
    assert isinstance(engine_for(ToyModel(2, 1, DataFeatures(np.eye(2)))), SummedEngine)
    with pytest.raises(
        ValueError, match=r"summed over at most 1048576 inputs .* got IndependentFeatures of 30 features"
    ):
        SummedEngine(ToyModel(30, 2, few))


def test_more_inputs_are_summed_over_where_all_features_interact() -> None:
    """Seventeen binary features: transforms are off by 1e-7 there."""
    rng = np.random.default_rng(3)
    W, b, p = rng.normal(size=(3, 17)) / 2, rng.normal(size=17) / 5, 0.2
    x = every_pattern(17)
    chances = (np.where(x > 0, p, 1 - p)).prod(axis=1)
    found = engine_for(ToyModel(17, 3, IndependentFeatures(p, amplitude="constant"))).evaluate(W, b, 0)
    assert float(found.loss) == pytest.approx(direct(x, chances, W, b), rel=1e-13)
    assert float(found.error) < 1e-11


def test_batches_and_parts_of_them_are_the_models_one_by_one() -> None:
    law = AnticorrelatedFeatures(np.array([[[0.1]], [[0.3]]]), [(0, 1, 2)], amplitude="constant")
    model = ToyModel(8, 2, law, np.ones((3, 1)), interference_penalty=0.1, activation_penalty=[[0.2], [0.3]])
    rng = np.random.default_rng(0)
    W, b = rng.normal(size=(3, 2, 8)), rng.normal(size=(2, 1, 8)) / 4
    engine = engine_for(model)
    assert isinstance(engine, SummedEngine)
    whole = engine.evaluate(W, b, 2, outputs=True)
    assert whole.hessian.shape == (2, 3, 24, 24)
    for i, j in np.ndindex(2, 3):
        alone = engine_for(model.take((i, j))).evaluate(W[j], b[i, 0], 2, outputs=True)
        part = engine.take((i, j)).evaluate(W[j], b[i, 0], 2)
        for name in ("loss", "d_weights", "d_bias", "hessian", "output_losses", "error"):
            np.testing.assert_allclose(getattr(whole, name)[i, j], getattr(alone, name), rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(part.hessian, alone.hessian, rtol=1e-12, atol=1e-14)


# --- Data --------------------------------------------------------------------------------------------------------

NUMBERS = st.integers(-8, 8).map(lambda k: k / 4)


@st.composite
def data_models(draw: st.DrawFn) -> tuple[ToyModel, FloatArray, FloatArray]:
    n, count = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    m = draw(st.integers(1, n))

    def array(*shape: int) -> FloatArray:
        size = int(np.prod(shape))
        return np.reshape(draw(st.lists(NUMBERS, min_size=size, max_size=size)), shape)

    x = array(count, n)
    x[0, 0] = 1.0
    shares = draw(st.lists(st.integers(0, 9), min_size=count, max_size=count))
    shares[0] += 1
    weights = [Fraction(share, sum(shares)) for share in shares]
    return (
        ToyModel(n, m, DataFeatures(x, np.array(weights)), weight_penalty=draw(st.sampled_from([0.0, 0.25]))),
        array(m, n),
        array(n),
    )


def rational(model: ToyModel, weights: FloatArray, bias: FloatArray) -> tuple[Fraction, list[Fraction]]:
    """Return loss and gradient by the definition, in rational numbers, with R_0(0) = 0."""
    law: Any = model.features
    m, n = weights.shape
    W, b = [[Fraction(w) for w in row] for row in weights.tolist()], [Fraction(c) for c in bias.tolist()]
    decay = Fraction(float(model.weight_penalty))
    loss = decay * sum(w * w for row in W for w in row)
    slopes = [2 * decay * w for row in W for w in row] + [Fraction(0)] * n
    for row, share in zip(law.inputs.tolist(), law.weights.tolist(), strict=True):
        x = [Fraction(v) for v in row]
        hidden = [sum(w * v for w, v in zip(line, x, strict=True)) for line in W]
        for i in range(n):
            z = sum(W[h][i] * hidden[h] for h in range(m)) + b[i]
            residual = max(z, Fraction(0)) - x[i]
            loss += Fraction(share) * residual**2
            if z > 0:
                factor = 2 * Fraction(share) * residual
                slopes[m * n + i] += factor
                for h in range(m):
                    slopes[h * n + i] += factor * hidden[h]
                    for j in range(n):
                        slopes[h * n + j] += factor * W[h][i] * x[j]
    return loss, slopes


@given(data_models())
def test_data_are_their_definition_in_rational_numbers(drawn: tuple[ToyModel, FloatArray, FloatArray]) -> None:
    model, W, b = drawn
    found = engine_for(model).evaluate(W, b, 1)
    loss, slopes = rational(model, W, b)
    assert abs(Fraction(float(found.loss)) - loss) <= Fraction(float(found.error))
    gradient = np.concatenate([found.d_weights.ravel(), found.d_bias])
    np.testing.assert_allclose(gradient, [float(s) for s in slopes], rtol=1e-13, atol=1e-13)


def test_tensors_of_both_precisions_and_autograd_take_data() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(30, 5))
    model, W, b = ToyModel(5, 2, DataFeatures(x)), rng.normal(size=(2, 5)), rng.normal(size=5) / 3
    exact, slopes = expected_loss(model, W, b), loss_gradient(model, W, b)
    for dtype, bar in ((torch.float64, 1e-13), (torch.float32, 1e-5)):
        w, c = (torch.tensor(array, dtype=dtype, requires_grad=True) for array in (W, b))
        found = expected_loss(model, w, c)
        assert found.dtype == dtype
        assert float(found.detach()) == pytest.approx(float(exact), rel=bar)
        own = torch.autograd.grad(found, (w, c))
        np.testing.assert_allclose(own[0].numpy(), slopes[0], rtol=10 * bar, atol=10 * bar)
        error = float(engine_for(model, w.detach()).evaluate(w.detach(), c.detach(), 0).error)
        assert abs(float(found.detach()) - float(exact)) <= error
    step = 1e-5

    def shift(h: float) -> FloatArray:
        return np.concatenate([g.ravel() for g in loss_gradient(model, W, b + h * np.eye(5)[2])])

    numeric = (shift(step) - shift(-step)) / (2 * step)
    np.testing.assert_allclose(loss_hessian(model, W, b)[:, -3], numeric, atol=1e-6)


def test_a_data_set_is_fitted() -> None:
    """Two features on one axis with opposite signs are stored without loss."""
    model = ToyModel(2, 1, DataFeatures([[1.0, 0.0], [0.0, 1.0], [0.5, 0.0]]))
    ended = polish(model.take((None,)), np.array([[[0.9, -1.1]]]), np.full((1, 2), 0.1))
    assert ended.loss[0] == pytest.approx(0.0, abs=1e-12)
    assert random_minima(model, starts=16)[0].point.loss == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    "law", [DataFeatures(np.eye(7)), IndependentFeatures(0.5, amplitude="constant")], ids=["data", "binary"]
)
def test_no_models_have_no_losses(law: FeatureLaw) -> None:
    model = ToyModel(7, 2, law).take((None,)).take(np.zeros(0, dtype=int))
    found = engine_for(model).evaluate(np.zeros((0, 2, 7)), np.zeros((0, 7)), 2)
    assert (found.loss.shape, found.hessian.shape, found.error.shape) == ((0,), (0, 21, 21), (0,))


REFUSED: dict[str, Any] = {
    "enclosure": lambda model: enclosure(model, [[1, -1]], [0, 0]),
    "arrays": lambda model: ArrayEngine(model).evaluate(np.ones((1, 2)), np.zeros(2), 0),
    "transforms": lambda model: expected_loss(model, np.ones((1, 2)), np.zeros(2), method="spectral"),
    "linear": lambda model: linear_loss(model, np.ones((1, 2)), np.zeros(2)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_needs_amplitudes_refuses_data_by_name(name: str) -> None:
    with pytest.raises(ValueError, match="DataFeatures lists its inputs, and has no amplitudes"):
        REFUSED[name](ToyModel(2, 1, DataFeatures(np.eye(2))))


def test_numbers_too_large_are_refused() -> None:
    law: FeatureLaw = DataFeatures(np.eye(2))
    with pytest.raises(ValueError, match="losses are summed over data for weights below"):
        expected_loss(ToyModel(2, 1, law), np.full((1, 2), 1e60), np.zeros(2))
