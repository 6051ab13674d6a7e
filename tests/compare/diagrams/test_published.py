"""The candidates of 2022 cost what was published, and are not what is cheapest."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from tegum.theory import diagram_model, global_minimum, loss_gradient
from tegum.theory.geometry import published_candidates
from tegum.theory.numerics import FloatArray
from tests.support.tolerances import tolerance

# Behind the face: losses of the candidates, which the dataset holds as verdicts only.
published: Any = import_module("tegum.compare.diagrams.published")

DENSITY = np.geomspace(0.01, 1.0, 9)[:, None]
RATIO = np.geomspace(0.1, 10.0, 7)

Expression = Callable[[FloatArray, FloatArray], FloatArray]
# By candidate: dropping a feature of importance I costs I (p/3 − p²/4), an antipodal pair (1 + r) p²/6.
PUBLISHED: dict[str, Expression] = {
    "digon(1,2)": lambda p, r: (1 + r) * p**2 / 6,
    "axis(1) + drop(2)": lambda p, r: r * (p / 3 - p**2 / 4),
    "drop(1) + axis(2)": lambda p, r: p / 3 - p**2 / 4 + 0 * r,
}


def candidate(label: str) -> int:
    return [c.phase for c in published_candidates(2, 1)].index(label)


@pytest.mark.parametrize("label", PUBLISHED)
def test_a_candidate_costs_what_was_published(label: str) -> None:
    losses = published.published_losses(diagram_model(2, 1, DENSITY, RATIO))
    assert losses.shape == (9, 7, 3)
    expected = PUBLISHED[label](DENSITY, RATIO)
    np.testing.assert_allclose(losses[..., candidate(label)], expected, rtol=0, atol=tolerance("rounding"))


def test_the_antipodal_pair_costs_a_third_of_the_squared_density_at_equal_importance() -> None:
    losses = published.published_losses(diagram_model(2, 1, DENSITY[:, 0], 1.0))
    np.testing.assert_allclose(
        losses[:, candidate("digon(1,2)")], DENSITY[:, 0] ** 2 / 3, rtol=0, atol=tolerance("rounding")
    )


@pytest.mark.parametrize("density", [0.05, 0.3, 1.0])
def test_the_antipodal_candidate_is_no_critical_point(density: float) -> None:
    c = published_candidates(2, 1)[candidate("digon(1,2)")]
    model = diagram_model(2, 1, density, 1.0)
    _, in_bias = loss_gradient(model, np.array(c.weights), np.array(c.bias_per_density) * density)
    np.testing.assert_allclose(in_bias, -(density**2) / 3, rtol=0, atol=tolerance("gradient"))
    assert global_minimum(model).loss < published.published_losses(model).min()


@pytest.mark.parametrize(("n_features", "n_hidden"), [(3, 1), (4, 3), (2, 2), (4, 1)])
def test_other_sizes_have_no_published_candidates(n_features: int, n_hidden: int) -> None:
    with pytest.raises(ValueError, match=f"got n_features={n_features}, n_hidden={n_hidden}"):
        published.published_losses(diagram_model(n_features, n_hidden, 0.5, 1.0))


def test_the_candidates_of_three_features_cost_the_sums_of_their_parts() -> None:
    p, r = DENSITY[:, 0], 0.5
    losses = published.published_losses(diagram_model(3, 2, p, r))
    dropped, pair = p / 3 - p**2 / 4, p**2 / 6
    expected = np.stack([2 * pair, (1 + r) * pair, (1 + r) * pair, r * dropped, dropped, dropped], axis=-1)
    np.testing.assert_allclose(losses, expected, rtol=0, atol=tolerance("rounding"))
