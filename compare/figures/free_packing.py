"""The figure of free packings: what few features save at best, against the best polytope of the atlas."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MultipleLocator

from ..geometry import FreeRow
from .style import OTHER_COLOUR, STYLE

MARKERS = "osD^v<>P"
# The share by which a free packing has to save more for its marker to be filled.
MORE = 1e-6


def free_packing_figure(rows: Sequence[FreeRow]) -> Figure:
    """Draw what was found for each number of features, a panel for each number of dimensions, a line for each density.

    Args:
        rows: of a survey.
    """
    dims = sorted({row.dim for row in rows})
    places = sorted({row.inverse_density for row in rows})
    colours = mpl.colormaps["viridis"](np.linspace(0, 0.9, len(places)))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 3.2), layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(1, len(dims), sharey=True, squeeze=False)[0]
        for number, (axes, dim) in enumerate(zip(panels, dims, strict=True)):
            axes.axhline(1, color=OTHER_COLOUR, linewidth=0.8, zorder=0)
            for place, colour, marker in zip(places, colours, MARKERS, strict=False):
                line = sorted((r for r in rows if (r.dim, r.inverse_density) == (dim, place)), key=lambda r: r.corners)
                axes.plot(
                    [r.corners for r in line],
                    [r.gain / r.best_gain for r in line],
                    color=colour,
                    marker=marker,
                    markersize=3.5,
                    markerfacecolor="white",
                    linewidth=0.9,
                )
                better = [r for r in line if r.gain > r.product_gain * (1 + MORE)]
                axes.plot(
                    [r.corners for r in better],
                    [r.gain / r.best_gain for r in better],
                    color=colour,
                    marker=marker,
                    markersize=4.5,
                    linestyle="none",
                    zorder=5,
                )
            axes.set_title(f"({'abcdefgh'[number]}) {dim} dimensions")
            axes.set_xlabel("features k")
            axes.xaxis.set_major_locator(MultipleLocator(2))
        panels[0].set_ylabel("saved for each dimension,\nbest of the atlas = 1")
        handles = [
            Line2D([], [], color=colour, marker=marker, markersize=3.5, markerfacecolor="white", label=f"{place:g}")
            for place, colour, marker in zip(places, colours, MARKERS, strict=False)
        ]
        handles.append(
            Line2D(
                [],
                [],
                color="black",
                marker="o",
                markersize=4.5,
                linestyle="none",
                label="beats every\ntegum product\nof the atlas",
            )
        )
        panels[-1].legend(handles=handles, title="1/(1−S)", loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure
