"""Covariances of a batch's gradient: laws, closed forms, and the batches that training draws."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tegum.empirical.inputs import Inputs, input_table
from tegum.theory import (
    AnticorrelatedFeatures,
    CorrelatedFeatures,
    FeatureLaw,
    IndependentFeatures,
    KHotFeatures,
    TableFeatures,
    ToyModel,
    diagram_model,
)
from tegum.theory.noise import MAX_FEATURES, GradientNoise, gradient_noise
from tegum.theory.numerics import FloatArray
from tests.support.cases import draw_cases
from tests.support.monte_carlo import input_gradients
from tests.support.tolerances import SIGMAS, tolerance

# Behind the face: each sample's weight in a batch.
from tegum.empirical.inputs.draws import sample_weights  # isort: skip

N, M = 3, 2
WAYS: list[tuple[Any, Any]] = [(s, z) for s in ("plain", "stratified") for z in ("sampled", "exact")]
LAWS: dict[str, FeatureLaw] = {
    "independent": IndependentFeatures([0.2, 0.5, 0.7]),
    "symmetric": IndependentFeatures(0.4, amplitude="symmetric"),
    "correlated": CorrelatedFeatures([0.3, 0.6, 0.3], [(0, 2)]),
    "anticorrelated": AnticorrelatedFeatures([0.3, 0.4, 0.2], [(0, 1)]),
    "two hot": KHotFeatures(2),
    "table": TableFeatures({(): 0.3, (0,): 0.2, (0, 1): 0.4, (0, 1, 2): 0.1}),
}
BATCH, SEEDS, STEPS = 20, 64, 64


def a_model(law: FeatureLaw) -> ToyModel:
    return ToyModel(N, M, law, [1.0, 0.5, 0.8], activation_penalty=0.1)


def a_point() -> tuple[FloatArray, FloatArray]:
    return np.array([[1.0, -0.4, 0.2], [0.1, 0.8, -0.5]]), np.array([0.1, -0.05, 0.2])


def batch_gradients(model: ToyModel, sampling: str, zero_inputs: str) -> FloatArray:
    """Return the gradients of batches as training draws them, shape (batches, P)."""
    weights, bias = a_point()
    table = input_table(
        model.take((None,)).take(np.zeros(SEEDS, dtype=np.int64)),
        batch_size=BATCH,
        stratified=sampling == "stratified",
        exact_zeros=zero_inputs == "exact",
    )
    inputs = Inputs(table, range(SEEDS), N, BATCH, torch.float64, torch.device("cpu"))
    _, weight = sample_weights(table, BATCH)
    found = []
    for step in range(STEPS):
        x = inputs.draw(torch.tensor(step)).numpy().transpose(0, 2, 1).reshape(-1, N)
        gradients = input_gradients(model, weights, bias, x).reshape(SEEDS, BATCH, -1)
        found.append(np.einsum("rb,rbp->rp", weight, gradients))
    nothing = input_gradients(model, weights, bias, np.zeros((1, N)))[0]
    return np.asarray(np.concatenate(found) + table.empty[0] * nothing)


@pytest.mark.parametrize(("sampling", "zero_inputs"), WAYS)
@pytest.mark.parametrize("law", LAWS)
def test_batches_of_training_have_the_covariance(law: str, sampling: Any, zero_inputs: Any) -> None:
    model = a_model(LAWS[law])
    noise = gradient_noise(model, *a_point())
    expected = noise.covariance(BATCH, sampling=sampling, zero_inputs=zero_inputs)
    drawn = batch_gradients(model, sampling, zero_inputs)
    mean_error = drawn.std(axis=0) / len(drawn) ** 0.5
    rounding = tolerance("law")
    assert (np.abs(drawn.mean(axis=0) - noise.mean) <= SIGMAS * mean_error + rounding).all()
    off = drawn - noise.mean
    products = off[:, :, None] * off[:, None, :]
    error = products.std(axis=0) / len(drawn) ** 0.5
    assert (np.abs(products.mean(axis=0) - expected) <= SIGMAS * error + rounding).all()
    # And so tightly that no other way of drawing would pass: the largest variances are known to a few per cent.
    assert np.diag(error).max() <= 0.07 * np.diag(expected).max()


def test_ways_of_drawing_differ() -> None:
    noise = gradient_noise(a_model(LAWS["independent"]), *a_point())
    plain, *others = (np.trace(noise.covariance(BATCH, sampling=s, zero_inputs=z)) for s, z in WAYS)
    assert all(other < 0.9 * plain for other in others)


@pytest.mark.parametrize(("sampling", "zero_inputs"), WAYS)
def test_covariances_have_no_negative_eigenvalue_and_are_symmetric(sampling: Any, zero_inputs: Any) -> None:
    for case in draw_cases(30):
        noise = gradient_noise(case.model, case.weights, case.bias)
        covariance = noise.covariance(max(16, len(noise.patterns)), sampling=sampling, zero_inputs=zero_inputs)
        np.testing.assert_array_equal(covariance, covariance.T)
        # What is subtracted, E[g] E[g]ᵀ, is as large as the second moments.
        largest = np.abs(noise.seconds).max()
        assert np.linalg.eigvalsh(covariance)[0] >= -tolerance("rounding") * largest, case.name


def by_hand(noise: GradientNoise, batch: int, counts: list[int] | None) -> FloatArray:
    """Return the covariance over patterns one by one, of stratified samples if there are counts."""
    total: Any = 0.0
    for k, chance in enumerate(noise.chances):
        within = noise.seconds[k] - np.outer(noise.means[k], noise.means[k])
        between = np.outer(noise.means[k] - noise.mean, noise.means[k] - noise.mean)
        total += chance * (within + between) / batch if counts is None else chance**2 * within / counts[k]
    return np.asarray(total)


def test_a_plain_covariance_is_within_patterns_and_between_them() -> None:
    noise = gradient_noise(a_model(LAWS["table"]), *a_point())
    np.testing.assert_allclose(noise.covariance(7), by_hand(noise, 7, None), rtol=0, atol=tolerance("moment"))


def test_a_stratified_covariance_is_within_patterns_alone() -> None:
    noise = gradient_noise(diagram_model(2, 1, 0.5, 1.0), *([[1.0, -1.0]], [0.1, 0.1]))
    # Nothing, one, one, both: a sample each, and 12 more in proportion to 1, 1, √2: 3.51, 3.51, 4.97.
    assert noise.patterns == ((), (1,), (0,), (0, 1)) or noise.patterns == ((), (0,), (1,), (0, 1))
    found = noise.covariance(16, sampling="stratified")
    options = [by_hand(noise, 16, counts) for counts in ([1, 5, 4, 6], [1, 4, 5, 6])]
    assert min(np.abs(found - option).max() for option in options) <= tolerance("moment")


@pytest.mark.parametrize("density", [0.1, 0.6, 1.0])
def test_a_dropped_output(density: float) -> None:
    # g_b = 2 r (b − x): of variance 4 r² (p/3 − p²/4), whatever b > 0 is.
    r = 0.7
    found = gradient_noise(diagram_model(2, 1, density, r), [[1.0, 0.0]], [0.0, 0.3]).covariance()[3, 3]
    assert found == pytest.approx(4 * r**2 * (density / 3 - density**2 / 4), rel=tolerance("moment"))


def test_permuted_features_permute_the_covariance() -> None:
    for case in draw_cases(40, features=3, law="independent"):
        order = np.array([2, 0, 1])
        n, m = case.model.n_features, case.model.n_hidden
        places = np.concatenate([*(order + n * a for a in range(m)), order + n * m])
        law = case.model.features
        assert isinstance(law, IndependentFeatures)
        density = np.broadcast_to(case.model.densities(), n)[order]
        other = replace(
            case.model,
            features=IndependentFeatures(density, amplitude=law.amplitude),
            importance=np.broadcast_to(case.model.importances(), n)[order],
        )
        here = gradient_noise(case.model, case.weights, case.bias).covariance()
        there = gradient_noise(other, case.weights[:, order], case.bias[order]).covariance()
        scale = np.abs(here).max()
        assert np.abs(there - here[np.ix_(places, places)]).max() <= tolerance("law") * scale, case.name


def test_rotations_of_the_hidden_space_rotate_the_covariance() -> None:
    rng = np.random.default_rng(0)
    # Not under an activation penalty, which knows the axes.
    cases = [
        c for c in draw_cases(120, penalty="no penalty", points="random", max_features=4) if c.weights.shape[0] > 1
    ]
    assert len(cases) > 20
    for case in cases[:40]:
        m, n = case.weights.shape
        turn = np.linalg.qr(rng.normal(size=(m, m)))[0]
        whole = np.block([[np.kron(turn, np.eye(n)), np.zeros((m * n, n))], [np.zeros((n, m * n)), np.eye(n)]])
        here = gradient_noise(case.model, case.weights, case.bias).covariance()
        there = gradient_noise(case.model, turn @ case.weights, case.bias).covariance()
        scale = np.abs(here).max()
        assert np.abs(there - whole @ here @ whole.T).max() <= tolerance("law") * scale, case.name


def test_batches_of_models_and_points_broadcast() -> None:
    model = diagram_model(2, 1, np.array([[0.2], [0.6]]), np.array([0.5, 1.0, 2.0]))
    weights, bias = np.array([[1.0, -0.9]]), np.array([0.1, 0.2])
    noise = gradient_noise(model, weights, bias)
    assert noise.mean.shape == (2, 3, 4)
    for sampling, zero_inputs in WAYS:
        whole = noise.covariance(9, sampling=sampling, zero_inputs=zero_inputs)
        one = gradient_noise(model.take((1, 2)), weights, bias)
        single = one.covariance(9, sampling=sampling, zero_inputs=zero_inputs)
        np.testing.assert_allclose(whole[1, 2], single, rtol=0, atol=tolerance("moment"))


def test_nothing_but_zeros_makes_no_noise() -> None:
    noise = gradient_noise(ToyModel(2, 1, TableFeatures({(): 1})), [[1.0, 0.5]], [0.1, 0.2])
    for sampling, zero_inputs in WAYS:
        assert np.abs(noise.covariance(3, sampling=sampling, zero_inputs=zero_inputs)).max() <= tolerance("rounding")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda noise: noise.covariance(0), "batch_size must be an integer of at least 1, got 0"),
        (lambda noise: noise.covariance(True), "batch_size must be an integer of at least 1, got True"),
        (lambda noise: noise.covariance(2.0), "batch_size must be an integer of at least 1"),
        (lambda noise: noise.covariance(8, sampling="neither"), "sampling must be one of plain, stratified"),
        (lambda noise: noise.covariance(8, zero_inputs="none"), "zero_inputs must be one of sampled, exact"),
        (lambda noise: noise.covariance(2, sampling="stratified"), "a sample for each activity pattern"),
    ],
)
def test_batches_that_are_none(call: Any, message: str) -> None:
    noise = gradient_noise(diagram_model(2, 1, 0.5, 1.0), [[1.0, 0.0]], [0.0, 0.25])
    with pytest.raises(ValueError, match=message):
        call(noise)


def test_points_that_are_none() -> None:
    with pytest.raises(ValueError, match=r"weights must have shape \(\.\.\., 1, 2\)"):
        gradient_noise(diagram_model(2, 1, 0.5, 1.0), [[1.0, 0.0, 0.0]], [0.0, 0.25])
    many = MAX_FEATURES + 1
    with pytest.raises(ValueError, match=f"at most {MAX_FEATURES} features .* got {many}"):
        gradient_noise(ToyModel(many, 1, IndependentFeatures(0.5)), np.ones((1, many)), np.zeros(many))
