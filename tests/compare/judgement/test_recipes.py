"""Recipes: what noise they leave of runs at minima, and what they can't say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tegum.compare.judgement import PAPER_RECIPE, Recipe
from tegum.empirical.runs import Optimisation
from tegum.theory import diagram_model, global_minimum
from tegum.theory.noise import sampling_noise
from tegum.theory.numerics import FloatArray
from tests.support.tolerances import tolerance

# Adam divides by the root of the mean square, which is itself a little larger with noise: to leading order the excess
# goes as the rate, and as one over the root of the batch.
LEADING = 0.1
MODEL = diagram_model(2, 1, np.array([0.3]), np.array([1.0]))
RECIPE = Recipe(learning_rate=1e-3, steps=20_000, batch_size=256)


@pytest.fixture(scope="module")
def minimum() -> tuple[FloatArray, FloatArray]:
    point = global_minimum(diagram_model(2, 1, 0.3, 1.0))
    return point.weights[None], point.bias[None]


def excess(recipe: Recipe, minimum: tuple[FloatArray, FloatArray]) -> float:
    return float(recipe.noise(MODEL, *minimum)[0][0])


def test_after_many_steps_noise_is_that_at_rest(minimum: tuple[FloatArray, FloatArray]) -> None:
    model = diagram_model(2, 1, 0.3, 1.0)
    at_rest = sampling_noise(model, global_minimum(model), 1e-3, 256, "adam")
    assert excess(RECIPE, minimum) == pytest.approx(at_rest.excess, rel=LEADING)


def test_noise_goes_with_the_rate_and_the_root_of_the_batch(minimum: tuple[FloatArray, FloatArray]) -> None:
    reference = excess(RECIPE, minimum)
    assert excess(replace(RECIPE, learning_rate=2e-3), minimum) / reference == pytest.approx(2, rel=LEADING)
    assert excess(replace(RECIPE, batch_size=1024), minimum) / reference == pytest.approx(1 / 2, rel=LEADING)


def test_noise_of_sgd_goes_with_the_batch(minimum: tuple[FloatArray, FloatArray]) -> None:
    sgd = replace(RECIPE, learning_rate=0.05, optimisation=Optimisation(optimiser="sgd"))
    larger = replace(sgd, batch_size=1024)
    assert excess(larger, minimum) / excess(sgd, minimum) == pytest.approx(1 / 4, rel=tolerance("law"))


def test_a_rate_that_falls_leaves_less_noise(minimum: tuple[FloatArray, FloatArray]) -> None:
    falling = replace(RECIPE, optimisation=Optimisation(schedule="cosine"))
    assert excess(falling, minimum) < excess(RECIPE, minimum) / 10


@pytest.mark.parametrize(
    "recipe",
    [replace(RECIPE, objective="exact"), replace(RECIPE, steps=0)],
    ids=["exact objective", "no steps"],
)
def test_without_sampled_steps_there_is_no_noise(recipe: Recipe, minimum: tuple[FloatArray, FloatArray]) -> None:
    for left in recipe.noise(MODEL, *minimum):
        np.testing.assert_array_equal(left, [0.0])


def test_no_minima_have_no_noise() -> None:
    for left in RECIPE.noise(MODEL, np.zeros((0, 1, 2)), np.zeros((0, 2))):
        assert left.shape == (0,)


def test_distances_are_those_in_overlaps_and_biases(minimum: tuple[FloatArray, FloatArray]) -> None:
    """Against a sample of the predicted law of (W, b) itself, turned into (WᵀW, b)."""
    model = diagram_model(2, 1, 0.3, 1.0)
    predicted = sampling_noise(model, global_minimum(model), 1e-3, 256, "adam")
    moved = np.random.default_rng(0).multivariate_normal(np.zeros(4), predicted.covariance, size=200_000)
    w = minimum[0][0] + moved[:, :2].reshape(-1, 1, 2)
    overlaps = w.mT @ w - minimum[0][0].T @ minimum[0][0]
    squares = (overlaps**2).sum(axis=(-2, -1)) + (moved[:, 2:] ** 2).sum(axis=-1)
    assert RECIPE.noise(MODEL, *minimum)[1][0] == pytest.approx(squares.mean(), rel=LEADING)


@pytest.mark.parametrize(
    "optimisation",
    [Optimisation(optimiser="lbfgs"), Optimisation(weight_decay=0.01)],
    ids=["L-BFGS", "decay"],
)
def test_noise_of_other_optimisers_is_refused(
    optimisation: Optimisation, minimum: tuple[FloatArray, FloatArray]
) -> None:
    with pytest.raises(ValueError, match="noise is predicted for SGD and Adam without weight decay, got"):
        replace(RECIPE, optimisation=optimisation).noise(MODEL, *minimum)


def test_the_recipe_of_the_paper() -> None:
    # Its notebook: AdamW at 1e-3, 10,000 steps of 1,024 inputs; arXiv:2209.10652.
    assert (PAPER_RECIPE.learning_rate, PAPER_RECIPE.steps, PAPER_RECIPE.batch_size) == (1e-3, 10_000, 1024)
    assert PAPER_RECIPE.optimisation.schedule == "constant"
