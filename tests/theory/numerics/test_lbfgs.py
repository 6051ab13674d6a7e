"""L-BFGS: known functions, kinks, noise in the loss, and the independence of each model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize, rosen, rosen_der

from tegum.empirical.runs import OPTIMISERS, Rule
from tegum.theory import ExactLoss, IndependentFeatures, ToyModel
from tegum.theory.numerics import Lbfgs

Array = Any
Function = Callable[[Array], tuple[Array, Array]]

SMALL = 1e-8
STARTS = np.random.default_rng(0).normal(size=(5, 40))
STRETCH = np.geomspace(1, 1e4, 5)[:, None]


def quadratic(x: Array) -> tuple[Array, Array]:
    return (STRETCH * x * x).sum(0) / 2, STRETCH * x


def rosenbrock(x: Array) -> tuple[Array, Array]:
    return rosen(x), rosen_der(x)


def kinked(x: Array) -> tuple[Array, Array]:
    """A function whose curvature jumps by a factor of 100 where a coordinate changes its sign."""
    curvature = np.where(x > 0, 1.0, 100.0)
    return (curvature * x * x).sum(0) / 2, curvature * x


def run(function: Function, start: Array, evaluations: int) -> Lbfgs:
    search = Lbfgs.begin(start)
    for _ in range(evaluations):
        search = search.advance(*function(search.trial))
    return search


@pytest.mark.parametrize(
    ("function", "optimum"),
    [(quadratic, 0.0), (rosenbrock, 1.0), (kinked, 0.0)],
    ids=["quadratic", "rosenbrock", "kinked"],
)
def test_known_minima_are_reached(function: Function, optimum: float) -> None:
    search = run(function, STARTS, 100)
    assert (search.gradient_norm < SMALL).all()
    # Rosenbrock's function of five variables has a second minimum, near (-1, 1, 1, 1, 1).
    found = search.point[:, search.point[0] > -0.5]
    np.testing.assert_allclose(found, optimum, rtol=0, atol=10 * SMALL)
    assert found.shape[1] > 20


def test_it_needs_about_as_many_evaluations_as_scipy() -> None:
    def spent(start: Array) -> int:
        search, count = Lbfgs.begin(start[:, None]), 0
        while not count or search.gradient_norm[0] > SMALL:
            search, count = search.advance(*rosenbrock(search.trial)), count + 1
        return count

    starts = STARTS.T[:10]
    options = {"gtol": SMALL, "ftol": 0.0, "maxcor": 8}
    scipy: Any = minimize
    theirs = [scipy(rosen, start, jac=rosen_der, method="L-BFGS-B", options=options).nfev for start in starts]
    assert np.median([spent(start) for start in starts]) < 2 * np.median(theirs)


def test_the_loss_never_rises() -> None:
    search, last = Lbfgs.begin(STARTS), np.inf
    for _ in range(100):
        search = search.advance(*rosenbrock(search.trial))
        # Where only rounding is left, slopes decide.
        assert (search.loss <= last + 1e-14).all()
        last = search.loss


def test_slopes_decide_where_the_loss_is_only_rounding() -> None:
    # Beside the constant 1 the loss resolves no step shorter than 1e-8.
    def raised(x: Array) -> tuple[Array, Array]:
        loss, gradient = quadratic(x)
        return 1 + loss, gradient

    assert run(raised, STARTS, 100).gradient_norm.max() < 1e-10


def test_a_loss_without_a_slope_at_its_minimum_ends_the_search_at_a_kink() -> None:
    search = run(lambda x: (np.abs(x).sum(0), np.sign(x)), STARTS[:1], 400)
    assert np.isfinite(search.point).all()
    assert search.loss.max() < 1e-6


@pytest.mark.parametrize("models", [2, 3, 17, 40])
def test_a_model_does_not_depend_on_its_neighbours(models: int) -> None:
    model = ToyModel(2, 1, IndependentFeatures(0.3))
    engine = ExactLoss(model)

    def loss(x: Array) -> tuple[Array, Array]:
        packed = np.ascontiguousarray(x.T)
        value, d_weights, d_bias = engine.loss_and_gradient(packed[:, None, :2], packed[:, 2:])
        return value, np.concatenate([d_weights[:, 0].T, d_bias.T])

    whole = run(loss, STARTS[:4], 30)
    part = run(loss, STARTS[:4, :models], 30)
    np.testing.assert_array_equal(part.point, whole.point[:, :models])
    np.testing.assert_array_equal(part.pack(), whole.pack()[:, :models])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_stays_with_its_model(bad: float) -> None:
    def wild(x: Array) -> tuple[Array, Array]:
        loss, gradient = quadratic(x)
        gone = x[0] > 0.5
        return np.where(gone, bad, loss), np.where(gone, bad, gradient)

    start = STARTS * 0.1
    with np.errstate(all="ignore"):
        search = run(wild, np.concatenate([start, np.full((5, 1), 2.0)], axis=1), 60)
    np.testing.assert_array_equal(search.point[:, :-1], run(quadratic, start, 60).point)
    assert not np.isfinite(search.loss[-1])


def test_packing_keeps_everything() -> None:
    search = run(rosenbrock, STARTS, 20)
    packed = search.pack()
    assert packed.shape == (Lbfgs.memory_size(5), 40) == (Rule("lbfgs", 0.9, 0.0).memory_size(5), 40)
    again = Lbfgs.unpack(packed, 5)
    for name, value in vars(search).items():
        np.testing.assert_array_equal(getattr(again, name), value)
    np.testing.assert_array_equal(run(rosenbrock, STARTS, 50).point, _go_on(again, 30).point)


def _go_on(search: Lbfgs, evaluations: int) -> Lbfgs:
    for _ in range(evaluations):
        search = search.advance(*rosenbrock(search.trial))
    return search


def test_tensors_give_what_arrays_give() -> None:
    def in_tensors(x: Array) -> tuple[Array, Array]:
        loss, gradient = quadratic(x.numpy())
        return torch.from_numpy(loss), torch.from_numpy(gradient)

    tensors = run(in_tensors, torch.from_numpy(STARTS), 25)
    np.testing.assert_allclose(tensors.point, run(quadratic, STARTS, 25).point, rtol=1e-9, atol=1e-12)


def test_every_optimiser_is_a_rule() -> None:
    kinds: dict[str, Any] = {"adamw": "adam"}
    assert [Rule(kinds.get(name, name), 0.9, 0.0).memory_size(3) > 0 for name in OPTIMISERS] == [True] * 4
