from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
import pytest
from scipy.optimize import minimize

from tegum.theory import IndependentFeatures, ToyModel, diagram_model, loss_hessian
from tegum.theory.minima import Landscape, descend, unpack
from tegum.theory.numerics import FloatArray
from tests.support.internals import internals
from tests.support.tolerances import DIFFERENCE_STEP, tolerance

# Behind the face: a judgement by itself.
curvature = internals("minima.curvature")
PROBES = 200


def smallest(model: ToyModel, parameters: FloatArray) -> tuple[float, FloatArray]:
    """Return the smallest curvature of one model at packed parameters, and its direction."""
    value, direction = curvature.smallest_curvature(Landscape(model).take((None,)), parameters[None])
    return float(value[0]), np.asarray(direction[0])


# Smooth minima: sizes, density, relative importance, a start close by, and how many rotations leave the loss alone.
SMOOTH: dict[str, tuple[int, int, float, float, list[float], int]] = {
    "digon": (2, 1, 0.1, 1.0, [1, -1, 0, 0], 0),
    "uneven digon": (2, 1, 0.1, 0.6, [1, -0.9, 0, 0], 0),
    "merged": (2, 1, 0.3, 1.0, [1, 0.4, -0.15, 0.06], 0),
    "triangle": (3, 2, 0.7, 1.0, [0.8, -0.4, -0.4, 0, 0.7, -0.7, 0.1, 0.1, 0.1], 1),
}


def settle(model: ToyModel, start: list[float]) -> FloatArray:
    """Return the packed minimum that a descent from `start` ends in."""
    end = descend(Landscape(model).take((None,)), np.array([start], dtype=float))
    assert end.gradient_norm[0] < tolerance("gradient")
    return np.asarray(end.parameters[0])


@pytest.mark.parametrize("name", SMOOTH)
def test_at_a_smooth_minimum_it_is_the_lowest_eigenvalue_without_rotations(name: str) -> None:
    n, m, density, ratio, start, rotations = SMOOTH[name]
    model = diagram_model(n, m, density, ratio)
    theta = settle(model, start)
    spectrum = np.linalg.eigvalsh(loss_hessian(model, *unpack(theta, m)))
    np.testing.assert_allclose(spectrum[:rotations], 0, atol=tolerance("eigenvalue"))
    value, direction = smallest(model, theta)
    assert value > 0
    np.testing.assert_allclose(value, spectrum[rotations], rtol=0, atol=tolerance("eigenvalue"))
    np.testing.assert_allclose(np.linalg.norm(direction), 1, rtol=tolerance("rounding"))
    hessian = loss_hessian(model, *unpack(theta, m))
    np.testing.assert_allclose(direction @ hessian @ direction, value, rtol=0, atol=tolerance("eigenvalue"))


def test_at_a_smooth_saddle_it_is_negative() -> None:
    # Nothing stored and every bias at its best: storing anything lowers the loss.
    model, theta = diagram_model(2, 1, 0.3, 1.0), np.array([0.0, 0.0, 0.15, 0.15])
    value, direction = smallest(model, theta)
    lowest = np.linalg.eigvalsh(loss_hessian(model, *unpack(theta, 1)))[0]
    assert value < 0
    np.testing.assert_allclose(value, lowest, rtol=0, atol=tolerance("eigenvalue"))
    np.testing.assert_allclose(direction[2:], 0, atol=tolerance("eigenvalue"))


@pytest.mark.parametrize("hidden", [1, 2, 3])
def test_the_projector_covers_the_rotations_and_nothing_else(hidden: int) -> None:
    rng = np.random.default_rng(hidden)
    weights = rng.normal(size=(hidden, 3))
    # Behind the face: the projector behind the frames.
    projector = internals("minima.frames").orbit_projector(weights[None])[0]
    np.testing.assert_allclose(projector @ projector, projector, atol=tolerance("rounding"))
    np.testing.assert_allclose(np.trace(projector), hidden * (hidden - 1) / 2, atol=tolerance("rounding"))
    raw = rng.normal(size=(hidden, hidden))
    turned = np.concatenate([((raw - raw.T) @ weights).ravel(), np.zeros(3)])
    np.testing.assert_allclose(projector @ turned, turned, atol=tolerance("law"))


def test_rotations_of_zero_weights_move_nothing() -> None:
    # Behind the face: the projector behind the frames.
    projector = internals("minima.frames").orbit_projector(np.zeros((1, 2, 3)))[0]
    assert not projector.any()


# --- The kink at a dropped feature -------------------------------------------------------------------------------


def _ramp(k: int, t: float) -> float:
    return max(t, 0.0) ** k / (1, 1, 2, 6)[k]


def cost_of_the_stored_output(point: FloatArray, density: float, side: int) -> float:
    """Return what output 1 pays, to second order in ε, for W = (1 + εδ/2, side·ε), b_1 = εβ.

    Output 1 is ReLU((1 + εδ) x_1 + side·ε x_2 + εβ). In units of ε² it costs, by pattern,
    none: max(β, 0)²;  {2}: E max(β + side·u_2, 0)²;  {1}: E(β + δ u_1)²;  {1, 2}: E(β + δ u_1 + side·u_2)².
    """
    beta, delta = float(point[0]), float(point[1])
    p, q = density, 1 - density
    none = max(beta, 0.0) ** 2
    second = 2 * (_ramp(3, beta + side) - _ramp(3, beta)) / side
    first = beta**2 + beta * delta + delta**2 / 3
    both = (beta + delta / 2 + side / 2) ** 2 + delta**2 / 12 + 1 / 12
    return q * q * none + p * q * (second + first) + p * p * both


@dataclass(frozen=True)
class Limit:
    """Where axis(1) + drop(2) stops being a minimum, and the direction (W_1, W_2, b_1, b_2) in which the loss falls."""

    importance: float
    direction: FloatArray


def limit_of_dropping(density: float) -> Limit:
    """Return the limit from the second-order part of the loss around W = (1, 0), b = (0, p/2), done by hand.

    With b_2 at its best, p/2 (1 − side·ε), output 2 is p/2 + side·ε (x_1 − p/2) + ε² x_2. It gains 2 r ε² V by
    following x_2 and pays r ε² V for following x_1, V = p/3 − p²/4 being the variance of both. Output 1 pays ε²
    times `cost_of_the_stored_output`, so at the limit r V is the least such cost.
    """
    starts = [(0.1, 0.1), (-0.1, 0.1), (0.5, -1.0), (-0.5, -1.0), (0.9, 0.0), (-0.9, 0.0)]
    least, direction = np.inf, np.empty(0)
    for start, side in product(starts, (-1, 1)):
        end = minimize(
            partial(cost_of_the_stored_output, density=density, side=side),
            np.array(start),
            method="Nelder-Mead",
            options={"xatol": tolerance("loss"), "fatol": tolerance("rounding") ** 2, "maxiter": 4000},
        )
        if end.fun < least:
            least, direction = float(end.fun), np.array([end.x[1] / 2, side, end.x[0], -side * density / 2])
    return Limit(least / (density / 3 - density**2 / 4), direction)


def around_the_limit(density: float, purpose: str) -> tuple[ToyModel, ToyModel, FloatArray]:
    """Return a model on either side of the limit and the parameters of axis(1) + drop(2)."""
    limit, share = limit_of_dropping(density).importance, tolerance(purpose)
    below, above = (diagram_model(2, 1, density, limit * factor) for factor in (1 - share, 1 + share))
    return below, above, np.array([1.0, 0.0, 0.0, density / 2])


def hessian_ahead(model: ToyModel, theta: FloatArray, direction: FloatArray) -> FloatArray:
    """Return H(θ + 0v) of one model."""
    landscape = Landscape(model).take((None,))
    return np.asarray(curvature.one_sided_hessians(landscape, theta[None], direction[None, None])[0, 0])


KINK_DENSITIES = [0.02, 0.1, 0.3, 0.5, 0.8, 0.95]


@pytest.mark.parametrize("density", KINK_DENSITIES, ids=str)
def test_the_one_sided_hessian_changes_sign_at_the_limit_of_dropping(density: float) -> None:
    below, above, theta = around_the_limit(density, "stability")
    direction = limit_of_dropping(density).direction
    lowest = [np.linalg.eigvalsh(hessian_ahead(model, theta, direction))[0] for model in (below, above)]
    assert lowest[0] > 0 > lowest[1]


@pytest.mark.parametrize("density", KINK_DENSITIES, ids=str)
def test_the_smallest_curvature_changes_sign_at_the_limit_of_dropping(density: float) -> None:
    below, above, theta = around_the_limit(density, "stability")
    value, direction = smallest(above, theta)
    assert smallest(below, theta)[0] > 0 > value
    # The dropped feature comes back opposite to the stored one, which grows.
    assert direction[0] * direction[1] < 0


@pytest.mark.parametrize("ratio", [0.02, 0.3, 1.0, 3.0], ids=str)
def test_the_smallest_curvature_at_a_kink_is_attained_and_not_undercut(ratio: float) -> None:
    model, theta = diagram_model(2, 1, 0.3, ratio), np.array([1.0, 0.0, 0.0, 0.15])
    value, direction = smallest(model, theta)
    near = loss_hessian(model, *unpack(theta + DIFFERENCE_STEP**2 * direction, 1))
    np.testing.assert_allclose(direction @ near @ direction, value, rtol=0, atol=tolerance("difference"))
    for probe in np.random.default_rng(0).normal(size=(PROBES, 4)):
        v = probe / np.linalg.norm(probe)
        assert v @ hessian_ahead(model, theta, v) @ v >= value - tolerance("eigenvalue")


def test_second_derivatives_without_bound_are_turned_away_from() -> None:
    """Where E[x] = 0 an unused output at bias 0 is critical, and its loss depends on b over slopes of second order."""
    model = ToyModel(3, 2, IndependentFeatures(0.3, amplitude="symmetric"))
    s = np.sqrt(0.5)
    theta = np.array([0, s, -s, 0, 0, 0, 0, 0, 0], dtype=float)
    landscape = Landscape(model).take((None,))
    assert np.linalg.norm(landscape.gradients(theta[None])) < 1e-15
    value, direction = smallest(model, theta)
    # -4 E[x²], along the weight that nothing uses, from the side on which its output is on.
    assert value == pytest.approx(-0.4, rel=1e-2)
    assert abs(direction[3]) == pytest.approx(1, abs=1e-2)
    # The loss itself, at steps at which rounding is far below what is of second order.
    steps = np.array([1e-3, 3e-4])
    along = landscape.take((0, None)).take(np.zeros(2, dtype=int))
    for bias, expected in ((0.03, -0.4), (0.0, -0.2), (-0.03, 0.0)):
        direction = np.array([0, 0, 0, 1, 0, 0, bias, 0, 0])
        rise = along.losses(theta + steps[:, None] * direction) - landscape.losses(theta[None])
        np.testing.assert_allclose(2 * rise / steps**2, expected, atol=1e-2)
