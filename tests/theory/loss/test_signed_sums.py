"""Sums are evaluated on the support of their slopes; what the other features would change is exact all the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tegum.theory import (
    AnticorrelatedFeatures,
    CorrelatedFeatures,
    ExactLoss,
    FeatureLaw,
    IndependentFeatures,
    KHotFeatures,
    OneHotFeatures,
    TableFeatures,
    ToyModel,
    expected_loss,
)
from tegum.theory.numerics import FloatArray
from tests.support.engines import arrays
from tests.support.internals import internals
from tests.support.laws import AMPLITUDES, examples, independent
from tests.support.tolerances import assert_entries_close, assert_same_loss, tolerance

# Behind the face: expectations by themselves.
signed_sums = internals("loss.signed_sums")

SIX = 6
BLOCKS = {
    "two, three and one": ((0, 1), (2, 3, 4), (5,)),
    "two, three and an unstored one": ((0, 1), (2, 3, 4)),
    "pairs": ((0, 3), (1, 4), (2, 5)),
    "four": ((0, 2, 3, 5),),
    "one": ((4,),),
    "none": (),
}


def orthogonal_blocks(blocks: tuple[tuple[int, ...], ...], seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Return weights that give each block hidden dimensions of its own, and biases."""
    rng = np.random.default_rng(seed)
    weights = np.zeros((max(len(blocks), 1), SIX))
    for h, block in enumerate(blocks):
        weights[h, list(block)] = rng.choice([-1.0, 1.0], len(block)) * rng.uniform(0.3, 1.2, len(block))
    return weights, rng.choice([-1.0, 1.0], SIX) * rng.uniform(0.05, 0.3, SIX)


def evaluated(model: ToyModel, weights: Any, bias: Any, by: ExactLoss | None = None) -> tuple[Any, ...]:
    """Return loss, packed gradient and Hessian as NumPy arrays."""
    engine = by or ExactLoss(model, like=weights)
    loss, d_weights, d_bias, hessian = engine.loss_gradient_hessian(weights, bias)
    gradient = np.concatenate([np.asarray(d_weights).reshape(*loss.shape, -1), np.asarray(d_bias)], axis=-1)
    return np.asarray(loss), gradient, np.asarray(hessian)


def assert_same(model: ToyModel, found: tuple[Any, ...], expected: tuple[Any, ...]) -> None:
    assert_same_loss(model, float(found[0]), float(expected[0]), "loss")
    assert_entries_close(found[1], expected[1], "gradient")
    assert_entries_close(found[2], expected[2], "hessian")


@pytest.mark.parametrize("amplitude", ["uniform", "symmetric", "constant", "bounded away from zero"])
@pytest.mark.parametrize("blocks", BLOCKS)
@pytest.mark.parametrize("law", examples(SIX))
def test_supports_change_nothing(law: str, blocks: str, amplitude: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same model, with all its zeros evaluated like other slopes."""
    model = ToyModel(
        SIX, max(len(BLOCKS[blocks]), 1), examples(SIX, AMPLITUDES[amplitude])[law], np.linspace(0.5, 2, SIX)
    )
    weights, bias = orthogonal_blocks(BLOCKS[blocks])
    sparse = evaluated(model, weights, bias)
    monkeypatch.setattr(signed_sums, "ALWAYS_DENSE", SIX)
    assert_same(model, sparse, evaluated(model, weights, bias))


@pytest.mark.parametrize("law", examples(SIX))
def test_supports_change_nothing_about_activations(law: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ToyModel(SIX, 3, examples(SIX)[law], activation_penalty=0.7)
    weights, bias = orthogonal_blocks(BLOCKS["two, three and one"])
    sparse = evaluated(model, weights, bias)
    monkeypatch.setattr(signed_sums, "ALWAYS_DENSE", SIX)
    assert_same(model, sparse, evaluated(model, weights, bias))


@pytest.mark.parametrize("blocks", ["two, three and one", "pairs"])
def test_a_block_costs_what_it_costs_alone(blocks: str) -> None:
    density, importance = np.linspace(0.1, 0.9, SIX), np.linspace(0.5, 2, SIX)
    weights, bias = orthogonal_blocks(BLOCKS[blocks])
    model = independent(SIX, len(weights), density, importance)
    parts = 0.0
    for h, block in enumerate(BLOCKS[blocks]):
        at = list(block)
        parts += float(
            expected_loss(independent(len(at), 1, density[at], importance[at]), weights[h : h + 1, at], bias[at])
        )
    assert_same_loss(model, float(expected_loss(model, weights, bias)), parts, "loss")


@pytest.mark.parametrize("namespace", ["numpy", "torch"])
def test_models_of_a_batch_may_have_different_supports(namespace: str) -> None:
    density = np.linspace(0.1, 0.9, 2 * len(BLOCKS))[:, None]
    model = ToyModel(SIX, 3, AnticorrelatedFeatures(density / 2, [(0, 3)]), activation_penalty=0.1)
    points = [orthogonal_blocks(BLOCKS[blocks], seed) for seed in range(2) for blocks in BLOCKS]
    weights = np.stack([np.concatenate([W, np.zeros((3 - len(W), SIX))]) for W, _ in points])
    bias = np.stack([b for _, b in points])
    batch = evaluated(
        model, *((torch.from_numpy(weights), torch.from_numpy(bias)) if namespace == "torch" else (weights, bias))
    )
    for k in range(len(points)):
        single = model.take(k)
        assert_same(single, tuple(part[k] for part in batch), evaluated(single, weights[k], bias[k]))


@pytest.mark.parametrize("n", [3, SIX])
def test_a_batch_of_laws_broadcasts_against_a_batch_of_weights(n: int) -> None:
    rng = np.random.default_rng(0)
    law = CorrelatedFeatures(rng.uniform(0.1, 0.9, (2, 1, 1)), [(0, 2)])
    model = ToyModel(n, 2, law, rng.uniform(0.5, 2, (3, 1)))
    weights, bias = rng.normal(size=(3, 2, n)), rng.normal(size=(2, 1, n)) / 3
    batch = evaluated(model, weights, bias)
    assert batch[0].shape == (2, 3)
    for i, j in np.ndindex(2, 3):
        single = model.take((i, j))
        assert_same(single, tuple(part[i, j] for part in batch), evaluated(single, weights[j], bias[i, 0]))


@pytest.mark.parametrize("n", [2, 5])
def test_a_batch_of_laws_broadcasts_along_axes_that_it_lacks(n: int) -> None:
    # As many models as two features have patterns: axes that are mixed up would still fit.
    rng = np.random.default_rng(2)
    model = ToyModel(n, 1, IndependentFeatures(rng.uniform(0.1, 0.9, (4, 1))))
    weights, bias = rng.normal(size=(4, 4, 1, n)), rng.normal(size=(4, 4, n)) / 3
    batch = evaluated(model, weights, bias, by=arrays(model))
    for i, j in np.ndindex(4, 4):
        single = model.take(j)
        assert_same(single, tuple(part[i, j] for part in batch), evaluated(single, weights[i, j], bias[i, j]))


@pytest.mark.parametrize("law", ["single", "batch"])
@pytest.mark.parametrize("n", [3, 5])
def test_parts_of_a_batch_are_bit_for_bit_those_of_the_whole(n: int, law: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    features = IndependentFeatures(rng.uniform(0.1, 0.9, (7, 1)) if law == "batch" else 0.3)
    model = ToyModel(n, 2, features, activation_penalty=0.1)
    weights, bias = rng.normal(size=(7, 2, n)), rng.normal(size=(7, n))
    weights[3, :, 1] = 0
    whole = evaluated(model, weights, bias)
    monkeypatch.setattr(signed_sums, "BYTES", {"cpu": 1})
    for found, expected in zip(evaluated(model, weights, bias), whole, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance("rounding") * (1 + np.abs(expected).max()))


# --- Many features -----------------------------------------------------------------------------------------------


TOO_MANY = {
    "independent": (IndependentFeatures(0.1), "IndependentFeatures"),
    "correlated": (CorrelatedFeatures(0.1, [(0, 1)]), "CorrelatedFeatures"),
    "five hot": (KHotFeatures(5), "KHotFeatures"),
}


@pytest.mark.parametrize("order", range(3))
@pytest.mark.parametrize(("law", "name"), TOO_MANY.values(), ids=TOO_MANY.keys())
def test_too_many_interacting_features_are_refused(law: FeatureLaw, name: str, order: int) -> None:
    engine = ExactLoss(ToyModel(20, 1, law), method="enumeration")
    evaluate = (engine.loss, engine.loss_and_gradient, engine.loss_gradient_hessian)[order]
    message = rf"handles up to eight features that interact .*, got 20 under {name}"
    with pytest.raises(signed_sums.TooManyPatternsError, match=message):
        evaluate(np.ones((1, 20)), np.zeros(20))


def test_eight_independent_features_are_the_most() -> None:
    assert np.isfinite(ExactLoss(independent(8, 1), method="enumeration").loss(np.ones((1, 8)), np.zeros(8)))
    with pytest.raises(signed_sums.TooManyPatternsError, match="got 9 under IndependentFeatures"):
        ExactLoss(independent(9, 1), method="enumeration").loss(np.ones((1, 9)), np.zeros(9))
    # Nine of which only eight interact.
    weights = np.ones((1, 9))
    weights[0, 4] = 0
    assert np.isfinite(ExactLoss(independent(9, 1), method="enumeration").loss(weights, np.zeros(9)))


def test_a_few_active_features_of_many() -> None:
    """One hot: each output sees one amplitude at a time, so that the loss is a sum of integrals over it."""
    n = 400
    rng = np.random.default_rng(2)
    weights, bias = rng.normal(size=(3, n)), rng.normal(size=n) / 3
    gram = weights.T @ weights
    node, weight = np.polynomial.legendre.leggauss(3)
    # E(x_i − x'_i)², given that feature j is on, is the integral of a polynomial on either side of z = 0.
    root = np.clip(-bias[:, None] / gram, 0, 1)[..., None]
    u = np.concatenate([(node + 1) / 2 * root, root + (node + 1) / 2 * (1 - root)], axis=-1)
    w = np.concatenate([weight / 2 * root, weight / 2 * (1 - root)], axis=-1)
    target = np.eye(n)[..., None] * u
    errors = (target - np.maximum(bias[:, None, None] + gram[..., None] * u, 0)) ** 2
    model = ToyModel(n, 3, OneHotFeatures())
    assert_same_loss(model, float(expected_loss(model, weights, bias)), float((w * errors).sum() / n), "law")


def test_a_hidden_unit_without_weights_is_silent() -> None:
    model = ToyModel(SIX, 2, IndependentFeatures(0.5), activation_penalty=1.0)
    weights, bias = np.zeros((2, SIX)), np.full(SIX, -1.0)
    weights[0] = 0.5
    single = ToyModel(SIX, 1, IndependentFeatures(0.5), activation_penalty=1.0)
    assert_same_loss(model, float(expected_loss(model, weights, bias)), float(expected_loss(single, weights[:1], bias)))


def test_two_active_features_of_many_are_found() -> None:
    """Six features that interact among hundreds: the marginal law of k-hot features, as a table."""
    n, chosen = 200, np.array([3, 50, 51, 120, 121, 199])
    law = KHotFeatures(40)
    rng = np.random.default_rng(3)
    weights, bias = np.zeros((2, n)), np.zeros(n)
    weights[:, chosen], bias[chosen] = rng.normal(size=(2, SIX)), rng.normal(size=SIX) / 3
    model = ToyModel(n, 2, law)
    table = TableFeatures(
        {tuple(np.searchsorted(chosen, active)): chance for active, chance in law.patterns(n, among=chosen.tolist())}
    )
    small = ToyModel(SIX, 2, table)
    # The others are never on, and cost their second moments.
    silent = float(expected_loss(ToyModel(1, 1, TableFeatures({(): 0.8, (0,): 0.2})), [[0.0]], [0.0])) * (n - SIX)
    expected = float(expected_loss(small, weights[:, chosen], bias[chosen])) + silent
    assert_same_loss(model, float(expected_loss(model, weights, bias)), expected, "law")
