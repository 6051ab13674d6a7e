"""Minima of grids: what a search of each cell alone finds is there, and all that neighbours tell apart is handed on."""

from __future__ import annotations

import numpy as np
import pytest

from tegum.theory import IndependentFeatures, ToyModel, diagram_model, local_minima
from tegum.theory.minima import (
    GRADIENT_TOLERANCE,
    SAME_LOSS,
    DiagramMinima,
    FoundMinimum,
    Landscape,
    diagram_minima,
    grid_minima,
    plane_minima,
)
from tegum.theory.models import Plane
from tests.support.internals import internals

DENSITY, IMPORTANCE = np.geomspace(0.03, 1, 5), np.array([0.4, 1.0, 2.0])


@pytest.fixture(scope="module")
def grid() -> DiagramMinima:
    return diagram_minima(DENSITY, IMPORTANCE, n_features=4, n_hidden=2, starts=64)


def test_what_a_search_of_one_cell_finds_is_there(grid: DiagramMinima) -> None:
    for i, j in ((1, 0), (2, 1), (3, 1), (3, 2), (4, 0)):
        losses = np.array([point.loss for point in grid.minima[i][j]])
        for point in local_minima(grid.model.take((i, j)), starts=64, seed=1):
            assert np.abs(losses - point.loss).min() <= SAME_LOSS, (i, j, point.phase)


def test_each_is_a_minimum_of_its_own_cell(grid: DiagramMinima) -> None:
    assert grid.coverage is not None
    assert grid.coverage.draws == 64
    for i, row in enumerate(grid.minima):
        for j, cell in enumerate(row):
            landscape = Landscape(grid.model.take((i, j)))
            assert [point.loss for point in cell] == sorted(point.loss for point in cell)
            for point in cell:
                assert isinstance(point, FoundMinimum)
                assert point.status in ("minimum", "degenerate")
                assert np.linalg.norm(landscape.gradients(point.parameters)) <= GRADIENT_TOLERANCE
                assert float(landscape.losses(point.parameters)) == pytest.approx(point.loss, abs=1e-13)


def test_copies_are_counted_under_the_group_of_each_cell(grid: DiagramMinima) -> None:
    def digons(j: int) -> FoundMinimum:
        point = next(p for p in grid.minima[1][j] if p.phase.count("digon") == 2)
        assert isinstance(point, FoundMinimum)
        return point

    # Three ways to pair four features, whatever the importance of the last one.
    assert [digons(j).copies for j in range(3)] == [3, 3, 3]
    most = [max(p.copies for p in grid.minima[1][j] if isinstance(p, FoundMinimum)) for j in range(3)]
    assert most[1] > most[0]


def test_what_a_neighbour_tells_apart_is_handed_on() -> None:
    """At r = 1 a digon beside two dropped features is one minimum; beside it, two: of the last feature, and without."""
    model = diagram_model(4, 1, np.full((1, 1), 0.1), np.array([1.0, 1.05, 1.1]))
    # The middle cell is searched by nobody: it has what its neighbours hand on.
    found = grid_minima(model, starts=64).minima[0]
    middle = {round(point.loss, 9) for point in found[1] if point.phase.count("drop") == 2}
    alone = {round(point.loss, 9) for point in local_minima(model.take((0, 1)), starts=128) if "drop" in point.phase}
    assert len(middle) >= 2
    assert middle >= {loss for loss in alone if loss in middle}
    # Behind the face: cosets of the relabellings of two cells.
    sources = internals("minima.grids")._Transversals()
    equal, less = (tuple(map(tuple, orders)) for orders in ([[0, 1], [1, 0]], [[0, 1]]))
    assert sources.between(equal, less) == [[0, 1], [1, 0]]
    assert sources.between(less, equal) == [[0, 1]]
    assert sources.between(equal, equal) == [[0, 1]]


def test_a_diagram_lists_all_copies_where_it_is_asked_to() -> None:
    plane = Plane.of(
        ToyModel(4, 1, IndependentFeatures(0.1), [1, 1, 1, 0.5]),
        x=("density", 0.1, 0.2),
        y=("interference_penalty", 0.0, 0.01),
    )
    merged = plane_minima(plane, [0.1], [0.0], starts=64)
    every = plane_minima(plane, [0.1], [0.0], starts=64, merged=False)
    counted = sum(p.copies for p in merged.minima[0][0] if isinstance(p, FoundMinimum) and p.status == "minimum")
    assert len([p for p in every.minima[0][0] if p.status == "minimum"]) == counted
    assert every.coverage == merged.coverage


def test_sizes_that_no_grid_has_are_refused() -> None:
    with pytest.raises(ValueError, match="a grid of models has batch shape"):
        grid_minima(diagram_model(4, 2, np.array([0.1]), 1.0))
    with pytest.raises(ValueError, match="up to 6 features, got 7"):
        diagram_minima([0.1], [1.0], n_features=7, n_hidden=2)
    five = Plane.of(ToyModel(5, 2, IndependentFeatures(0.1)), x=("density", 0.1, 0.2), y=("importance", 0.5, 1.0))
    with pytest.raises(ValueError, match="every copy of each, are searched for up to 4 features, got 5"):
        plane_minima(five, [0.1], [1.0], merged=False)
