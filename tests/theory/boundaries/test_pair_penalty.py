"""The critical interference penalty, against the search for minima on both sides of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tegum.theory import ToyModel, expected_loss, global_minimum
from tegum.theory.boundaries import CriticalPenalty, critical_penalty
from tests.support.internals import internals
from tests.support.laws import independent
from tests.support.tolerances import tolerance

POINTS = [(0.05, 1.0), (0.1, 0.3), (0.25, 0.6), (0.3, 1.0), (0.45, 2.0), (0.6, 0.8), (0.7, 1.2), (0.9, 1.0)]
# Distance from the transition at which the phase is asked for, relative and absolute.
ASIDE = 0.01


def model_at(density: float, importance: float, penalty: float) -> ToyModel:
    return ToyModel(2, 1, independent(2, 1, density).features, (1.0, importance), penalty)


@pytest.fixture(scope="module")
def found() -> CriticalPenalty:
    density, importance = np.array(POINTS).T
    return critical_penalty(density, importance)


@pytest.mark.parametrize("k", range(len(POINTS)))
def test_phases_change_there(found: CriticalPenalty, k: int) -> None:
    density, importance = POINTS[k]
    below = global_minimum(model_at(density, importance, found.penalty[k] * (1 - ASIDE)))
    above = global_minimum(model_at(density, importance, found.penalty[k] * (1 + ASIDE)))
    assert below.weights[0, 0] * below.weights[0, 1] < 0
    assert above.phase == ("axis(1) + drop(2)" if importance <= 1 else "drop(1) + axis(2)") or importance == 1


def test_states_cost_what_an_axis_costs(found: CriticalPenalty) -> None:
    for k, (density, importance) in enumerate(POINTS):
        model = model_at(density, importance, found.penalty[k])
        dropped = min(1.0, importance) * (density / 3 - density**2 / 4)
        assert expected_loss(model, found.weights[k], found.bias[k]) == pytest.approx(dropped, abs=tolerance("law"))
        assert found.overlap[k] == pytest.approx(found.weights[k].prod(), abs=tolerance("law"))
        assert (found.overlap[k] == 0) == bool(found.continuous[k])


def test_continuous_transitions_follow_the_closed_form(found: CriticalPenalty) -> None:
    # Behind the face: the cost of a pair by itself.
    cost = internals("boundaries.pair_penalty").storage_cost
    density, importance = np.array(POINTS).T
    ratio = np.minimum(importance, 1 / importance)
    closed = np.maximum(importance, 1.0) * (ratio * (density / 3 - density**2 / 4) - cost(density)) / 2
    assert found.continuous.any()
    assert not found.continuous.all()
    np.testing.assert_allclose(found.penalty[found.continuous], closed[found.continuous], rtol=tolerance("law"))
    assert (found.penalty[~found.continuous] > closed[~found.continuous]).all()


def test_features_can_be_exchanged() -> None:
    density = np.array([0.05, 0.2, 0.6])
    there, back = critical_penalty(density, 0.5), critical_penalty(density, 2.0)
    np.testing.assert_allclose(back.penalty, 2 * there.penalty, rtol=tolerance("law"))
    np.testing.assert_allclose(back.weights, there.weights[..., ::-1], rtol=tolerance("law"))


def test_where_a_pair_is_never_stored() -> None:
    found = critical_penalty(0.5, 0.2)
    assert (float(found.penalty), str(found.status), bool(found.continuous)) == (0.0, "never stored", False)
    assert global_minimum(model_at(0.5, 0.2, 0.0)).phase == "axis(1) + drop(2)"


@pytest.mark.parametrize(
    ("density", "importance", "message"),
    [
        (0.0, 1.0, r"density must lie in \(0, 1\], got 0.0"),
        (0.5, -1.0, "importance must be positive and finite, got -1.0"),
        (0.5, np.inf, "importance must be finite, got NaN or infinite entries"),
    ],
)
def test_bad_points(density: float, importance: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        critical_penalty(density, importance)


sizes = st.floats(0.05, 1.5)


@settings(deadline=None)
@given(sizes, sizes, st.floats(-1.5, 1.5), st.floats(0.02, 1.0))
def test_costs_of_one_output_are_the_exact_loss(s: float, γ: float, b: float, p: float) -> None:
    # Behind the face: one output by itself against a search.
    costs = internals("boundaries.pair_costs")
    cost = costs.output_cost(np.array(s), np.array(γ), np.array(b), p)
    h = γ**2 / s
    other = costs.output_cost(np.array(h), np.array(γ), np.array(0.1), p)
    exact = expected_loss(independent(2, 1, p), [[s**0.5, -(h**0.5)]], [b, 0.1])
    assert cost + other == pytest.approx(exact, abs=tolerance("law"), rel=tolerance("difference"))


@settings(deadline=None)
@given(sizes, sizes, st.floats(0.02, 1.0))
def test_a_negative_overlap_never_costs_more_than_a_positive_one(s: float, γ: float, p: float) -> None:
    """The theorem of docs/boundary-forms.md, at the best biases of either sign."""
    # Behind the face: one output by itself against a search.
    costs = internals("boundaries.pair_costs")
    negative, _ = costs.best_bias(np.array(s), np.array(γ), p)
    biases = np.linspace(-s - γ, 1.0, 4001)
    alone, area = costs._alone(biases, s, p)
    beyond = costs._alone(biases + γ, s, p)[1]
    positive = ((1 - p) * alone + p * (beyond - area) / γ).min()
    # As long as nothing is clipped both cost the same.
    assert negative <= positive + tolerance("least")
