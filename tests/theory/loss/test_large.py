"""Losses of numbers so large, or that cancel so far, that plain squares and sums fail: against exact rationals."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from tegum.theory import Amplitude, IndependentFeatures, ToyModel, expected_loss, loss_gradient, loss_hessian
from tegum.theory.loss import ArrayEngine, CompiledEngine, SpectralEngine
from tests.support.internals import internals
from tests.support.laws import PENALTIES, independent
from tests.support.rationals import as_float, rational_loss
from tests.support.tolerances import entry_scale, tolerance

# Behind the face: scaling where it isn't needed, so that it can be held to what is evaluated without.
scaled = internals("loss.large").scaled

HALF = {"features": IndependentFeatures(0.5)}
POINTS: dict[str, tuple[dict[str, Any], Any, Any]] = {
    "a square that cancels its bias": (
        {"features": IndependentFeatures(0.5, amplitude="constant")},
        [[735.8718510815356]],
        [-541507.3806726583],
    ),
    "a large weight beside a small one": (HALF, [[1e76, 1]], [0, 0]),
    "a large output that is never on": (HALF, [[1.0, 0.5]], [-1e300, 0.1]),
    "both": (HALF, [[1e70, -1e-70]], [-1e200, 1e-3]),
    "a small importance of a loss that overflows": (HALF | {"importance": (1e-250, 1.0)}, [[1e100, 1e-120]], [0, 0.5]),
    "a large importance": (HALF | {"importance": (1.0, 1e300)}, [[1.0, 1e-3]], [0.1, -0.2]),
    "large amplitudes": ({"features": IndependentFeatures(0.5, amplitude=Amplitude(0, 1e150))}, [[1, 0.5]], [0, 1e140]),
    "unlikely features": ({"features": IndependentFeatures(1e-300)}, [[1e75, 1e70]], [-1e150, 1e-10]),
    "small numbers": (HALF, [[1e-170, 5e-324]], [1e-160, -5e-324]),
}


@pytest.mark.parametrize("engine", [CompiledEngine, ArrayEngine])
@pytest.mark.parametrize("name", POINTS)
def test_the_loss_is_right_and_its_error_a_bound(name: str, engine: type) -> None:
    changes, weights, bias = POINTS[name]
    W, b = np.array(weights, dtype=float), np.array(bias, dtype=float)
    model = ToyModel(W.shape[1], W.shape[0], **changes)
    exact, signal, _ = rational_loss(model, W, b)
    for order in (0, 1, 2):
        found = engine(model).evaluate(W, b, order)
        off = abs(Fraction(float(found.loss)) - exact)
        assert off <= Fraction(float(found.error))
        # By chance features are on of which the bound doesn't know how seldom.
        if name != "unlikely features":
            assert float(found.error) <= tolerance("loss") * as_float(exact + signal)
        for part in (found.d_weights, found.d_bias, found.hessian)[: 3 if order == 2 else 2 * order]:
            assert not np.isnan(part).any()


def test_what_overflows_is_infinite() -> None:
    model = independent(2, 1, 0.5)
    assert expected_loss(model, [[1e78, 1]], [0, 0]) == np.inf
    d_weights, d_bias = loss_gradient(model, [[1e78, 1]], [0, 0])
    # Of E(x − w² x)² p with w = 10^78, and of the other output, which is w x: p² / 2 · 2 w³ … at leading order.
    assert np.isfinite(d_weights).all()
    assert np.isfinite(d_bias).all()
    np.testing.assert_allclose(d_weights[0, 0], 4 * 1e234 * 0.5 / 3, rtol=1e-9)
    assert not np.isnan(loss_hessian(model, [[1e200, 1e-200]], [0, -1e308])).any()


@pytest.mark.parametrize("weights", [(0.5, 0.5), (0.5, -0.5), (-0.5, 0.2)])
@pytest.mark.parametrize("importance", [1e290, 1e300])
def test_derivatives_that_overflow_with_both_signs_have_one(importance: float, weights: tuple[float, float]) -> None:
    law = IndependentFeatures(0.5, amplitude=Amplitude(0, 1e10))
    model = ToyModel(2, 1, law, importance, activation_penalty=1e300)
    # The same with all factors of the loss smaller by 2^-600.
    small = ToyModel(2, 1, law, importance * 2.0**-600, activation_penalty=1e300 * 2.0**-600)
    W, b = np.array([weights]), np.zeros(2)
    for engine in (CompiledEngine, ArrayEngine):
        found, true = engine(model).evaluate(W, b, 2), engine(small).evaluate(W, b, 2)
        with np.errstate(over="ignore"):
            for name in ("d_weights", "d_bias", "hessian"):
                np.testing.assert_allclose(getattr(found, name), np.ldexp(getattr(true, name), 600), rtol=1e-9)


@pytest.mark.parametrize("amplitude", ["uniform", "symmetric", "constant"])
@pytest.mark.parametrize("penalty", PENALTIES)
def test_scaling_changes_nothing_where_it_is_not_needed(penalty: str, amplitude: str) -> None:
    rng = np.random.default_rng(0)
    law = IndependentFeatures(0.3, amplitude=amplitude)
    model = ToyModel(3, 2, law, (1.0, 0.5, 2.0), **PENALTIES[penalty])
    W, b = rng.normal(size=(6, 2, 3)), 0.3 * rng.normal(size=(6, 3))
    found, other = ArrayEngine(model).evaluate(W, b, 2, outputs=True), scaled(model, W, b, 2, True)
    assert set(other) == {"loss", "output_losses", "d_weights", "d_bias", "hessian"}
    for name, part in other.items():
        expected = getattr(found, name)
        np.testing.assert_allclose(part, expected, rtol=0, atol=tolerance("law") * entry_scale(expected), err_msg=name)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_powers_of_two_are_no_matter(penalty: str) -> None:
    """L(2^k W, 4^k b; x / 4^k …) scales exactly: with amplitudes 4^k larger and importances 16^k smaller."""
    rng = np.random.default_rng(1)
    W, b, k = rng.normal(size=(4, 2, 3)), 0.3 * rng.normal(size=(4, 3)), 70
    small = ToyModel(3, 2, IndependentFeatures(0.3), 1.0, **PENALTIES[penalty])
    # (W, 4^k b, 4^k x): outputs are 4^k times as large, and ‖Wx‖₁ is.
    changes = dict(PENALTIES[penalty])
    if "activation_penalty" in changes:
        changes["activation_penalty"] = changes["activation_penalty"] / 4.0**k
    law = IndependentFeatures(0.3, amplitude=Amplitude(0, 2.0 ** (2 * k)))
    large = ToyModel(3, 2, law, 2.0 ** (-4 * k), **changes)
    for engine in (CompiledEngine, ArrayEngine):
        one, other = engine(small).evaluate(W, b, 2), engine(large).evaluate(W, np.ldexp(b, 2 * k), 2)
        np.testing.assert_allclose(other.loss, one.loss, rtol=tolerance("law"))
        np.testing.assert_allclose(other.d_weights, one.d_weights, rtol=0, atol=tolerance("law") * 10)
        np.testing.assert_allclose(np.ldexp(other.d_bias, 2 * k), one.d_bias, rtol=0, atol=tolerance("law") * 10)
        cut = W[0].size
        np.testing.assert_allclose(
            other.hessian[:, :cut, :cut], one.hessian[:, :cut, :cut], rtol=0, atol=tolerance("law") * 100
        )


def test_a_model_is_scaled_alone_as_in_a_batch() -> None:
    model = independent(3, 2, 0.3)
    rng = np.random.default_rng(2)
    W, b = rng.normal(size=(5, 2, 3)), rng.normal(size=(5, 3))
    W[1] *= 1e75
    b[3] *= 1e290
    for engine in (CompiledEngine(model), ArrayEngine(model)):
        together = engine.evaluate(W, b, 2)
        for k in range(len(W)):
            alone = engine.evaluate(W[k], b[k], 2)
            for name in ("loss", "d_weights", "d_bias", "hessian"):
                np.testing.assert_array_equal(getattr(together, name)[k], getattr(alone, name))


def test_batches_of_models_keep_their_parameters() -> None:
    density = np.array([0.1, 0.7])[:, None]
    model = ToyModel(2, 1, IndependentFeatures(density), [[1.0, 0.5], [2.0, 1.0]])
    W, b = np.array([[[1e72, 1.0]], [[1e72, 1.0]]]), np.zeros(2)
    together = expected_loss(model, W, b)
    for k in range(2):
        assert together[k] == expected_loss(model.take(k), W[k], b)


def test_single_precision_is_scaled_as_well() -> None:
    model = independent(2, 1, 0.5)
    W, b = torch.tensor([[3e9, 1e-3]]), torch.zeros(2)
    found = expected_loss(model, W, b)
    assert found.dtype == torch.float32
    exact, *_ = rational_loss(model, W.double().numpy(), b.double().numpy())
    np.testing.assert_allclose(float(found), float(exact), rtol=tolerance("loss", "float32"))


@pytest.mark.parametrize("end", [0.1, 0.3, 0.7, 1.1])
def test_ends_of_amplitudes_are_not_rounded_in_single_precision(end: float) -> None:
    model = ToyModel(1, 1, IndependentFeatures(0.5, amplitude=Amplitude(end, end)))
    for square in (1e3, 2e3, 1e5):
        W = torch.tensor([[square**0.5]])
        b = torch.tensor([2.5 * end - end * float(W[0, 0]) ** 2])
        found = ArrayEngine(model, W).evaluate(W, b, 0)
        exact, signal, _ = rational_loss(model, W.double().numpy(), b.double().numpy())
        off = abs(Fraction(float(found.loss)) - exact)
        assert off <= Fraction(float(found.error))
        assert off <= tolerance("loss", "float32") * (exact + signal)


def test_transforms_are_refused_in_words() -> None:
    model = independent(2, 1, 0.5)
    for W, b in (([[1e150, 1.0]], [0.0, 0.0]), ([[1.0, 1.0]], [1e300, 0.0])):
        with pytest.raises(ValueError, match="transforms are inverted for weights below"):
            SpectralEngine(model).evaluate(np.array(W), np.array(b), 0)
