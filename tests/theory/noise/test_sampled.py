"""Covariances from inputs that are drawn, against the exact ones, and where they have to do."""

from __future__ import annotations

import numpy as np
import pytest

from tegum.theory import IndependentFeatures, ToyModel, diagram_model
from tegum.theory.noise import OptimiserRule, gradient_noise, spreads_after
from tests.support.internals import internals
from tests.support.tolerances import SIGMAS

# Behind the face: the estimate itself.
sampled = internals("noise.sampled")
SGD, RATES = OptimiserRule(False, 0.0), np.full(20, 0.01)


def test_drawn_inputs_have_the_exact_covariance() -> None:
    model = diagram_model(3, 2, np.array([0.2, 0.6]), np.array([0.5, 1.0]))
    rng = np.random.default_rng(0)
    weights, bias = rng.normal(size=(2, 2, 3)), rng.normal(size=(2, 3)) / 3
    exact = gradient_noise(model, weights, bias).covariance()
    found = sampled.sampled_covariance(model, weights, bias)
    # Of a covariance of N inputs: √((C_pp C_qq + C_pq²) / N) for normal gradients. Theirs have longer tails, of a
    # kurtosis up to about ten times a normal law's.
    variances = np.diagonal(exact, axis1=-2, axis2=-1)
    error = np.sqrt((variances[:, :, None] * variances[:, None, :] + exact**2) / sampled.INPUTS)
    assert (np.abs(found - exact) <= SIGMAS * np.sqrt(10) * error).all()
    # A few per cent: no other factor would pass.
    known = np.trace(exact, axis1=-2, axis2=-1)
    np.testing.assert_allclose(np.trace(found, axis1=-2, axis2=-1), known, rtol=0.05)
    np.testing.assert_array_equal(found, sampled.sampled_covariance(model, weights, bias))


def test_five_features_at_once_are_drawn_plainly() -> None:
    model = ToyModel(5, 1, IndependentFeatures(0.5)).take((None,))
    weights, bias = np.full((1, 1, 5), 0.1), np.full((1, 5), 0.2)
    excess, spread = spreads_after(model, weights, bias, RATES, SGD, 64)
    double, _ = spreads_after(model, weights, bias, RATES, SGD, 32)
    assert (excess.shape, spread.shape) == ((1,), (1, 10, 10))
    assert double[0] == pytest.approx(2 * excess[0])
    with pytest.raises(ValueError, match=r"plain samples only, got sampling='stratified'"):
        spreads_after(model, weights, bias, RATES, SGD, 64, sampling="stratified")
    silent = ToyModel(5, 1, IndependentFeatures(0.5), activation_penalty=0.1).take((None,))
    with pytest.raises(ValueError, match="a penalty on activations is exact only"):
        spreads_after(silent, weights, bias, RATES, SGD, 64)
