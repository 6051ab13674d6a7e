"""Figures of basin shares: over the phase diagram, against the initial scale, and in the plane of initial weights."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import BoundaryNorm, ListedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter

from tegum.theory.flow import small_separatrix

from ..basins import OBJECTIVES, SADDLE
from ..diagrams import OUTCOMES, curves_of
from .phase_diagram import draw_boundaries, draw_cells, draw_curve, plane
from .style import CURVE_STYLES, DENSITY_LABEL, OTHER_COLOUR, STYLE, colour

# Cells (density, relative importance) whose shares are drawn against the initial scale.
SHOWN_CELLS = ((0.1, 0.1), (0.3, 0.46), (0.7, 1.0))
MARKERS = {"digon(1,2)": "o", "merged(1,2)": "s", "axis(1) + drop(2)": "^", "drop(1) + axis(2)": "v", SADDLE: "D"}
SADDLE_COLOUR = "#5E3270"
SADDLE_TEXT = "at rest on a saddle"
DEAD_TEXT = "an output switched off"
# Where the line of a predicted separatrix begins, as a share of the plane's extent.
LINE_BEGIN = 1e-5


def basins_figure(dataset: xr.Dataset, cells: Sequence[tuple[float, float]] = SHOWN_CELLS) -> Figure:
    """Draw shares of seeds over the phase diagram, flow beside sampled training, and against the initial scale.

    Args:
        dataset: of `basin_shares`.
        cells: (density, relative importance), the nearest of the grid are drawn against the initial scale.
    """
    scales = dataset["initial_scale"].values
    shown = sorted({0, int(np.abs(np.log(scales)).argmin()), len(scales) - 1})
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 1.75 * len(shown) + 3.3), layout="constrained")
        FigureCanvasAgg(figure)
        halves: Any = figure.subfigures(2, 1, height_ratios=[1.75 * len(shown) + 0.6, 2.7])
        maps, lines = halves
        grid = maps.subplots(len(shown), 5, sharex=True, sharey=True, squeeze=False)
        for row, scale in zip(grid, shown, strict=True):
            mesh = _maps(row, dataset, scale)
        for axes, name in zip(grid[0], ("cheapest", "merged(1,2)", "saddle", "cheapest", "merged(1,2)"), strict=True):
            axes.set_title(name, fontsize=7.5, loc="center")
        bar = maps.colorbar(mesh, ax=list(grid.ravel()), pad=0.01, aspect=45)
        bar.set_label(f"share of {dataset.sizes['seed']} seeds")
        maps.suptitle("(a) gradient flow (three columns left) and sampled training (two columns right)", fontsize=8.5)
        panels = lines.subplots(1, len(cells), sharey=True, squeeze=False)[0]
        for axes, cell in zip(panels, cells, strict=True):
            _lines(axes, dataset, cell)
        panels[0].set_ylabel("share of seeds, 95 % interval")
        lines.suptitle("(b) shares against the initial scale", fontsize=8.5)
        _legend(lines, {name for cell in cells for name in _ends(dataset, cell)})
    return figure


def _maps(row: Any, dataset: xr.Dataset, scale: int) -> Any:
    """Draw a row of maps at one initial scale, and return the last mesh."""
    phases = dataset["phase"].values.tolist()
    for axes, objective, name in zip(
        row,
        ("exact", "exact", "exact", "sampled", "sampled"),
        ("cheapest", "merged(1,2)", SADDLE, "cheapest", "merged(1,2)"),
        strict=True,
    ):
        where = OBJECTIVES.index(objective), scale
        if name == "cheapest":
            good = dataset["outcome"].values[where] == OUTCOMES.index("global")
            share = (good & (dataset["ending"].values[where] != phases.index(SADDLE))).mean(axis=-1)
        elif name in phases:
            share = dataset["share"].values[where][..., phases.index(name)]
        else:
            share = np.zeros(dataset["listed"].shape[:2])
        mesh = draw_cells(axes, dataset, share, cmap="cividis", vmin=0.0, vmax=1.0)
        if name == "cheapest":
            draw_boundaries(axes, dataset, stability=False)
        for curve in curves_of(dataset) if name != "cheapest" else ():
            limits = (name,) if name != SADDLE else ("axis(1) + drop(2)", "drop(1) + axis(2)", "merged(1,2)")
            # A saddle attracts from one side between the kinks of the dropped and of the merged state.
            if (
                curve.kind == "stability"
                and curve.phases[0] in limits
                and (name != SADDLE or curve.mechanism == "kink")
            ):
                draw_curve(axes, curve, "stability", np.ones(len(curve.density), dtype=bool))
        plane(axes, dataset)
        axes.xaxis.set_minor_formatter(NullFormatter())
        last = axes.get_subplotspec().is_last_row()
        axes.set_xlabel(DENSITY_LABEL if last else "", fontsize=6.5)
        first = axes.get_subplotspec().is_first_col()
        text = f"initial scale {dataset['initial_scale'].values[scale]:g}"
        axes.set_ylabel(f"{text}\nimportance $I_2/I_1$" if first else "", fontsize=7)
    return mesh


def _lines(axes: Axes, dataset: xr.Dataset, cell: tuple[float, float]) -> None:
    """Draw the shares of one cell against the initial scale."""
    density, importance = dataset["density"].values, dataset["importance"].values
    i, j = _nearest(dataset, cell)
    scales, total = dataset["initial_scale"].values, dataset.sizes["seed"]
    for objective, name in product(range(len(OBJECTIVES)), _ends(dataset, cell)):
        picked = dataset.isel(objective=objective, density=i, importance=j).sel(phase=name)
        share, low, high = (picked[key].values for key in ("share", "share_low", "share_high"))
        exact = OBJECTIVES[objective] == "exact"
        # Side by side, so that intervals don't hide each other.
        axes.errorbar(
            scales * (0.96 if exact else 1.04),
            share,
            yerr=[share - low, high - share],
            color=_colour(name),
            linestyle="-" if exact else "--",
            marker=MARKERS[name],
            markersize=4,
            markerfacecolor=_colour(name) if exact else "white",
            linewidth=1,
            elinewidth=0.8,
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("initial scale (factor on Xavier's law)")
    axes.set_title(f"1−S = {density[i]:.3g}, $I_2/I_1$ = {importance[j]:.3g}; {total} seeds", fontsize=7.5)


def _colour(name: str) -> str:
    """Return the colour of a phase as a line, dark enough on white."""
    return {SADDLE: SADDLE_COLOUR, "axis(1) + drop(2)": "#B8A000"}.get(name, colour(name))


def _legend(figure: Any, drawn: set[str]) -> None:
    names = [name for name in MARKERS if name in drawn]
    handles = [
        Line2D([], [], color=_colour(n), marker=MARKERS[n], markersize=4, label=SADDLE_TEXT if n == SADDLE else n)
        for n in names
    ]
    objectives: tuple[tuple[Any, str, str], ...] = (
        ("-", "black", "gradient flow"),
        ("--", "white", "sampled training"),
    )
    handles += [
        Line2D([], [], color="black", linestyle=style, marker="o", markersize=4, markerfacecolor=face, label=text)
        for style, face, text in objectives
    ]
    for style, text in (
        ("coexistence", "first-order transition"),
        ("continuous", "continuous transition"),
        ("stability", "limit of stability"),
    ):
        dash, width = CURVE_STYLES[style]
        handles.append(Line2D([], [], color="black", linestyle=dash, linewidth=width, label=f"map: {text}"))
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)


def _nearest(dataset: xr.Dataset, cell: tuple[float, float]) -> tuple[int, int]:
    """Return the place of the cell of the grid that is nearest to (density, importance), in the logarithm."""
    axes = zip((dataset["density"].values, dataset["importance"].values), cell, strict=True)
    i, j = (int(np.abs(np.log(axis / value)).argmin()) for axis, value in axes)
    return i, j


def _ends(dataset: xr.Dataset, cell: tuple[float, float]) -> list[str]:
    """Return the phases that any run of a cell ended in, of those that have a marker."""
    i, j = _nearest(dataset, cell)
    counts = dataset["count"].isel(density=i, importance=j).sum(("objective", "initial_scale")).values
    return [name for name, n in zip(dataset["phase"].values.tolist(), counts, strict=True) if n and name in MARKERS]


def planes_figure(planes: Sequence[Sequence[xr.Dataset]]) -> Figure:
    """Draw planes of initial weights, coloured by the state that the gradient flow leads to.

    Args:
        planes: rows of datasets of `basin_plane`; usually a row from afar and one of the surroundings of zero, over
            which the separatrix of the theory of small weights is drawn.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 1.72 * len(planes) + 0.95), layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(len(planes), len(planes[0]), squeeze=False)
        seen: set[str] = set()
        for row, datasets in zip(grid, planes, strict=True):
            for axes, dataset in zip(row, datasets, strict=True):
                _plane(axes, dataset)
                axes.label_outer(remove_inner_ticks=False)
                # The rows have ranges of their own.
                axes.tick_params(labelbottom=True)
                if axes.get_subplotspec().is_first_row():
                    p, r = dataset.attrs["density"], dataset.attrs["importance"]
                    axes.set_title(f"1−S = {p:g}, $I_2/I_1$ = {r:g}", fontsize=7.5)
                seen |= {dataset.attrs["phases"][k] for k in np.unique(dataset["ending"].values)}
        patches = {_plane_text(name): _plane_colour(name) for name in sorted(seen)}
        handles: list[Any] = [
            Patch(facecolor=c, edgecolor="black", linewidth=0.4, label=text) for text, c in patches.items()
        ]
        handles.append(Line2D([], [], color="black", linewidth=1.2, label="separatrix, theory of small weights"))
        figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _plane_colour(name: str) -> str:
    return OTHER_COLOUR if "dead" in name else SADDLE_COLOUR if name == SADDLE else colour(name)


def _plane_text(name: str) -> str:
    return DEAD_TEXT if "dead" in name else SADDLE_TEXT if name == SADDLE else name


def _plane(axes: Axes, dataset: xr.Dataset) -> None:
    names, codes = dataset.attrs["phases"], dataset["ending"].values
    x, y = dataset["first_weight"].values, dataset["second_weight"].values
    colours = ListedColormap([to_rgb(_plane_colour(name)) for name in names])
    norm = BoundaryNorm(np.arange(len(names) + 1) - 0.5, len(names))
    axes.pcolormesh(x, y, codes.T, cmap=colours, norm=norm, rasterized=True)
    extent = float(x[-1] + (x[1] - x[0]) / 2)
    p, r = dataset.attrs["density"], dataset.attrs["importance"]
    # The theory is one of small weights.
    if extent < 1 and r <= 1:
        lines = small_separatrix(p, r, np.geomspace(LINE_BEGIN * extent, 2 * extent, 400))
        for line in (*lines, *-lines):
            axes.plot(*line.T, color="white", linewidth=2.4)
            axes.plot(*line.T, color="black", linewidth=1.2)
    axes.set_xlim(-extent, extent)
    axes.set_ylim(-extent, extent)
    axes.set_aspect("equal")
    middle = round(0.8 * extent, 2)
    axes.set_xticks([-middle, 0, middle])
    axes.set_yticks([-middle, 0, middle])
    axes.set_xlabel("initial $W_1$")
    axes.set_ylabel("initial $W_2$")
