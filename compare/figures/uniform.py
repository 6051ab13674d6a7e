"""The figure of equal features: D*, the dimensionality of each feature, and losses, over 1/(1−S)."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ..geometry import NOTHING, UniformRun, UniformSweep
from .packing import COLOURS, TICKS
from .style import OTHER_COLOUR, STYLE

# The polytopes that are told apart, by number of dimensions, with their marks; all others share one.
SHOWN = {
    "axis": "s",
    "digon": "o",
    "triangle": "^",
    "tetrahedron": "v",
    "pentagon": "p",
    "antiprism": "D",
}
OTHER_MARK, NO_MARK = "P", "."
# Features with the same dimensionality are drawn beside each other, over this share of the distance of two columns.
SPREAD = 0.7


def uniform_figure(sweep: UniformSweep) -> Figure:
    """Draw a column for each size: D*, D_i with the theory's fractions, and the loss over that of the best packing."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.7 * len(sweep.runs) + 0.4, 7.4), layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(3, len(sweep.runs), sharex=True, squeeze=False, height_ratios=[1, 1.6, 1])
        for column, run in enumerate(sweep.runs):
            upper, middle, lower = grid[:, column]
            _dimensions_per_feature(upper, sweep, run)
            _scatter(middle, sweep, run)
            _ratio(lower, sweep, run)
            upper.set_title(f"n = {run.n_features} features in m = {run.n_hidden} dimensions")
            lower.set_xlabel("inverse feature density 1/(1−S)")
            for axes in (upper, middle, lower):
                _axis(axes, sweep)
            if column == 0:
                upper.set_ylabel("dimensions per feature D*")
                middle.set_ylabel("feature dimensionality D_i")
                lower.set_ylabel("loss over best packing − 1")
        figure.legend(handles=_handles(sweep), loc="outside lower center", ncols=3 + len(sweep.runs), frameon=False)
    return figure


def _axis(axes: Axes, sweep: UniformSweep) -> None:
    places = sweep.inverse_density
    axes.set_xscale("log")
    axes.set_xlim(places[0] / 1.04, places[-1] * 1.04)
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in TICKS if tick <= places[-1] * 1.001]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    for change in sweep.transitions:
        axes.axvline(change.inverse_density, color="#000000", linewidth=0.4, linestyle=":", zorder=0)


def _dimensions_per_feature(axes: Axes, sweep: UniformSweep, run: UniformRun) -> None:
    """Draw D* of training and of the best packing of that size."""
    theory = []
    for packing, finite in zip(sweep.packings, run.packings, strict=True):
        scales = {one.name: one.scale * one.corners for one in packing.polytopes}
        theory.append(run.n_hidden / sum(count * scales[name] for name, count in finite.copies.items()))
    axes.plot(sweep.inverse_density, theory, color="#000000", linewidth=0.8, zorder=1)
    axes.plot(sweep.inverse_density, run.dimensions_per_feature, "o", color=COLOURS[0], markersize=3, zorder=2)
    axes.set_ylim(0, 1.1)


def _scatter(axes: Axes, sweep: UniformSweep, run: UniformRun) -> None:
    """Draw D_i of each represented feature, by its polytope, over the theory's fractions."""
    places = sweep.inverse_density
    shapes = {one.name: one for packing in sweep.packings for one in packing.polytopes}
    names = [sweep.packings[0].best.name, *(one.after for one in sweep.transitions)]
    edges = [places[0] / 1.04, *(one.inverse_density for one in sweep.transitions), places[-1] * 1.04]
    for name, left, right in zip(names, edges, edges[1:], strict=False):
        value = shapes[name].dim / shapes[name].corners
        axes.plot([left, right], [value, value], color="#000000", linewidth=0.8, zorder=1)
    step = SPREAD * np.log(places[1] / places[0]) if len(places) > 1 else 0.0
    for place, values, stored, shape in zip(places, run.dimensionality, run.stored, run.polytope, strict=True):
        for name in dict.fromkeys(shape[stored]):
            mine = np.flatnonzero(stored & (shape == name))
            mark, colour = _look(str(name))
            beside = place * np.exp(step * (np.linspace(-0.5, 0.5, len(mine)) if len(mine) > 1 else np.zeros(1)))
            size = 1.6 if mark == NO_MARK else 2
            axes.plot(
                beside, values[mine], mark, color=colour, markersize=size, markeredgewidth=0, zorder=2, rasterized=True
            )
    axes.set_ylim(0, 1.05)


def _ratio(axes: Axes, sweep: UniformSweep, run: UniformRun) -> None:
    axes.axhline(0, color="#000000", linewidth=0.8)
    axes.plot(sweep.inverse_density, run.ratio - 1, "o-", color=COLOURS[0], markersize=3, linewidth=0.6)
    axes.set_yscale("symlog", linthresh=1e-3)
    axes.set_yticks([-0.1, -0.01, -0.001, 0, 0.001, 0.01, 0.1])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(-1, 1)


def _look(name: str) -> tuple[str, str]:
    """Return the mark and the colour of a polytope's features."""
    if name == NOTHING:
        return NO_MARK, OTHER_COLOUR
    if name in SHOWN:
        return SHOWN[name], COLOURS[list(SHOWN).index(name)]
    return OTHER_MARK, COLOURS[-1]


def _handles(sweep: UniformSweep) -> list[Any]:
    names = {str(name) for run in sweep.runs for name in run.polytope[run.stored]}
    listed = [name for name in SHOWN if name in names]
    looks = [(name, *_look(name)) for name in listed]
    if names - set(SHOWN) - {NOTHING}:
        looks.append(("other polytope", OTHER_MARK, COLOURS[-1]))
    if NOTHING in names:
        looks.append(("no polytope known", NO_MARK, OTHER_COLOUR))
    marks = [
        Line2D([], [], linestyle="", marker=mark, color=colour, markersize=4, label=label)
        for label, mark, colour in looks
    ]
    lines = [
        Line2D([], [], color="#000000", linewidth=0.8, label="best packing"),
        Line2D([], [], color="#000000", linewidth=0.4, linestyle=":", label="where it changes"),
    ]
    return [*lines, *marks]
