"""A loss is linear in the law of its inputs: mixtures at any number of features, through the engines of their laws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tegum.theory import (
    CorrelatedFeatures,
    ExactLoss,
    FeatureLaw,
    IndependentBlocks,
    IndependentFeatures,
    KHotFeatures,
    MixtureFeatures,
    OneHotFeatures,
    ToyModel,
    circular_features,
    expected_loss,
    loss_hessian,
)
from tegum.theory.loss import ArrayEngine, CompiledEngine, MixtureEngine, engine_for
from tegum.theory.numerics import FloatArray
from tests.support.tolerances import tolerance

SHARES = (0.3, 0.5, 0.2)
PENALTIES: dict[str, Any] = {"interference_penalty": 0.1, "weight_penalty": 0.02, "activation_penalty": 0.3}


def laws(amplitude: str) -> list[FeatureLaw]:
    return [
        CorrelatedFeatures(0.2, [(0, 1, 7)], amplitude=amplitude),
        IndependentFeatures(np.linspace(0.1, 0.9, 8), amplitude=amplitude),
        OneHotFeatures(amplitude=amplitude),
    ]


def point(n: int, m: int, *batch: int) -> tuple[FloatArray, FloatArray]:
    """Return weights under which only neighbours interact, so that all are enumerated, and biases."""
    rng = np.random.default_rng([n, m])
    W = np.zeros((*batch, m, n))
    W[..., np.arange(n) * m // n, np.arange(n)] = rng.normal(size=(*batch, n))
    return W, rng.normal(size=(*batch, n)) / 4


@pytest.mark.parametrize("amplitude", ["uniform", "symmetric", "constant"])
def test_the_loss_of_a_mixture_is_the_mean_of_the_losses_of_its_laws(amplitude: str) -> None:
    each = laws(amplitude)
    model = ToyModel(8, 3, MixtureFeatures(SHARES, each), np.linspace(1, 2, 8), **PENALTIES)
    W, b = point(8, 3)
    found = ExactLoss(model)
    assert isinstance(found.engine, MixtureEngine)
    parts = [ExactLoss(ToyModel(8, 3, law, np.linspace(1, 2, 8), **PENALTIES)) for law in each]
    mine, theirs = found.loss_gradient_hessian(W, b), [part.loss_gradient_hessian(W, b) for part in parts]
    for place, value in enumerate(mine):
        expected = sum(share * part[place] for share, part in zip(SHARES, theirs, strict=True))
        np.testing.assert_allclose(value, expected, rtol=1e-13, atol=1e-13)
    outputs = sum(share * part.output_losses(W, b) for share, part in zip(SHARES, parts, strict=True))
    np.testing.assert_allclose(found.output_losses(W, b), outputs, rtol=1e-13, atol=1e-15)
    # And the patterns of all laws together, which have nothing to do with parts.
    whole = ArrayEngine(model).evaluate(W, b, 2)
    evaluated = found.engine.evaluate(W, b, 0)
    w, c = torch.tensor(W, requires_grad=True), torch.tensor(b, requires_grad=True)
    slopes = torch.autograd.grad(expected_loss(model, w, c), (w, c))
    np.testing.assert_allclose(slopes[0].numpy(), mine[1], rtol=1e-12, atol=1e-13)
    assert abs(float(evaluated.loss - whole.loss)) <= float(evaluated.error + whole.error) < 1e-11
    np.testing.assert_allclose(mine[3], whole.hessian, rtol=0, atol=tolerance("hessian"))


def test_few_features_are_compiled_from_the_patterns_of_all_laws() -> None:
    law = MixtureFeatures([0.5, 0.5], [OneHotFeatures(), IndependentFeatures(0.2)])
    model = ToyModel(4, 2, law)
    W, b = point(4, 2)
    assert isinstance(engine_for(model), CompiledEngine)
    parts = [float(expected_loss(ToyModel(4, 2, part), W, b)) for part in law.laws]
    assert float(expected_loss(model, W, b)) == pytest.approx(sum(parts) / 2, rel=1e-14)
    spectral = float(expected_loss(model, W, b, method="spectral"))
    assert spectral == pytest.approx(sum(parts) / 2, abs=tolerance("spectral"))


@pytest.mark.parametrize("of", ["shares", "laws", "importances", "penalties"])
def test_batches_and_parts_of_them(of: str) -> None:
    shares: Any = [np.array([0.25, 0.5, 1.0]), np.array([0.75, 0.5, 0.0])] if of == "shares" else [0.25, 0.75]
    density: Any = np.array([[0.2], [0.3], [0.9]]) if of == "laws" else 0.2
    law = MixtureFeatures(shares, [IndependentFeatures(density), KHotFeatures(2)])
    importance: Any = np.array([[1.0], [2.0], [3.0]]) if of == "importances" else 1.0
    penalty: Any = np.array([0.1, 0.2, 0.3]) if of == "penalties" else 0.1
    model = ToyModel(8, 2, law, importance, weight_penalty=penalty, activation_penalty=0.1)
    W, b = point(8, 2, 3)
    engine = engine_for(model)
    assert isinstance(engine, MixtureEngine)
    whole = engine.evaluate(W, b, 1)
    assert whole.loss.shape == whole.error.shape == (3,)
    for k in range(3):
        alone, part = (e.evaluate(W[k], b[k], 1) for e in (engine_for(model.take(k)), engine.take(k)))
        for one in (alone, part):
            np.testing.assert_allclose(whole.loss[k], one.loss, rtol=1e-13)
            np.testing.assert_allclose(whole.d_weights[k], one.d_weights, rtol=1e-12, atol=1e-14)


def test_many_features() -> None:
    """Features of a position on a circle, far more than enumeration visits, against inputs that are drawn."""
    n = 10
    law = circular_features(n, 0.5, 0.8, 2)
    model = ToyModel(n, 4, law)
    W = np.random.default_rng(0).normal(size=(4, n)) / 2
    b = np.full(n, -0.1)
    found = engine_for(model).evaluate(W, b, 0)
    x = law.sample(n, 40_000, np.random.default_rng(1))
    losses = ((x - np.maximum(x @ W.T @ W + b, 0)) ** 2).sum(axis=1)
    assert abs(losses.mean() - float(found.loss)) < 5 * losses.std() / 200
    assert 0 < float(found.error) < 1e-7


def test_what_its_laws_refuse_a_mixture_refuses() -> None:
    law = MixtureFeatures([0.5, 0.5], [IndependentFeatures(0.5), IndependentBlocks([(range(40), KHotFeatures(7))])])
    model, W = ToyModel(40, 2, law), np.ones((2, 40))
    with pytest.raises(ValueError, match="with at most 4096 activity patterns each, got IndependentBlocks with more"):
        expected_loss(model, W, np.zeros(40))
    with pytest.raises(ValueError, match="the Hessian is exact enumeration's"):
        loss_hessian(ToyModel(24, 4, circular_features(24, 0.5, 0.8, 3)), np.ones((4, 24)), np.zeros(24))
