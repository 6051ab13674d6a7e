"""Changes of the cheapest phase between cells, against traced boundaries and against what single models say."""

from __future__ import annotations

import numpy as np
import pytest

from tegum.theory import BoundaryMap, diagram_model, local_minima
from tegum.theory.boundaries import BoundaryCurve, Crossing, GridBoundaries, boundary_map, grid_boundaries
from tegum.theory.minima import DiagramMinima, FoundMinimum, Landscape, diagram_minima, plane_minima
from tegum.theory.models import diagram_plane

# Distance, in logarithms, between a point and the polygon through a traced curve's points.
POLYGON = 5e-3


@pytest.fixture(scope="module")
def pairs() -> GridBoundaries:
    """Two features in one dimension: the change is first order, then continuous from (0.512, 0.564) on."""
    return grid_boundaries(diagram_minima(np.geomspace(0.2, 0.95, 6), np.geomspace(0.2, 0.85, 6), starts=32))


@pytest.fixture(scope="module")
def four() -> DiagramMinima:
    return diagram_minima([0.25, 0.45, 0.6, 0.7], [0.2, 0.5, 0.7, 1.3], n_features=4, n_hidden=2, starts=64)


@pytest.fixture(scope="module")
def bounds(four: DiagramMinima) -> GridBoundaries:
    return grid_boundaries(four)


def _gap(curve: BoundaryCurve, crossing: Crossing) -> float:
    """Return how far a crossing is from a curve, in logarithms."""
    line = np.log(np.stack([curve.density, curve.importance], axis=-1))[curve.cheapest]
    if len(line) < 2:
        return np.inf
    point, start, along = np.log([crossing.x, crossing.y]), line[:-1], np.diff(line, axis=0)
    share = np.clip(((point - start) * along).sum(1) / np.maximum((along**2).sum(1), 1e-300), 0, 1)
    return float(np.linalg.norm(point - start - share[:, None] * along, axis=1).min())


def test_each_change_lies_on_a_traced_boundary_of_its_kind(pairs: GridBoundaries, default_map: BoundaryMap) -> None:
    kinds = {one.kind for one in pairs.crossings}
    assert kinds == {"first order", "continuous"}
    for one in pairs.crossings:
        wanted = "coexistence" if one.kind == "first order" else "stability"
        near = [curve for curve in default_map.curves if curve.kind == wanted]
        assert min(_gap(curve, one) for curve in near) < POLYGON, one


def test_both_phases_cost_the_same_at_a_change_of_first_order(bounds: GridBoundaries) -> None:
    firsts = [one for one in bounds.crossings if one.kind == "first order"]
    assert len(firsts) >= 4
    for one in firsts:
        landscape = Landscape(diagram_model(4, 2, one.x, one.y))
        losses = [float(landscape.losses(state)) for state in one.states]
        assert abs(losses[0] - losses[1]) <= 1e-12
        assert np.linalg.norm(landscape.gradients(one.states), axis=-1).max() < 1e-9
        assert one.error < 1e-9
        # At r = 1 phases of unlike labels are copies.
        assert (one.jump > 0.01) == (one.y != pytest.approx(1))


@pytest.mark.parametrize("side", [-1, 1])
def test_no_other_minimum_is_cheaper_beside_a_change(bounds: GridBoundaries, side: int) -> None:
    for one in bounds.crossings[:3]:
        # Along the line on which it lies.
        along = (1e-4 if one.between[0][0] != one.between[1][0] else 0.0) * side
        across = 0.0 if along else 1e-4 * side
        points = local_minima(diagram_model(4, 2, one.x * (1 + along), one.y * (1 + across)), starts=64)
        assert points[0].loss <= one.loss + 1e-3
        landscape = Landscape(diagram_model(4, 2, one.x * (1 + along), one.y * (1 + across)))
        held = min(float(landscape.losses(state)) for state in one.states)
        # States of the change, a little off their minima, cost what the cheapest minimum does.
        assert abs(points[0].loss - held) < 1e-6, (one, points[0].phase)


def test_three_phases_cost_the_same_where_they_meet(bounds: GridBoundaries) -> None:
    """Four features in two dimensions: two digons, and a triangle with either of two features dropped."""
    assert len(bounds.meetings)
    for met in bounds.meetings:
        points = local_minima(diagram_model(4, 2, *met), starts=256)
        landscape, cheap = Landscape(diagram_model(4, 2, *met)), points[0].loss + 1e-8
        assert float(landscape.losses(points[0].parameters)) == pytest.approx(points[0].loss, abs=1e-14)
        copies = sum(point.copies for point in points if isinstance(point, FoundMinimum) and point.loss < cheap)
        assert copies >= 3, met
    np.testing.assert_allclose(bounds.meetings[np.abs(bounds.meetings[:, 1] - 1).argmin()], (0.64424036, 1), atol=1e-7)


def test_curves_go_through_all_changes(bounds: GridBoundaries) -> None:
    drawn = {(x, y) for curve in bounds.curves for x, y in zip(curve.x.tolist(), curve.y.tolist(), strict=True)}
    joined = [one for one in bounds.crossings if (one.x, one.y) in drawn]
    assert len(joined) >= len(bounds.crossings) - 2
    for curve in bounds.curves:
        assert curve.cheapest.all()
        # What isn't solved for is within a cell, and says so.
        solved = np.isfinite(curve.residual)
        assert curve.residual[solved].max() < 1e-12
        assert (solved == (curve.error < 1e-6)).all()
        assert solved.any()


def test_phases_that_cost_the_same_along_an_edge_change_nothing_there() -> None:
    """At density 1, where x and 1 - x have the same law, a triangle and a cluster cost the same."""
    plane = diagram_plane(3, 2)
    found = grid_boundaries(plane_minima(plane, [0.8, 1.0], [0.7, 1.0], starts=64))
    assert all(one.x < 1 - 1e-9 for one in found.crossings if one.between[0][0] != one.between[1][0])


def test_a_map_is_not_made_of_minima_that_stand_for_copies(four: DiagramMinima) -> None:
    with pytest.raises(ValueError, match="merged=False"):
        boundary_map(four)
