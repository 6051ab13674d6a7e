"""Downhill and curvature by gradients alone, against the exact Hessian where there is one."""

from __future__ import annotations

import numpy as np
import pytest

from tegum.theory import IndependentFeatures, ToyModel, local_minima
from tegum.theory.minima import Landscape, downhill, estimated_curvature, orbit_projector
from tegum.theory.numerics import FloatArray

MODEL = ToyModel(4, 2, IndependentFeatures(0.1), (1.0, 0.9, 0.8, 0.7))


@pytest.fixture(scope="module")
def minimum() -> tuple[FloatArray, FloatArray]:
    points = local_minima(ToyModel(3, 2, IndependentFeatures(0.7)), starts=32)
    return points[0].weights, points[0].bias


def test_a_descent_by_gradients_ends_in_the_minimum(minimum: tuple[FloatArray, FloatArray]) -> None:
    model = ToyModel(3, 2, IndependentFeatures(0.7))
    weights, bias = minimum
    rng = np.random.default_rng(0)
    found = downhill(model, weights + 0.02 * rng.normal(size=(2, 3)), bias)
    assert found.ended
    assert found.gradient_norm < 1e-7
    theirs, ours = weights.T @ weights, found.weights.T @ found.weights
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_no_time_leaves_the_start() -> None:
    rng = np.random.default_rng(0)
    weights, bias = rng.normal(size=(2, 4)), np.zeros(4)
    found = downhill(MODEL, weights, bias, seconds=0.0)
    assert not found.ended
    assert found.evaluations == 1
    assert found.moved == pytest.approx(0.0, abs=1e-7)


@pytest.mark.parametrize("seed", range(4))
def test_the_smallest_curvature_is_met_within_its_error(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights, bias = rng.normal(size=(2, 4)), rng.uniform(-0.3, 0.1, 4)
    found = estimated_curvature(MODEL, weights, bias)
    landscape = Landscape(MODEL.take((None,)))
    theta = landscape.join(weights[None], bias[None])
    # On what is orthogonal to rotations.
    kept = np.linalg.eigh(orbit_projector(weights[None])[0])[1][:, :-1]
    hessian = landscape.expand(theta)[2][0]
    exact = np.linalg.eigvalsh(kept.T @ hessian @ kept)[0]
    assert abs(found.curvature - exact) <= found.error
    assert found.error < 1e-3 * np.abs(hessian).max()
    # Along the direction it is what it says.
    assert found.direction @ hessian @ found.direction == pytest.approx(found.curvature, abs=found.error)


def test_batches_are_refused() -> None:
    batch = ToyModel(2, 1, IndependentFeatures([[0.1], [0.2]]))
    with pytest.raises(ValueError, match=r"expected a single model, got batch shape \(2,\)"):
        downhill(batch, np.ones((1, 2)), np.zeros(2))
