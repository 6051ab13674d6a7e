"""The gradient flow against an independent integrator, and its beginning against the linearised equations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from tegum.theory import ToyModel, diagram_model, loss_gradient
from tegum.theory.flow import early_growth, gradient_flow, growth_rates, same_sign_share, small_separatrix
from tegum.theory.minima import pack
from tegum.theory.numerics import FloatArray
from tests.support.tolerances import tolerance

# Time at which flows are compared.
DURATION = 5.0
# Global errors at the accuracy asked for.
ACCURACY, GLOBAL = 1e-7, 1e-6
# Weights so small that what is beyond linear order doesn't show.
SMALL, LINEAR = 1e-6, 1e-5
SAME_SIGN = -1e-6


def batch(density: float, importance: float, count: int) -> ToyModel:
    return diagram_model(2, 1, np.full(count, density), importance)


@pytest.mark.parametrize(("density", "importance"), [(0.1, 1.0), (0.4, 0.5), (1.0, 0.3), (0.8, 3.0)])
def test_the_flow_is_that_of_an_explicit_method(density: float, importance: float) -> None:
    start = np.array([0.7, -0.4, 0.0, 0.0])
    model = diagram_model(2, 1, density, importance)

    def slope(_: float, theta: FloatArray) -> FloatArray:
        d_weights, d_bias = loss_gradient(model, theta[None, :2], theta[2:])
        return -np.concatenate([np.ravel(d_weights), np.ravel(d_bias)])

    expected = solve_ivp(slope, (0, DURATION), start, method="DOP853", rtol=1e-10, atol=1e-12).y[:, -1]
    flow = gradient_flow(
        batch(density, importance, 1), start[None, None, :2], start[None, 2:], duration=DURATION, accuracy=ACCURACY
    )
    np.testing.assert_allclose(pack(flow.weights, flow.bias)[0], expected, rtol=0, atol=GLOBAL)
    assert flow.time[0] == pytest.approx(DURATION)
    assert not flow.converged[0]


def test_flows_don_t_depend_on_their_neighbours() -> None:
    weights = np.random.default_rng(0).normal(size=(6, 1, 2))
    together = gradient_flow(batch(0.3, 0.7, 6), weights, np.zeros((6, 2)))
    alone = gradient_flow(batch(0.3, 0.7, 1), weights[3:4], np.zeros((1, 2)))
    np.testing.assert_array_equal(together.weights[3:4], alone.weights)
    assert together.converged.all()
    assert (np.abs(together.gradient_norm) <= 1e-10).all()


def test_a_flow_that_starts_at_rest_stays() -> None:
    # Nothing is stored, and each bias is its feature's mean.
    flow = gradient_flow(batch(0.5, 1.0, 1), np.zeros((1, 1, 2)), np.full((1, 2), 0.25))
    assert flow.converged.all()
    assert flow.steps[0] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": np.zeros((2, 2))}, "weights must have shape"),
        ({"bias": np.zeros((3, 2))}, "shapes"),
        ({"duration": 0.0}, "duration must be positive"),
        ({"target": -1.0}, "target must be positive"),
        ({"accuracy": float("nan")}, "accuracy must be positive"),
        ({"most_steps": 0}, "most_steps must be an integer of at least 1"),
    ],
)
def test_bad_input_is_refused(change: dict[str, Any], message: str) -> None:
    given = {"weights": np.zeros((2, 1, 2)), "bias": np.zeros((2, 2))} | change
    with pytest.raises(ValueError, match=message):
        gradient_flow(batch(0.5, 1.0, 2), given.pop("weights"), given.pop("bias"), **given)


@pytest.mark.parametrize("time", [0.0, 0.5, 5.0])
@pytest.mark.parametrize(("density", "importance"), [(0.3, 0.5), (0.9, 2.0)])
def test_small_weights_grow_as_the_linearised_flow_says(density: float, importance: float, time: float) -> None:
    weights = np.array([[[1.0, 0.4]], [[1.0, -0.8]]])
    expected = weights @ early_growth(diagram_model(2, 1, density, importance), time)
    if time:
        flow = gradient_flow(
            batch(density, importance, 2), SMALL * weights, np.zeros((2, 2)), duration=time, accuracy=ACCURACY
        )
        np.testing.assert_allclose(flow.weights / SMALL, expected, rtol=LINEAR, atol=LINEAR * np.abs(expected).max())
    else:
        np.testing.assert_array_equal(expected, weights)


def test_equal_importance_has_a_closed_form() -> None:
    p, t = 0.6, 1.7
    growth = early_growth(diagram_model(2, 1, p, 1.0), t)
    difference = np.exp(4 * (p / 3 - p * p / 4) * t)
    together = difference * np.exp(p * p * (1 - np.exp(-2 * t)))
    np.testing.assert_allclose(growth @ [1, -1], difference * np.array([1, -1]), rtol=tolerance("gradient"))
    np.testing.assert_allclose(growth @ [1, 1], together * np.ones(2), rtol=tolerance("gradient"))


def test_relaxed_biases_leave_each_weight_its_own_rate() -> None:
    rates = growth_rates(diagram_model(2, 1, 0.4, 0.3), np.inf)
    np.testing.assert_allclose(rates, 4 * (0.4 / 3 - 0.04) * np.diag([1, 0.3]), rtol=tolerance("rounding"))


def test_the_separatrix_parts_the_signs() -> None:
    density, importance = 0.4, 0.5
    lines = small_separatrix(density, importance, np.array([0.002, 0.01]))
    assert lines.shape == (2, 2, 2)
    for line, towards in zip(lines, ([0, 1], [1, 0]), strict=True):
        step = 0.1 * np.abs(line).max(axis=-1, keepdims=True) * np.array(towards)
        starts = np.concatenate([line + step, line - step])[:, None]
        ends = gradient_flow(batch(density, importance, 4), starts, np.zeros((4, 2))).weights[:, 0]
        assert (ends.prod(axis=-1) > SAME_SIGN).tolist() == [True, True, False, False]


@pytest.mark.parametrize(("density", "importance", "scale"), [(0.4, 0.5, 1e-3), (0.4, 0.5, 1e-4), (0.7, 1.0, 1e-3)])
def test_the_share_of_one_sign_is_as_predicted(density: float, importance: float, scale: float) -> None:
    count = 400
    weights = np.random.default_rng(3).normal(size=(count, 1, 2)) * (2 / 3) ** 0.5
    ends = gradient_flow(batch(density, importance, count), scale * weights, np.zeros((count, 2))).weights[:, 0]
    share = float((ends.prod(axis=-1) > SAME_SIGN).mean())
    expected = float(same_sign_share(density, importance, scale))
    assert abs(share - expected) < 4 * (expected * (1 - expected) / count) ** 0.5


@pytest.mark.parametrize("density", [0.9, 1.0])
def test_where_both_signs_end_alike_there_is_no_share(density: float) -> None:
    with pytest.raises(ValueError, match="signs that lead to different ends"):
        same_sign_share(density, 0.5, [0.1, 1.0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: same_sign_share(0.5, 1.5, 0.1), "importance must lie"),
        (lambda: same_sign_share(0.5, 0.5, 0.0), "initial_scale must be positive"),
        (lambda: small_separatrix(0.5, 0.0, 0.1), "importance must lie"),
        (lambda: growth_rates(diagram_model(2, 1, [0.5], 1.0), 1.0), "single model"),
        (lambda: growth_rates(diagram_model(2, 1, 0.5, 1.0), -1.0), "time must not be negative"),
        (lambda: early_growth(diagram_model(2, 1, 0.5, 1.0), np.inf), "time must be finite"),
    ],
)
def test_what_the_theory_of_small_weights_doesn_t_cover_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
