"""Second derivatives over boxes of weights and biases, and what they prove."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flint import arb, arb_mat, ctx

from tegum.theory import ToyModel, diagram_model, loss_hessian
from tegum.theory.numerics import FloatArray
from tests.support.internals import internals
from tests.support.tolerances import tolerance

# Behind the face: the last step by itself.
convexity = internals("proofs.triples.convexity")

SEEDS = range(6)
# Two minima at density 0.7 and equal importances.
TRIANGLE = ([[0.879758775, -0.439879387, -0.439879387], [0.0, 0.761893448, -0.761893448]], [0.322530731] * 3)
CLUSTER = (
    [[0.840987100, 0.391820291, -0.537080660], [0.0, 0.834357659, 0.647150421]],
    [0.121031632, -0.199636257, 0.121031632],
)


def weights(seed: int) -> tuple[FloatArray, FloatArray]:
    """Return weights of features that are all stored, and biases."""
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(2, 3))
    W[1, 0] = 0
    return W * (0.5 + 1 / np.linalg.norm(W, axis=0)), rng.normal(size=3) * 0.3


def around(values: FloatArray, radius: float) -> Any:
    return np.array([arb(float(x), radius) for x in values.ravel()], dtype=object).reshape(values.shape)


@pytest.mark.parametrize("radius", [0.0, 1e-3, 0.05])
@pytest.mark.parametrize("seed", SEEDS)
def test_hessians_of_points_lie_in_the_balls_of_a_box(seed: int, radius: float) -> None:
    rng = np.random.default_rng(100 + seed)
    p, r = 0.6, 0.8
    model = diagram_model(3, 2, p, r)
    W, b = weights(seed)
    shares = [arb(1), arb(1), arb(r)]
    with ctx.workprec(200):
        balls = convexity.loss_hessian_balls(arb(p), shares, around(W, radius).tolist(), around(b, radius).tolist())
    bar = tolerance("law") * 100
    for _ in range(10):
        inner = 0.999 * radius
        hessian = loss_hessian(model, W + rng.uniform(-inner, inner, W.shape), b + rng.uniform(-inner, inner, b.shape))
        scale = 1 + np.abs(hessian).max()
        for i, j in np.ndindex(9, 9):
            ball = balls[i, j]
            assert float(ball.lower()) - bar * scale <= hessian[i, j] <= float(ball.upper()) + bar * scale
    if radius == 0:
        # And they are no wider than they must be.
        assert max(float(balls[i, j].rad()) for i, j in np.ndindex(9, 9)) < tolerance("law")


def test_features_that_are_not_stored_have_no_second_derivatives() -> None:
    W = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    assert convexity.convexity(arb(0.7), [arb(1)] * 3, around(W, 0), around(np.zeros(3), 0)) == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_eigenvalues_are_bounded_from_below(seed: int) -> None:
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(4, 4))
    # The last ones aren't positive definite.
    matrix = root @ root.T + (0.4 - 0.2 * seed) * np.eye(4)
    least = float(np.linalg.eigvalsh(matrix)[0])
    for radius in (0.0, 1e-3, 10.0):
        balls = arb_mat([[arb(float(x), radius) for x in row] for row in matrix])
        # The worst of the matrices is lower by up to four times the radius.
        shifted = np.linalg.eigvalsh(matrix - radius * np.sign(np.outer(*[np.linalg.eigh(matrix)[1][:, 0]] * 2)))[0]
        found = convexity.least_eigenvalue(balls)
        assert 0 <= found <= max(shifted, 0.0)
        assert found > 0 or radius > 0 or least <= 0


def test_the_loss_is_convex_around_a_minimum_and_not_around_a_saddle() -> None:
    model = diagram_model(3, 2, 0.7, 1.0)
    shares = [arb(1)] * 3
    W, b = (np.array(values) for values in TRIANGLE)
    least = curvature(model, W, b)
    found = convexity.convexity(arb(0.7), shares, around(W, 0), around(b, 0))
    assert 0 < found <= least
    near = around(W, 1e-5)
    near[1, 0] = arb(0)
    assert 0 < convexity.convexity(arb(0.7), shares, near, around(b, 1e-5)) <= least
    # A box that has to be cut.
    wide = around(W, 1.8e-4)
    wide[1, 0] = arb(0)
    assert convexity.convexity(arb(0.7), shares, wide, around(b, 1.8e-4), max_parts=1) == 0
    assert 0 < convexity.convexity(arb(0.7), shares, wide, around(b, 1.8e-4)) <= least
    # Between two minima the loss isn't convex.
    middle = [(x + np.array(y)) / 2 for x, y in zip((W, b), CLUSTER, strict=True)]
    assert curvature(model, *middle) < 0
    assert convexity.convexity(arb(0.7), shares, around(middle[0], 0), around(middle[1], 0)) == 0


def curvature(model: ToyModel, W: FloatArray, b: FloatArray) -> float:
    """Return the least eigenvalue of the Hessian, W_21 being fixed."""
    hessian = np.delete(np.delete(loss_hessian(model, W, b), 3, 0), 3, 1)
    return float(np.linalg.eigvalsh(hessian)[0])
