"""Models with one bias for all outputs or none: their landscape, and its minima."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from tegum.theory import ToyModel, expected_loss, local_minima, polish
from tegum.theory.minima import Landscape, random_minima
from tests.support.laws import independent

BIASES = ("common", "none")


def model(n: int, m: int, density: float, bias: str, targets: str = "all") -> ToyModel:
    return ToyModel(n, m, independent(n, m, density).features, [1.0] * (n - 1) + [0.7], bias=bias, targets=targets)


@pytest.mark.parametrize(("bias", "size"), [("common", 7), ("none", 6), ("free", 9)])
def test_parameters_are_those_that_are_free(bias: str, size: int) -> None:
    landscape = Landscape(model(3, 2, 0.4, bias))
    assert landscape.size == landscape.model.n_parameters == size
    theta = np.random.default_rng(0).normal(size=(4, size))
    weights, biases = landscape.split(theta)
    assert (weights.shape, biases.shape) == ((4, 2, 3), (4, 3))
    assert (landscape.join(weights, biases) == theta).all()
    losses = expected_loss(landscape.model, weights, biases)
    np.testing.assert_allclose(landscape.losses(theta), losses, rtol=1e-14)


@pytest.mark.parametrize("bias", BIASES)
def test_derivatives_are_those_along_what_is_free(bias: str) -> None:
    landscape = Landscape(model(3, 2, 0.4, bias).take((None,)))
    theta = np.random.default_rng(1).normal(size=(1, landscape.size))
    loss, gradient, hessian = landscape.expand(theta)
    assert landscape.losses_and_gradients(theta)[1] == pytest.approx(gradient, rel=1e-13)
    step = 1e-5 * np.eye(landscape.size)
    ahead, behind = (landscape.take(np.zeros(landscape.size, int)).expand(theta + s * step) for s in (1, -1))
    np.testing.assert_allclose((ahead[0] - behind[0]) / 2e-5, gradient[0], atol=1e-9)
    np.testing.assert_allclose((ahead[1] - behind[1]) / 2e-5, hessian[0], atol=1e-8)
    assert loss.shape == (1,)


@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("targets", ["all", "active"])
@pytest.mark.parametrize(("n", "m", "density"), [(2, 1, 0.1), (2, 1, 0.6), (3, 2, 0.5)])
def test_no_search_finds_less_than_the_cheapest_minimum(
    bias: str, targets: str, n: int, m: int, density: float
) -> None:
    asked = model(n, m, density, bias, targets)
    points = local_minima(asked)
    best = points[0]
    assert best.gradient_norm <= 1e-12
    assert best.hessian_eigenvalues.shape == (asked.n_parameters,)
    assert best.bias == pytest.approx(np.full(n, best.bias[0]))
    landscape, rng = Landscape(asked), np.random.default_rng(0)

    def function(theta: np.ndarray) -> tuple[float, np.ndarray]:
        loss, gradient = landscape.losses_and_gradients(theta)
        return float(loss), gradient

    found = [minimize(function, 0.7 * rng.normal(size=landscape.size), jac=True, method="BFGS").fun for _ in range(20)]
    assert min(found) == pytest.approx(best.loss, abs=1e-9)
    # Everything else that is listed is above, and one bias more is never dearer.
    assert all(point.loss >= best.loss for point in points)
    free = local_minima(model(n, m, density, "free", targets))[0]
    assert free.loss <= best.loss


@pytest.mark.parametrize("bias", BIASES)
def test_random_starts_and_polishing_stay_within_the_model(bias: str) -> None:
    asked = model(3, 2, 0.5, bias)
    best = local_minima(asked)[0]
    found = random_minima(asked, starts=32)
    assert found[0].point.loss == pytest.approx(best.loss, abs=1e-10)
    assert found[0].point.bias == pytest.approx(np.full(3, found[0].point.bias[0]))
    start = np.round(best.weights, 2)[None]
    biases = np.zeros((1, 3)) if bias == "none" else np.full((1, 3), round(float(best.bias[0]), 2))
    polished = polish(asked.take((None,)), start, biases)
    assert polished.minimum.all()
    assert polished.loss[0] == pytest.approx(best.loss, abs=1e-12)
    assert np.ptp(polished.bias) == 0


def test_a_feature_cannot_be_dropped_for_nothing_without_a_bias() -> None:
    # Without b_i = E[x_i] its output is 0, and the loss falls at first order when the feature is stored.
    phases = [point.phase for point in local_minima(model(2, 1, 0.9, "none"))]
    assert phases
    assert not any("drop" in phase or "dead" in phase for phase in phases)
