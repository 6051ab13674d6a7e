"""The figure of a family's minima."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from tegum.compare.figures import branch_figure

# Behind the face: what the figure is drawn from.
from tegum.compare.figures.branches import cheapest_intervals, oriented
from tegum.theory import expected_loss
from tegum.theory.branches import BranchDiagram, branch_diagram
from tegum.theory.models import anticorrelated_pairs, one_more_important


@pytest.fixture(scope="module")
def triangle() -> BranchDiagram:
    return branch_diagram(one_more_important(3, 2, 0.7, 0.5, 2.0), [0.6, 1.0, 1.5], starts=24, margin=1.03)


def circle(*degrees: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    angles = np.radians(degrees)
    return np.array([np.cos(angles), np.sin(angles)])


def test_states_of_a_path_turn_as_little_as_possible() -> None:
    rng = np.random.default_rng(0)
    states = []
    for k in range(7):
        angle = rng.uniform(0, 2 * np.pi)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        states.append(turn @ (circle(0, 120, 240) * (1 + 0.01 * k)))
    turned = oriented(np.array(states))
    np.testing.assert_allclose(turned.mT @ turned, np.array(states).mT @ np.array(states), atol=1e-12)
    np.testing.assert_allclose(turned[:, 0, 2], 0, atol=1e-9)
    assert (turned[:, 1, 2] > 0).all()
    assert np.abs(np.diff(turned, axis=0)).max() < 0.011


def test_the_figure_shows_each_cheapest_minimum_in_turn(triangle: BranchDiagram) -> None:
    figure = branch_figure(triangle)
    intervals = cheapest_intervals(triangle)
    assert intervals[0][1] == 0.5
    assert intervals[-1][2] == 2.0
    assert all(a[2] == b[1] for a, b in pairwise(intervals))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    for low, high in ((i[1], i[2]) for i in intervals):
        assert any(f"{low:.4g} to {high:.4g}" in title for title in titles)
    losses = figure.axes[0]
    assert losses.get_xscale() == "log"
    lines = [np.asarray(line.get_xdata()) for line in losses.lines]
    crossings = [x[0] for x in lines if len(x) == 2 and x[0] == x[1]]
    assert {round(float(x), 9) for x in crossings} >= {round(c.parameter, 9) for c in triangle.changes}


def test_perfect_minima_are_drawn_on_the_scale_of_the_variance() -> None:
    family = anticorrelated_pairs(2, 2, 0.05, 0.5)
    found = branch_diagram(family, [0.1], starts=24)
    axes = branch_figure(found).axes[0]
    assert "outputs the means" in axes.get_ylabel()
    # At density p that model costs 4 (p/3 − p²/4).
    model = family.models(np.log([0.3])).take(0)
    dropped = expected_loss(model, np.zeros((2, 4)), np.full(4, 0.15))
    lines = [np.array([line.get_xdata(), line.get_ydata()], dtype=float) for line in axes.lines]
    height = max(np.interp(0.3, *line) for line in lines if line.shape[1] > 100)
    losses = [state[1] for arc in found.arcs if (state := arc.at(0.3)) is not None]
    assert height == pytest.approx(max(losses) / dropped, rel=1e-3)
