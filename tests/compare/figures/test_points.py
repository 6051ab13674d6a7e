"""Pictures of points: what is drawn, in which order and colour, and what is refused."""

from __future__ import annotations

from importlib import import_module
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from tegum.theory import polytope
from tegum.theory.spheres import hull_edges, thomson_minimum

# Behind the face: projection and colours are measured.
figures: Any = import_module("tegum.compare.figures.points")
faces: Any = import_module("tegum.compare.figures")


@pytest.fixture
def axes() -> Any:
    figure = Figure()
    FigureCanvasAgg(figure)
    return figure.subplots()


# Edges of the solids; an antiprism's squares and the cuboctahedron's have no diagonals.
@pytest.mark.parametrize(
    ("name", "edges"),
    [("tetrahedron", 6), ("octahedron", 12), ("cube", 12), ("antiprism", 16), ("icosahedron", 30), ("dodecahedron", 30),
     ("cuboctahedron", 24), ("pentagon", 5), ("digon", 1)],
)  # fmt: skip
def test_hulls_have_the_edges_of_solids(name: str, edges: int) -> None:
    points = np.pad(polytope(name).points.T, ((0, 0), (0, 3 - polytope(name).dim)))
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    found = hull_edges(points @ turn)
    assert len(found) == edges
    assert (found[:, 0] < found[:, 1]).all()
    if name not in ("antiprism", "digon"):
        # Uniform ones: edges are the shortest distances.
        lengths = {
            pair: np.linalg.norm(points[pair[0]] - points[pair[1]]) for pair in combinations(range(len(points)), 2)
        }
        shortest = [list(pair) for pair, length in lengths.items() if length < min(lengths.values()) * 1.0001]
        assert found.tolist() == shortest


def test_points_are_coloured_by_their_neighbours(axes: Any) -> None:
    found = thomson_minimum(32)
    figures.draw_points(axes, found.points)
    assert len(axes.lines) == 90
    # Twelve points with five neighbours, twenty with six; the foremost have the full colour, all the hue.
    hues = [np.argmin([_distance(dot.get_facecolor()[0][:3], to_rgb(c)) for c in figures.DEGREE_COLOURS.values()])
            for dot in axes.collections]  # fmt: skip
    degrees = np.array(list(figures.DEGREE_COLOURS))[hues]
    assert (degrees == found.degrees).all()


def _distance(shown: Any, colour: Any) -> float:
    """Distance of a colour that was mixed with white from the line between a colour and white."""
    a, b = 1 - np.array(shown), 1 - np.array(colour)
    return float(np.linalg.norm(a - b * (a @ b) / (b @ b)) + (np.linalg.norm(b) == 0))


def test_what_is_nearer_is_painted_later_and_darker(axes: Any) -> None:
    figures.draw_configuration(axes, np.array([[1.0, 0, 0], [-1, 0, 0]]), azimuth=90, elevation=0)
    front, back = axes.collections
    assert front.get_zorder() > back.get_zorder()
    assert front.get_facecolor()[0][:3].sum() < back.get_facecolor()[0][:3].sum()
    assert front.get_sizes()[0] > back.get_sizes()[0]
    np.testing.assert_allclose([front.get_offsets()[0], back.get_offsets()[0]], 0, atol=1e-12)


def test_the_camera_is_a_rotation() -> None:
    for azimuth, elevation in ((0, 0), (24, 18), (200, -70)):
        turn = figures._camera(azimuth, elevation)
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-14)
        assert np.linalg.det(turn) == pytest.approx(1)
    # From above, up is the spectator's side.
    np.testing.assert_allclose(figures._camera(0, 90)[2], [0, 0, 1], atol=1e-14)


def test_edges_are_where_features_interfere(axes: Any) -> None:
    weights = np.zeros((3, 7))
    weights[:2, :5], weights[2, 5] = polytope("pentagon").points, 0.8
    figures.draw_features(axes, weights, labels=list("1234567"))
    # Five neighbours with positive overlaps, five across; the sixth feature is alone and the seventh not there.
    solid = [line for line in axes.lines if line.get_linestyle() == "-"]
    assert (len(solid), len(axes.lines)) == (5, 10)
    strong = solid[0].get_linewidth()
    assert all(line.get_linewidth() == pytest.approx(strong) for line in solid)
    assert {text.get_text() for text in axes.texts} == set("1234567")
    assert axes.collections[6].get_facecolor()[0][:3].tolist() == [1, 1, 1]
    assert axes.collections[5].get_facecolor()[0][0] < 1


def test_features_of_a_wide_model_are_drawn_in_their_span(axes: Any) -> None:
    rng = np.random.default_rng(3)
    basis = np.linalg.qr(rng.normal(size=(9, 3)))[0]
    weights = basis @ polytope("cube").points
    space = figures.in_three_dimensions(weights.T)
    np.testing.assert_allclose(space @ space.T, polytope("cube").gram, atol=1e-12)
    figures.draw_features(axes, weights)
    with pytest.raises(ValueError, match="got points that span 4"):
        figures.draw_features(axes, polytope("24-cell").points)
    with pytest.raises(ValueError, match=r"finite numbers of shape \(n, d\)"):
        figures.draw_points(axes, [1.0, 2.0])
    with pytest.raises(ValueError, match="finite numbers"):
        figures.draw_points(axes, [[np.nan, 1.0]])


@pytest.mark.parametrize(("n", "order"), [(5, 3), (7, 5), (12, 5), (24, 4)])
def test_an_axis_of_highest_symmetry_is_upright(n: int, order: int) -> None:
    points = figures.upright(thomson_minimum(n).points)
    angle = 2 * np.pi / order
    turned = points @ np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    distances = np.linalg.norm(turned[:, None] - points[None], axis=-1)
    assert distances.min(axis=1).max() < 1e-6
    # A rotation, so that hands aren't exchanged.
    lengths = np.linalg.norm(points[:, None] - points[None], axis=-1)
    original = thomson_minimum(n).points
    np.testing.assert_allclose(lengths, np.linalg.norm(original[:, None] - original[None], axis=-1), atol=1e-12)


def test_galleries_name_what_they_show() -> None:
    figure = faces.thomson_figure([thomson_minimum(n, dim) for n, dim in ((4, 3), (12, 3), (5, 2))])
    assert [panel.get_title() for panel in figure.axes] == [
        "n = 4, symmetry Td\nenergy 3.674235", "n = 12, symmetry Ih\nenergy 49.165253", "n = 5\nenergy 6.881910",
    ]  # fmt: skip
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [f"{k} neighbours" for k in (2, 3, 5)]
    figure = faces.polytope_figure(["digon", "pentagonal bipyramid"])
    assert figure.axes[1].get_title() == "pentagonal bipyramid\nD = 1/2 and 2/5"


def test_a_turntable_is_a_gif(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="written as a"):
        faces.save_turntable(figures.draw_points, np.eye(3), tmp_path / "turn.png")
