"""Several configurations of points side by side: minima of the Thomson problem, polytopes of the literature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tegum.theory.polytopes import polytope
from tegum.theory.spheres import hull_edges

from .points import degree_legend, draw_features, draw_points, in_three_dimensions, overlap_legend, upright
from .style import STYLE

if TYPE_CHECKING:
    from tegum.theory.spheres import ThomsonMinimum


def gallery(
    panels: Sequence[tuple[str, Callable[[Axes], Axes]]], legend: Sequence[Line2D] = (), *, columns: int = 4
) -> Figure:
    """Return a figure of several pictures.

    Args:
        panels: title of each and what draws it on given axes.
        legend: entries of the common legend.
        columns: pictures in a row, at most.
    """
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(1.85 * columns, 2.1 * rows + 0.3 * bool(legend)), layout="constrained")
        figure.get_layout_engine().set(h_pad=0.06)  # type: ignore[union-attr,call-arg]
        FigureCanvasAgg(figure)
        places = figure.subplots(rows, columns, squeeze=False).ravel()
        for place in places[len(panels) :]:
            place.set_axis_off()
        for place, (title, draw) in zip(places, panels, strict=False):
            draw(place)
            place.set_title(title, loc="center", fontsize=8)
        if legend:
            figure.legend(handles=list(legend), loc="outside lower center", ncols=len(legend), frameon=False)
    return figure


def thomson_figure(minima: Sequence[ThomsonMinimum]) -> Figure:
    """Draw minima of the Thomson problem on the circle or the sphere, an axis of symmetry upright.

    Args:
        minima: at least one.

    Raises:
        ValueError: as `in_three_dimensions`.
    """
    panels, degrees = [], set()
    for found in minima:
        n, dim = found.points.shape
        points = upright(in_three_dimensions(found.points))[:, : max(dim, 2)]
        degrees |= set(map(int, np.bincount(hull_edges(points).ravel(), minlength=n)))
        symmetry = f", symmetry {found.point_group}" if found.point_group else ""
        title = f"n = {n}{symmetry}\nenergy {found.energy:.6f}"
        panels.append((title, lambda axes, points=points: draw_points(axes, points)))
    return gallery(panels, degree_legend(degrees))


def polytope_figure(names: Sequence[str]) -> Figure:
    """Draw polytopes as features, with the dimensionalities of their corners.

    Args:
        names: that `polytope` knows, of at most three dimensions.

    Raises:
        ValueError: if a name isn't one, or as `in_three_dimensions`.
    """
    panels = []
    for name in names:
        solid = polytope(name)
        fractions = " and ".join(map(str, sorted(set(solid.dimensionality), reverse=True)))
        panels.append((f"{name}\nD = {fractions}", lambda axes, solid=solid: draw_features(axes, solid.points)))
    return gallery(panels, overlap_legend())
