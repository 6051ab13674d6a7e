"""Figures: axes the right way round, every cell in its place, colours that survive a grey print, no window."""

from __future__ import annotations

import struct
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.text import Text

from tegum.compare.diagrams import agreement, minima_of, model_of
from tegum.compare.judgement import ON_THE_WAY, Recipe
from tegum.theory import expected_loss
from tegum.theory.boundaries import BoundaryCurve
from tegum.theory.minima import diagram_minima
from tegum.theory.numerics import FloatArray
from tests.support.tolerances import tolerance
from tests.support.trained import trained_by_hand

# Behind the face: the layout itself is tested, part by part.
datasets: Any = import_module("tegum.compare.diagrams.dataset")
# Behind the face: panels are drawn and measured one at a time.
figures: Any = import_module("tegum.compare.figures.phase_diagram")
# Behind the face: colours are measured.
style: Any = import_module("tegum.compare.figures.style")

# CIE lightness runs from 0 to 100; fields of grey that differ by less are hard to tell apart.
LIGHTNESS_STEP = 8.0
# Channels of a rendered pixel are bytes.
PIXEL = 1 / 255 + 1e-9
PHASES = ["digon(1,2)", "axis(1) + drop(2)", "drop(1) + axis(2)", "merged(1,2)", "cluster(1,2)"]
# Of runs that are put into minima by hand no noise has to be explained.
EXACT = Recipe(learning_rate=1.0, steps=0, batch_size=1, objective="exact")
PNG = b"\x89PNG\r\n\x1a\n"


def grid(columns: int = 4, rows: int = 3) -> xr.Dataset:
    """Return a dataset of axes and names, with unlike numbers of cells along its axes."""
    return xr.Dataset(
        coords={"density": np.geomspace(0.01, 1, columns), "importance": np.geomspace(0.1, 10, rows)},
        attrs={"phases": PHASES, "n_features": 2, "n_hidden": 1},
    )


def axes() -> Axes:
    figure = Figure(figsize=(3, 3))
    FigureCanvasAgg(figure)
    on: Axes = figure.subplots()
    return on


def canvas_of(figure: Any) -> Any:
    """Return the figure's canvas, which comes without types."""
    assert isinstance(figure.canvas, FigureCanvasAgg)
    return figure.canvas


def is_title(artist: Artist) -> bool:
    return isinstance(artist, Text) and artist.get_text().startswith("(")


def mesh(on: Axes) -> QuadMesh:
    (found,) = [artist for artist in on.collections if isinstance(artist, QuadMesh)]
    return found


def colour_at(on: Axes, density: float, importance: float) -> FloatArray:
    """Return the colour of the mesh's quadrilateral that a point of the plane lies in."""
    quads = mesh(on)
    corners = np.asarray(quads.get_coordinates())
    inside = (corners[:-1, :-1, 0] < density) & (density < corners[:-1, 1:, 0])
    inside &= (corners[:-1, :-1, 1] < importance) & (importance < corners[1:, :-1, 1])
    assert inside.sum() == 1
    values = np.asarray(quads.get_array()).reshape(inside.shape)
    found: FloatArray = np.asarray(quads.to_rgba(values[inside]))[0]
    return found


@pytest.fixture(scope="module")
def dataset() -> xr.Dataset:
    """A finished diagram of 3 × 2 cells: each strict minimum of a cell, or the cheapest again, is a run."""
    density, importance = np.array([0.1, 0.3, 0.5]), np.array([0.5, 1.5])
    theory = datasets.theory_dataset(diagram_minima(density, importance, starts=16))
    minima = minima_of(theory).minima
    weights, bias = np.zeros((3, 2, 2, 1, 2)), np.zeros((3, 2, 2, 2))
    for i, j, k in np.ndindex(3, 2, 2):
        live = [point for point in minima[i][j] if point.status == "minimum"]
        # The cheapest comes last, so that the first seed isn't the best one everywhere.
        point = live[min(1 - k, len(live) - 1)]
        weights[i, j, k], bias[i, j, k] = point.weights, point.bias
    trained = trained_by_hand(weights, bias, expected_loss(model_of(theory).take((..., np.newaxis)), weights, bias))
    curves = (
        curve("coexistence", ("axis(1) + drop(2)", "digon(1,2)"), "first order", [True] * 3),
        curve("stability", ("merged(1,2)",), "fold", [False] * 3),
        curve("stability", ("digon(1,2)",), "kink", [False, True, True]),
    )
    parts = (datasets.curves_dataset(curves), datasets.trained_dataset(theory, trained, EXACT))
    whole: xr.Dataset = theory.merge(parts[0]).merge(parts[1])
    whole.attrs = theory.attrs | parts[0].attrs | parts[1].attrs
    # A verdict that differs from the exact one, so that the panels can be told apart.
    published = whole["published_phase"].values.copy()
    published[2, 1] = whole.attrs["phases"].index("drop(1) + axis(2)")
    whole["published_phase"] = (("density", "importance"), published)
    return whole


def curve(kind: str, phases: tuple[str, ...], mechanism: str, cheapest: list[bool]) -> BoundaryCurve:
    return BoundaryCurve(
        kind=kind,
        phases=phases,
        mechanism=mechanism,
        x=np.array([0.15, 0.2, 0.4]),
        y=np.array([0.6, 0.8, 1.2]),
        residual=np.zeros(3),
        error=np.zeros(3),
        cheapest=np.array(cheapest),
        status="complete",
        reason="made by hand",
    )


@pytest.fixture(scope="module")
def figure(dataset: xr.Dataset) -> Figure:
    drawn: Figure = figures.phase_diagram_figure(dataset)
    canvas_of(drawn).draw()
    return drawn


# --- One panel ---------------------------------------------------------------------------------------------------


def test_axes_are_density_and_relative_importance_on_log_scales() -> None:
    on = figures.draw_phases(axes(), grid(), np.full((4, 3), PHASES[0]))
    assert (on.get_xscale(), on.get_yscale()) == ("log", "log")
    assert on.get_xlabel() == "feature density 1−S"
    assert "sparsity" not in on.get_xlabel()
    assert on.get_ylabel().startswith("relative importance")
    np.testing.assert_allclose(on.get_xlim(), (0.01, 1), rtol=tolerance("rounding"))
    np.testing.assert_allclose(on.get_ylim(), (0.1, 10), rtol=tolerance("rounding"))


def test_density_runs_to_the_right_and_importance_upwards_on_the_page() -> None:
    on = figures.draw_phases(axes(), grid(), np.full((4, 3), PHASES[0]))
    x, y = on.transData.transform([(0.02, 0.2), (0.5, 5.0)]).T
    assert x[0] < x[1]
    assert y[0] < y[1]


@pytest.mark.parametrize("special", list(np.ndindex(4, 3)), ids=str)
def test_a_cell_that_differs_is_coloured_in_its_place(special: tuple[int, int]) -> None:
    dataset, codes = grid(), np.zeros((4, 3), dtype=np.int16)
    codes[special] = 2
    on = figures.draw_phases(axes(), dataset, np.array(PHASES)[codes])
    for i, j in np.ndindex(4, 3):
        found = colour_at(on, float(dataset["density"][i]), float(dataset["importance"][j]))
        np.testing.assert_array_equal(found, to_rgba(style.colour(PHASES[codes[i, j]])))


def test_the_rendered_pixels_show_each_cell_in_its_place() -> None:
    dataset = grid()
    codes = (np.arange(12) % 5).reshape(4, 3).astype(np.int16)
    on = figures.draw_phases(axes(), dataset, np.array(PHASES)[codes])
    canvas = canvas_of(on.figure)
    canvas.draw()
    # Rows of the buffer run downwards.
    pixels = np.asarray(canvas.buffer_rgba())[::-1]
    for i, j in np.ndindex(4, 3):
        # Cells at the rim are cut by the axes' limits at their centres: look a little inside.
        inward = 0.8 * (np.array([i / 3, j / 2]) - 0.5) + 0.5
        where = (0.01 * 100 ** inward[0], 0.1 * 100 ** inward[1])
        x, y = on.transData.transform(where).astype(int)
        np.testing.assert_allclose(pixels[y, x, :3] / 255, to_rgb(style.colour(PHASES[codes[i, j]])), atol=PIXEL)


def test_cells_lie_around_their_centres_on_the_log_scale() -> None:
    dataset = grid()
    corners = np.log(
        np.asarray(mesh(figures.draw_phases(axes(), dataset, np.full((4, 3), PHASES[0]))).get_coordinates())
    )
    middle = (corners[0, 1:, 0] + corners[0, :-1, 0]) / 2, (corners[1:, 0, 1] + corners[:-1, 0, 1]) / 2
    np.testing.assert_allclose(middle[0], np.log(dataset["density"]), atol=tolerance("rounding"))
    np.testing.assert_allclose(middle[1], np.log(dataset["importance"]), atol=tolerance("rounding"))


def test_functions_return_the_axes_that_they_were_given(dataset: xr.Dataset) -> None:
    panel, labels = axes(), np.array(dataset.attrs["phases"])[dataset["published_phase"].values]
    assert figures.draw_phases(panel, dataset, labels) is panel
    assert figures.draw_boundaries(panel, dataset, stability=True) is panel
    assert figures.draw_disagreement(panel, dataset) is panel


def test_disagreement_is_shaded_in_its_cell(dataset: xr.Dataset) -> None:
    on = figures.draw_disagreement(axes(), dataset)
    share = (dataset["outcome"].values != 0).mean(axis=-1)
    assert set(share.ravel()) == {0.0, 0.5}
    values = np.asarray(mesh(on).get_array()).reshape(2, 3)
    np.testing.assert_array_equal(values, share.T)
    assert mesh(on).get_clim() == (0.0, 1.0)
    assert (on.get_xscale(), on.get_yscale()) == ("log", "log")


@pytest.mark.parametrize("which", ["nowhere", "everywhere"])
def test_several_minima_nowhere_or_everywhere_are_hatched(dataset: xr.Dataset, which: str) -> None:
    codes, losses = dataset["minimum_phase"].values.copy(), dataset["minimum_loss"].values.copy()
    codes[..., 1:] = -1
    if which == "everywhere":
        codes[..., 1], losses[..., 1] = codes[..., 0], losses[..., 0] + 1.0
    changed = {
        "minimum_phase": (dataset["minimum_phase"].dims, codes),
        "minimum_loss": (dataset["minimum_loss"].dims, losses),
    }
    on = figures.draw_disagreement(axes(), dataset.assign(changed))
    canvas_of(on.figure).draw()
    (hatched,) = (drawn for drawn in on.collections if isinstance(drawn, ContourSet))
    areas = [path.get_extents() for path in hatched.get_paths() if np.size(path.vertices)]
    if which == "nowhere":
        assert areas == []
    else:
        (area,) = areas
        x, y = dataset["density"].values, dataset["importance"].values
        np.testing.assert_allclose(area.get_points(), [[x[0], y[0]], [x[-1], y[-1]]])


def test_limits_of_stability_are_drawn_on_request(dataset: xr.Dataset) -> None:
    all_of_them = figures.draw_boundaries(axes(), dataset, stability=True)
    only_changes = figures.draw_boundaries(axes(), dataset, stability=False)
    colours = [{str(line.get_color()) for line in on.lines} for on in (all_of_them, only_changes)]
    assert colours[0] == {
        "white",
        "black",
        *(style.shade(style.colour(label)) for label in ("merged(1,2)", "digon(1,2)")),
    }
    assert colours[1] == {"white", "black"}


def test_a_curve_shows_only_what_bounds_the_cheapest_phase(dataset: xr.Dataset) -> None:
    on = figures.draw_boundaries(axes(), dataset, stability=False)
    black = [np.asarray(line.get_xdata()) for line in on.lines if line.get_color() == "black"]
    shown = sorted(tuple(np.isfinite(x)) for x in black)
    # Nothing of the fold, the last two points of the kink, the whole coexistence curve.
    assert shown == [(False, False, False), (False, True, True), (True, True, True)]
    whole = next(x for x in black if np.isfinite(x).all())
    np.testing.assert_array_equal(whole, [0.15, 0.2, 0.4])


# --- Colours -----------------------------------------------------------------------------------------------------


PAIRS = [pair for colours in style.PHASE_COLOURS.values() for pair in combinations(colours, 2)]


def lightness(name: str) -> float:
    """Return the CIE lightness of a colour: what is left of it in grey."""
    channels = np.array(to_rgb(name))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    return float(116 * np.cbrt(luminance) - 16)


@pytest.mark.parametrize("pair", PAIRS, ids=" | ".join)
def test_phases_can_be_told_apart_in_grey(pair: tuple[str, str]) -> None:
    assert abs(lightness(style.colour(pair[0])) - lightness(style.colour(pair[1]))) > LIGHTNESS_STEP


def test_an_unforeseen_phase_has_a_colour_of_its_own() -> None:
    assert style.colour("cluster(1,2)") == style.OTHER_COLOUR
    assert all(style.OTHER_COLOUR not in colours.values() for colours in style.PHASE_COLOURS.values())


@pytest.mark.parametrize("label", PHASES)
def test_the_colour_of_a_line_is_darker_than_its_phase(label: str) -> None:
    assert lightness(style.shade(style.colour(label))) < lightness(style.colour(label)) - LIGHTNESS_STEP


# --- The main figure ---------------------------------------------------------------------------------------------


def test_the_main_figure_has_four_panels_and_a_colour_bar(figure: Figure, dataset: xr.Dataset) -> None:
    assert len(figure.axes) == 5
    panels, bar = figure.axes[:4], figure.axes[4]
    assert "seeds" in bar.get_ylabel()
    for letter, panel in zip("abcd", panels, strict=True):
        assert panel.get_title(loc="left").startswith(f"({letter})")
        assert (panel.get_xscale(), panel.get_yscale()) == ("log", "log")
        assert panel.get_xlabel() == "feature density 1−S"
        assert panel.get_ylabel().startswith("relative importance")
        np.testing.assert_allclose(panel.get_xlim(), dataset["density"].values[[0, -1]], rtol=tolerance("rounding"))
        np.testing.assert_allclose(panel.get_ylim(), dataset["importance"].values[[0, -1]], rtol=tolerance("rounding"))


def test_panels_show_published_exact_and_best_trained_phases(figure: Figure, dataset: xr.Dataset) -> None:
    # Runs are minima themselves: the best one is in the minimum that it is nearest to.
    best = dataset["trained_loss"].values.argmin(axis=-1)
    assert len(set(best.ravel())) > 1
    near = np.take_along_axis(dataset["nearest"].values, best[..., None], axis=-1)
    shown = (
        dataset["published_phase"].values,
        dataset["minimum_phase"].values[..., 0],
        np.take_along_axis(dataset["minimum_phase"].values, near, axis=-1)[..., 0],
    )
    assert not np.array_equal(shown[0], shown[1])
    names = np.array(dataset.attrs["phases"])
    for panel, codes in zip(figure.axes, shown, strict=False):
        for i, j in np.ndindex(codes.shape):
            # Cells at the rim are cut at their centres: look a little inside.
            inward = 0.8 * (np.array([i, j]) / (np.array(codes.shape) - 1) - 0.5) + 0.5
            place = [
                float(np.exp(np.interp(t, [0, 1], np.log(dataset[axis].values[[0, -1]]))))
                for t, axis in zip(inward, ("density", "importance"), strict=True)
            ]
            np.testing.assert_array_equal(colour_at(panel, *place), to_rgba(style.colour(str(names[codes[i, j]]))))


def test_titles_carry_the_ledger(dataset: xr.Dataset) -> None:
    account = replace(agreement(dataset).account, in_a_minimum=9, best_seed_in_global_phase=0.625)
    ledger = replace(agreement(dataset), published_wrong=0.375, account=account)
    titles = [panel.get_title(loc="left") for panel in figures.phase_diagram_figure(dataset, ledger).axes[:4]]
    assert "37.5%" in titles[0]
    assert "62.5%" in titles[2]
    assert "2 seeds" in titles[2]
    assert "9 of 12 runs are in a minimum" in titles[3]


def test_a_best_seed_in_no_minimum_has_no_phase(dataset: xr.Dataset) -> None:
    moved = dataset.copy(deep=True)
    best = int(moved["trained_loss"].values[0, 1].argmin())
    moved["verdict"][0, 1, best] = ON_THE_WAY
    drawn = figures.phase_diagram_figure(moved)
    # A little inside the cell, which is cut at its centre.
    place = (0.11, 1.4)
    np.testing.assert_array_equal(colour_at(drawn.axes[2], *place), to_rgba(style.colour(style.NO_MINIMUM)))
    (legend,) = drawn.legends
    assert style.NO_MINIMUM in [text.get_text() for text in legend.get_texts()]


def test_seeds_that_are_in_no_minimum_are_shaded(dataset: xr.Dataset) -> None:
    moved = dataset.copy(deep=True)
    moved["verdict"][0, 1] = ON_THE_WAY
    before, after = (
        np.asarray(mesh(figures.draw_disagreement(axes(), runs)).get_array()).reshape(2, 3).T
        for runs in (dataset, moved)
    )
    # One of two seeds is in the cheapest minimum, then neither.
    assert (before[0, 1], after[0, 1]) == (0.5, 1.0)
    changed = before != after
    assert changed.sum() == 1


def test_the_legend_names_what_is_shown(figure: Figure, dataset: xr.Dataset) -> None:
    (legend,) = figure.legends
    texts = [text.get_text() for text in legend.get_texts()]
    names = np.array(dataset.attrs["phases"])
    assert set(names[dataset["minimum_phase"].values[..., 0]].ravel()) <= set(texts)
    assert {"coexistence (first order)", "continuous transition", "several exact minima"} <= set(texts)
    assert {"limit of merged(1,2)", "limit of digon(1,2)"} <= set(texts)
    assert len(set(texts)) == len(texts)


def test_no_text_runs_out_of_the_figure(figure: Figure) -> None:
    renderer, frame = canvas_of(figure).get_renderer(), figure.bbox
    texts: list[Artist] = [*figure.texts, *figure.legends]
    for panel in figure.axes:
        texts += [panel.xaxis.label, panel.yaxis.label, *panel.findobj(is_title)]
    for text in texts:
        box = text.get_window_extent(renderer)
        assert frame.x0 <= box.x0, text
        assert frame.y0 <= box.y0, text
        assert box.x1 <= frame.x1, text
        assert box.y1 <= frame.y1, text


def test_titles_of_neighbouring_panels_do_not_touch(dataset: xr.Dataset) -> None:
    # As many digits as those of the main job.
    found = agreement(dataset)
    account = replace(found.account, runs=4608, in_a_minimum=4608, best_seed_in_global_phase=1.0)
    ledger = replace(found, account=account, published_wrong=0.1234)
    drawn: Figure = figures.phase_diagram_figure(dataset, ledger)
    canvas_of(drawn).draw()
    titles = [title for panel in drawn.axes[:4] for title in panel.findobj(is_title)]
    assert len(titles) == 4
    boxes = [title.get_window_extent(canvas_of(drawn).get_renderer()) for title in titles]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


@pytest.mark.parametrize("name", ["diagram.png", "deep/er/diagram.png"])
def test_a_figure_is_written_as_png(figure: Figure, tmp_path: Path, name: str) -> None:
    style.save_figure(figure, tmp_path / name)
    content = (tmp_path / name).read_bytes()
    assert content.startswith(PNG)
    width, height = struct.unpack(">II", content[16:24])
    assert min(width, height) > 1000


def test_a_figure_is_written_in_the_format_of_its_name(figure: Figure, tmp_path: Path) -> None:
    style.save_figure(figure, tmp_path / "diagram.pdf")
    assert (tmp_path / "diagram.pdf").read_bytes().startswith(b"%PDF")


def test_drawing_never_loads_pyplot() -> None:
    code = (
        "import sys\n"
        "import numpy as np, xarray as xr\n"
        "from matplotlib.figure import Figure\n"
        "from tegum.compare.figures.phase_diagram import draw_phases\n"
        "attrs = {'n_features': 2, 'n_hidden': 1, 'phases': []}\n"
        "plane = xr.Dataset(coords={'density': [0.1, 1.0], 'importance': [0.1, 10.0]}, attrs=attrs)\n"
        "draw_phases(Figure().subplots(), plane, np.full((2, 2), 'a')).figure.canvas.draw()\n"
        "assert 'matplotlib.figure' in sys.modules\n"
        "assert 'matplotlib.pyplot' not in sys.modules, 'pyplot was loaded'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
