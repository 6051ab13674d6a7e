"""A landscape is the exact loss over packed parameters, and its parts are those of the batch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from tegum.theory import ExactLoss, IndependentFeatures, ToyModel, diagram_model
from tegum.theory.minima import Landscape, descend, pack, unpack
from tegum.theory.numerics import FloatArray

COUNT = 6
# What selects a part of a batch of six, and from where.
PARTS: dict[str, Any] = {
    "rows": np.array([4, 0, 0]),
    "a mask": np.arange(COUNT) % 2 == 0,
    "a slice": slice(1, 4),
    "one": 3,
    "an axis for points": (slice(None), None),
}


def models(n: int, m: int) -> ToyModel:
    """Return a batch in which every parameter differs."""
    rng = np.random.default_rng([n, m])
    law = IndependentFeatures(rng.uniform(0.1, 0.9, (COUNT, n)))
    return ToyModel(n, m, law, rng.uniform(0.5, 2, (COUNT, n)), rng.uniform(0, 0.1, COUNT), 0.01)


def points(landscape: Landscape, *shape: int) -> FloatArray:
    return np.random.default_rng(1).normal(size=(*shape, landscape.size))


def bits(landscape: Landscape, theta: FloatArray) -> list[bytes]:
    found = [landscape.losses(theta), landscape.gradients(theta), *landscape.expand(theta)]
    return [np.asarray(array).tobytes() for array in found]


def test_parameters_are_weights_row_by_row_and_biases() -> None:
    landscape = Landscape(models(3, 2))
    assert (landscape.n_features, landscape.n_hidden, landscape.size) == (3, 2, 9)
    theta = np.arange(9.0)
    weights, bias = landscape.split(theta)
    assert weights.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert bias.tolist() == [6, 7, 8]
    many = points(landscape, 4, COUNT)
    assert [array.shape for array in landscape.split(many)] == [(4, COUNT, 2, 3), (4, COUNT, 3)]
    assert (landscape.join(*landscape.split(many)) == many).all()
    assert (landscape.join(weights, bias) == pack(*unpack(theta, 2))).all()


# Compiled, and by array operations.
@pytest.mark.parametrize(("n", "m"), [(2, 1), (3, 2), (7, 2)])
def test_it_is_the_exact_loss(n: int, m: int) -> None:
    landscape = Landscape(models(n, m))
    theta = points(landscape, COUNT)
    loss, d_weights, d_bias, hessian = ExactLoss(landscape.model).loss_gradient_hessian(*landscape.split(theta))
    found = landscape.expand(theta)
    assert (landscape.losses(theta) == loss).all()
    assert (found[0] == loss).all()
    for gradient in (found[1], landscape.gradients(theta), landscape.losses_and_gradients(theta)[1]):
        assert (gradient == pack(d_weights, d_bias)).all()
    assert (found[2] == hessian).all()
    assert found[2].shape == (COUNT, landscape.size, landscape.size)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(("n", "m"), [(2, 1), (3, 2), (7, 2)])
def test_a_part_is_the_landscape_of_the_models_there(n: int, m: int, part: str) -> None:
    model = models(n, m)
    alone = Landscape(model.take(PARTS[part]))
    theta = points(alone, *alone.batch_shape)
    for taken in (Landscape(model).take(PARTS[part]), Landscape(model).take(np.arange(COUNT)).take(PARTS[part])):
        assert taken.batch_shape == alone.batch_shape == taken.model.batch_shape
        assert (taken.n_features, taken.n_hidden, taken.size) == (n, m, alone.size)
        assert (taken.model.importances() == alone.model.importances()).all()
        assert bits(taken, theta) == bits(alone, theta)


def test_a_single_model_is_repeated() -> None:
    model = diagram_model(2, 1, 0.3, 0.7)
    repeated = Landscape(model).take((None,)).take(np.zeros(4, dtype=int))
    theta = points(repeated, 4)
    assert repeated.batch_shape == (4,)
    assert (repeated.losses(theta) == Landscape(model).losses(theta)).all()


def test_threads_share_a_landscape() -> None:
    landscape = Landscape(models(3, 2))
    thetas = [points(landscape, k + 1, COUNT) for k in range(8)]
    alone = [bits(landscape, theta) for theta in thetas]
    parts = [bits(landscape.take([k % COUNT]), thetas[k][:, [k % COUNT]]) for k in range(8)]
    fresh = Landscape(models(3, 2))
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda theta: bits(fresh, theta), thetas)) == alone
        found = pool.map(lambda k: bits(fresh.take([k % COUNT]), thetas[k][:, [k % COUNT]]), range(8))
        assert list(found) == parts


def test_descents_end_at_critical_points_of_it() -> None:
    landscape = Landscape(diagram_model(2, 1, np.full(COUNT, 0.1), np.linspace(0.7, 1.3, COUNT)))
    ends = descend(landscape, np.tile([0.9, -0.9, 0.0, 0.0], (COUNT, 1)))
    assert (ends.gradient_norm <= 1e-13).all()
    assert (landscape.losses(ends.parameters) == ends.loss).all()


def test_no_descents_end_nowhere() -> None:
    landscape = Landscape(diagram_model(2, 1, np.full(COUNT, 0.1), 1.0))
    ends = descend(landscape.take(slice(0)), np.empty((0, 4)))
    assert (ends.parameters.shape, ends.loss.shape, ends.iterations.shape) == ((0, 4), (0,), (0,))
