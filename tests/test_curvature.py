from __future__ import annotations

import numpy as np
import pytest
from helpers import FloatArray, internals, tolerance
from scipy.optimize import minimize

from tegum.theory import ToyModel, descend, diagram_model, loss_hessian, unpack

curvature = internals("curvature")


def smallest(model: ToyModel, parameters: FloatArray) -> tuple[float, FloatArray]:
    """Return the smallest curvature of one model at packed parameters, and its direction."""
    value, direction = curvature.smallest_curvature(model.take((None,)), parameters[None])
    return float(value[0]), np.asarray(direction[0])


# Smooth minima: sizes, density, relative importance, a start close by, and how many rotations leave the loss alone.
SMOOTH: dict[str, tuple[int, int, float, float, list[float], int]] = {
    "digon": (2, 1, 0.1, 1.0, [1, -1, 0, 0], 0),
    "uneven digon": (2, 1, 0.1, 0.6, [1, -0.9, 0, 0], 0),
    "merged": (2, 1, 0.9, 1.0, [0.71, 0.71, 0.1, 0.1], 0),
    "triangle": (3, 2, 0.7, 1.0, [0.8, -0.4, -0.4, 0, 0.7, -0.7, 0.1, 0.1, 0.1], 1),
}


def settle(model: ToyModel, start: list[float]) -> FloatArray:
    """Return the packed minimum that a descent from `start` ends in."""
    end = descend(model.take((None,)), np.array([start], dtype=float))
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
    # Between the digon and its mirror image lies the dropped pair with biases at their best.
    model = diagram_model(2, 1, 0.3, 1.0)
    theta = np.array([0.0, 0.0, 0.15, 0.15])
    value, direction = smallest(model, theta)
    np.testing.assert_allclose(
        value, np.linalg.eigvalsh(loss_hessian(model, *unpack(theta, 1)))[0], rtol=0, atol=tolerance("eigenvalue")
    )
    assert value < 0
    assert np.abs(direction[:2]).max() > np.abs(direction[2:]).max()


@pytest.mark.parametrize("hidden", [1, 2, 3])
def test_the_projector_covers_the_rotations_and_nothing_else(hidden: int) -> None:
    rng = np.random.default_rng(hidden)
    weights, bias = rng.normal(size=(hidden, 3)), rng.normal(size=3)
    projector = curvature.orbit_projector(np.concatenate([weights.ravel(), bias])[None], hidden)[0]
    np.testing.assert_allclose(projector @ projector, projector, atol=tolerance("rounding"))
    np.testing.assert_allclose(np.trace(projector), hidden * (hidden - 1) / 2, atol=tolerance("rounding"))
    raw = rng.normal(size=(hidden, hidden))
    turned = np.concatenate([((raw - raw.T) @ weights).ravel(), np.zeros(3)])
    np.testing.assert_allclose(projector @ turned, turned, atol=tolerance("law"))


def test_the_projector_of_a_dropped_hidden_dimension_has_full_rank_only_where_rotations_move_something() -> None:
    projector = curvature.orbit_projector(np.zeros((1, 9)), 2)[0]
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


def limit_of_dropping(density: float) -> float:
    """Return the relative importance r* above which axis(1) + drop(2) is no minimum.

    Output 2 is linear, b_2 + side·ε u_1 s_1 + ε² x_2, once b_2 is at its best it gains r ε² (2 V − V), V = p/3 − p²/4 being the
    variance of an input. Output 1 pays the least of `cost_of_the_stored_output`, so r* V is that least cost.
    """
    starts = [(0.1, 0.1), (-0.1, 0.1), (0.5, -1.0), (-0.5, -1.0), (0.9, 0.0), (-0.9, 0.0)]
    options = {"xatol": tolerance("loss"), "fatol": tolerance("rounding") ** 2, "maxiter": 4000}
    ends = [
        minimize(cost_of_the_stored_output, start, (density, side), method="Nelder-Mead", options=options)
        for start in starts
        for side in (-1, 1)
    ]
    return float(min(end.fun for end in ends)) / (density / 3 - density**2 / 4)


STABILITY = 1e-6


@pytest.mark.parametrize("density", [0.02, 0.1, 0.3, 0.5, 0.8, 0.95], ids=str)
def test_dropping_a_feature_stops_being_a_minimum_at_its_stability_limit(density: float) -> None:
    limit = limit_of_dropping(density)
    theta = np.array([1.0, 0.0, 0.0, density / 2])
    below, _ = smallest(diagram_model(2, 1, density, limit * (1 - STABILITY)), theta)
    above, direction = smallest(diagram_model(2, 1, density, limit * (1 + STABILITY)), theta)
    assert below > 0 > above
    # The dropped feature comes back on the other side of the stored one.
    assert direction[1] < 0


@pytest.mark.parametrize("ratio", [0.02, 0.3, 1.0, 3.0], ids=str)
def test_the_direction_at_a_kink_attains_the_curvature_along_the_loss_itself(ratio: float) -> None:
    density, step = 0.3, 1e-6
    model = diagram_model(2, 1, density, ratio)
    theta = np.array([1.0, 0.0, 0.0, density / 2])
    value, direction = smallest(model, theta)
    ahead = curvature.one_sided_hessians(model.take((None,)), theta[None], direction[None, None])[0, 0]
    np.testing.assert_allclose(direction @ ahead @ direction, value, rtol=0, atol=tolerance("eigenvalue"))
    near = loss_hessian(model, *unpack(theta + step * direction, 1))
    np.testing.assert_allclose(direction @ near @ direction, value, rtol=0, atol=10 * step)
