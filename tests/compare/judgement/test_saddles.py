"""Saddles beside runs: found where they are known, with their index, and nowhere else."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest

from tegum.compare.judgement import AT_A_SADDLE, IN, Recipe, judge, saddles_at
from tegum.theory import diagram_model, expected_loss, global_minimum, local_minima, phase
from tests.support.tolerances import tolerance

# Behind the face: the reach of a saddle is tested at its edge.
saddles: Any = import_module("tegum.compare.judgement.saddles")

EXACT = Recipe(learning_rate=1.0, steps=0, batch_size=1, objective="exact")


def at_zero(density: float) -> tuple[Any, Any]:
    """Return W = 0 with the best biases, b_i = E[x_i] = p / 2: a saddle, where no feature is stored."""
    return np.zeros((1, 2)), np.full(2, density / 2)


@pytest.mark.parametrize("density", [0.1, 0.5, 0.9])
def test_weights_of_zero_are_a_saddle(density: float) -> None:
    model = diagram_model(2, 1, np.array([density]), np.array([1.0]))
    w, b = at_zero(density)
    found = saddles_at(model, w[None], b[None])
    assert found.there.tolist() == [True]
    np.testing.assert_allclose(found.loss, expected_loss(model, w, b), rtol=tolerance("law"))
    # L(W, b) = L(0, b) − 2 Σ I_i W_i² Cov(x_i, x_i) + …: in both directions of W the loss falls.
    assert found.index.tolist() == [2]
    assert found.phase == [phase(w, b)]


@pytest.mark.parametrize(("share", "there"), [(0.0, True), (0.5, True), (2.0, False)])
def test_a_run_is_at_a_saddle_up_to_a_distance(share: float, there: bool) -> None:
    model = diagram_model(2, 1, np.array([0.5]), np.array([1.0]))
    w, b = at_zero(0.5)
    # Along b alone the distance in (WᵀW, b) is the displacement.
    found = saddles_at(model, w[None], b[None] + share * saddles.AT * np.array([1.0, 0.0]))
    assert found.there.tolist() == [there]
    assert (found.index[0] > 0) is np.bool_(there)
    assert np.isnan(found.loss[0]) == (not there)
    assert (found.phase[0] == "") is (not there)


def test_an_axis_between_its_limits_is_a_saddle() -> None:
    """At density 0.3 it is a minimum below importance 0.37 and no longer at 0.6: across the kink the loss falls."""
    below, above = (diagram_model(2, 1, np.array([0.3]), np.array([ratio])) for ratio in (0.3, 0.6))
    labels = [p.phase for p in local_minima(diagram_model(2, 1, 0.3, 0.3), merged=False)]
    assert "axis(1) + drop(2)" in labels
    assert "axis(1) + drop(2)" not in [p.phase for p in local_minima(diagram_model(2, 1, 0.3, 0.6), merged=False)]
    # W = (1, 0), b = (0, p / 2) is critical at any importance.
    w, b = np.array([[[1.0, 0.0]]]), np.array([[0.0, 0.15]])
    assert saddles_at(below, w, b).there.tolist() == [False]
    found = saddles_at(above, w, b)
    assert found.there.tolist() == [True]
    assert (found.phase, found.index.tolist()) == (["axis(1) + drop(2)"], [1])


def test_minima_are_no_saddles() -> None:
    for ratio in (0.3, 1.0):
        points = local_minima(diagram_model(2, 1, 0.3, ratio), merged=False)
        strict = [p for p in points if p.status == "minimum"]
        model = diagram_model(2, 1, np.full(len(strict), 0.3), np.full(len(strict), ratio))
        found = saddles_at(model, np.stack([p.weights for p in strict]), np.stack([p.bias for p in strict]))
        assert not found.there.any()


def test_of_runs_each_is_looked_at_by_itself() -> None:
    model = diagram_model(2, 1, np.full(3, 0.5), np.full(3, 1.0))
    w, b = at_zero(0.5)
    best = global_minimum(diagram_model(2, 1, 0.5, 1.0))
    weights = np.stack([best.weights, w, np.array([[2.0, 1.0]])])
    found = saddles_at(model, weights, np.stack([best.bias, b, np.zeros(2)]))
    assert found.there.tolist() == [False, True, False]
    assert found.index.tolist() == [0, 2, 0]


def test_a_run_at_rest_on_a_saddle_is_not_on_the_way() -> None:
    model = diagram_model(2, 1, np.array([0.5, 0.5]), np.array([1.0, 1.0]))
    points = local_minima(diagram_model(2, 1, 0.5, 1.0), merged=False)
    w, b = at_zero(0.5)
    found = judge(model, [points] * 2, np.stack([w, points[0].weights]), np.stack([b, points[0].bias]), EXACT)
    assert found.verdict.tolist() == [AT_A_SADDLE, IN]
    assert found.saddle_index.tolist() == [2, 0]
    assert found.saddle_phase == [phase(w, b), ""]
    # Polishing leads it into a minimum all the same.
    assert found.ended_in[0] >= 0
