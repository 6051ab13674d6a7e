"""Free optimisation of a few features: against exact global minima, and against the atlas."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest

from tegum.theory import (
    IndependentFeatures,
    ToyModel,
    best_packing,
    diagram_model,
    expected_loss,
    global_minimum,
    loss_gradient,
)
from tegum.theory.packing import finite_packing, free_packing, packed
from tegum.theory.polytopes import recognise

# Behind the face: one row by itself.
free_packings: Any = import_module("tegum.compare.geometry.free_packings")
SMALL = ("axis", "digon", "triangle", "tetrahedron", "pentagon")


@pytest.mark.parametrize(("k", "d", "density"), [(2, 1, 0.1), (3, 2, 0.7), (3, 1, 0.3)])
def test_the_global_minimum_is_found(k: int, d: int, density: float) -> None:
    found = free_packing(k, d, density, starts=16, polished=3)
    best = global_minimum(diagram_model(k, d, density, 1.0))
    assert found.loss == pytest.approx(best.loss, abs=1e-9)
    assert found.status == "level"
    assert found.random_gain == found.gain


def test_the_pentagon_is_found_and_judged() -> None:
    found = free_packing(5, 2, 0.2, starts=16, polished=2)
    (factor,) = recognise(found.weights, tolerance=0.02)
    assert factor.best is not None
    assert factor.best.name == "pentagon"
    one = packed("pentagon", 0.2)
    assert found.gain == pytest.approx(one.gain, abs=1e-10)
    model = ToyModel(5, 2, IndependentFeatures(0.2))
    assert found.loss == pytest.approx(float(expected_loss(model, found.weights, found.bias)), abs=1e-12)
    slopes = np.concatenate([np.ravel(part) for part in loss_gradient(model, found.weights, found.bias)])
    assert np.abs(slopes).max() <= 1.01 * found.slope * 0.2 / 3


def test_a_given_start_is_used() -> None:
    # From one random start alone a better place is not found at this seed.
    atlas = best_packing(0.2, among=SMALL)
    product = finite_packing(7, 3, atlas)
    found = free_packing(7, 3, 0.2, starts=1, polished=1, seed=3, also=[(product.weights, product.bias)])
    assert found.gain >= (7 * atlas.dropped - product.loss) / 3 - 1e-12
    assert found.random_gain < found.gain


@pytest.mark.slow
def test_twelve_features_in_four_dimensions_are_no_product_of_what_was_known() -> None:
    density = 1 / 5.28
    product = finite_packing(12, 4, best_packing(density, among=(*SMALL, "antiprism", "rectified 5-cell")))
    one = packed("2-3 duoantiprism", density)
    start = [(one.weights, np.full(12, one.bias))]
    found = free_packing(12, 4, density, starts=1, polished=1, also=start)
    # It is a minimum in all directions, and costs less.
    assert found.gain == pytest.approx(one.gain, abs=1e-10)
    assert free_packings.shape_of(found) == "2-3 duoantiprism"
    assert found.loss < product.loss - 1e-4


@pytest.mark.parametrize("amplitude", ["uniform", "constant", "symmetric"])
def test_proposals_estimate_the_exact_loss(amplitude: str) -> None:
    # Behind the face: losses of the search against the exact ones.
    module = import_module("tegum.theory.packing.free")
    model = ToyModel(4, 2, IndependentFeatures(0.3, amplitude=amplitude))
    inputs = module._Inputs(model, 0)
    rng = np.random.default_rng(1)
    points = rng.normal(size=(3, 12)) * 0.5
    losses, gradients = inputs.evaluate(points)
    exact = module._Exact(model, 0.1)
    for point, loss, gradient in zip(points, losses, gradients, strict=True):
        value, _ = exact.evaluate(point)
        assert loss == pytest.approx(value, rel=0.05)
        steps = 1e-6 * np.eye(12)
        slopes = [
            (inputs.evaluate((point + s)[None])[0] - inputs.evaluate((point - s)[None])[0])[0] / 2e-6 for s in steps
        ]
        assert gradient == pytest.approx(np.array(slopes), abs=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: free_packing(0, 1, 0.1), "corners must be an integer from 1 to 16, got 0"),
        (lambda: free_packing(3, 17, 0.1), "dim must be an integer from 1 to 16, got 17"),
        (lambda: free_packing(3, 2, 1.0), r"density must lie in \(0, 1\), got 1.0"),
        (lambda: free_packing(3, 2, 0.1, starts=2, polished=3), "polished must be an integer from 1 to 2, got 3"),
        (lambda: free_packing(3, 2, 0.1, also=[(np.zeros((3, 2)), np.zeros(3))]), r"also must have shape \(2, 3\)"),
        (lambda: next(free_packings.survey(4)), "more features than dimensions, got up to 4 in 4"),
    ],
)
def test_bad_input_is_named(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
