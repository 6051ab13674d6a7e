"""The figure of a plane's boundaries: first-order lines solid, continuous ones dashed, special points numbered."""

from __future__ import annotations

import re
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import BoundaryNorm, ListedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray

from tegum.theory.boundaries import BoundaryMap, SpecialPoint
from tegum.theory.models import PlaneAxis

from .style import CURVE_STYLES, DENSITY_LABEL, SHORT_AXIS, STYLE, colour

# Pixels along each axis of the background.
PIXELS = 96
# Pixels between those at which the phase is looked up first.
COARSE = 6
MARKERS = {
    "triple point": "^",
    "critical end point": "s",
    "tricritical point": "o",
    "cusp": "D",
    "fold end point": "v",
}
# Offsets of numbers from their points, in points, tried in turn; numbers closer than this to anything are moved on.
OFFSETS: tuple[tuple[float, float], ...] = tuple(
    (round(length * float(np.cos(turn))), round(length * float(np.sin(turn))))
    for length in (14, 20, 27)
    for turn in np.radians([45, 135, 225, 315, 90, 270, 0, 180])
)
APART = 12.0
SMALL, LARGE = 3.0, 5.5
# Room around the special points: a share of their spread, and at least of the plane; no window where it fills this.
MARGIN, LEAST, FILLS = 0.15, 0.04, 0.7
# Axes that cover a smaller ratio are numbered at every unit.
VERY_SHORT = 6.0


def parameter_label(name: str, n_features: int) -> str:
    """Return the name of a parameter for an axis."""
    found = re.fullmatch(r"(density|importance)\[(\d+(?:,\d+)*)\]", name)
    if found:
        what = "density 1−S" if found[1] == "density" else "importance"
        return f"{what} of feature{'s' * (',' in found[2])} {found[2].replace(',', ', ')}"
    return {
        "density": DENSITY_LABEL,
        "importance": f"relative importance $I_{n_features}/I_1$" if n_features else "importance",
        "interference_penalty": "interference penalty $\\lambda_I$",
        "weight_penalty": "weight penalty $\\lambda_W$",
    }.get(name, name)


def boundary_figure(boundaries: BoundaryMap, *, title: str = "", pixels: int | None = None) -> Figure:
    """Draw the phases of a plane, their boundaries and the special points of the optimum.

    Args:
        boundaries: what is known.
        title: over the figure.
        pixels: of the background along each axis, at least 2; default `PIXELS`.
    """
    pixels = PIXELS if pixels is None else pixels
    with mpl.rc_context(STYLE):
        marks = [point for point in boundaries.special_points if point.cheapest]
        window = _window(boundaries, marks)
        figure = Figure(figsize=(7.4, 4.6) if window else (4.6, 4.6), layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(1, 2 if window else 1, squeeze=False)[0]
        names = draw_map(panels[0], boundaries, pixels)
        if window:
            panels[0].set_title("(a) the whole plane")
            panels[1].set_title("(b) around the special points")
            names = sorted({*names, *draw_map(panels[1], boundaries, pixels, window)})
        for axes in panels[:-1]:
            for point in marks:
                _mark(axes, point, SMALL)
        draw_special_points(panels[-1], marks)
        handles: list[Any] = [Patch(facecolor=colour(name), label=name) for name in names]
        texts = {"coexistence": "first order", "continuous": "continuous", "stability": "other minima cost the same"}
        handles += [
            Line2D([], [], color="black", linestyle=dash, linewidth=width, label=texts[style])
            for style, (dash, width) in CURVE_STYLES.items()
        ]
        handles += [
            Line2D([], [], color="black", markerfacecolor="white", marker=MARKERS[kind], linestyle="", label=kind)
            for kind in MARKERS
            if any(point.kind == kind for point in marks)
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
        if title:
            figure.suptitle(title, fontsize=9)
    return figure


def _window(boundaries: BoundaryMap, marks: list[SpecialPoint]) -> tuple[tuple[float, float], ...] | None:
    """Return the ranges around the special points; None if there are none, or they fill the plane."""
    if not marks:
        return None
    plane, found = boundaries.plane, []
    for parameter, values in ((plane.x, [p.x for p in marks]), (plane.y, [p.y for p in marks])):
        ends = parameter.position([parameter.low, parameter.high])
        inside = parameter.position(values)
        room = max(MARGIN * float(np.ptp(inside)), LEAST * float(np.ptp(ends)))
        low, high = max(inside.min() - room, ends[0]), min(inside.max() + room, ends[1])
        found.append((low, high, float((high - low) / np.ptp(ends))))
    return None if min(share for *_, share in found) > FILLS else tuple((low, high) for low, high, _ in found)


def draw_map(
    axes: Axes, boundaries: BoundaryMap, pixels: int, window: tuple[tuple[float, float], ...] | None = None
) -> list[str]:
    """Draw phases and boundaries; return the labels of the phases.

    Args:
        axes: where to draw.
        boundaries: what is known.
        pixels: of the background along each axis.
        window: ranges in positions; default the whole plane.
    """
    plane = boundaries.plane
    grids, edges = [], []
    for k, parameter in enumerate((plane.x, plane.y)):
        low, high = parameter.position([parameter.low, parameter.high]) if window is None else window[k]
        ends = np.linspace(low, high, pixels + 1)
        grids.append(parameter.value((ends[1:] + ends[:-1]) / 2))
        edges.append(parameter.value(ends))
    labels = phases_over(boundaries, *grids)
    names, codes = np.unique(labels, return_inverse=True)
    axes.pcolormesh(
        *edges,
        codes.reshape(labels.shape).T,
        cmap=ListedColormap([to_rgb(colour(str(name))) for name in names]),
        norm=BoundaryNorm(np.arange(len(names) + 1) - 0.5, len(names)),
        rasterized=True,
    )
    for curve in boundaries.curves:
        if curve.kind == "coexistence":
            _line(axes, np.where(curve.cheapest, np.nan, curve.x), curve.y, "stability")
    for piece in boundaries.segments:
        _line(axes, piece.x, piece.y, "coexistence" if piece.kind == "first order" else "continuous")
    for scale, limits, axis, described, edge in (
        (axes.set_xscale, axes.set_xlim, axes.xaxis, plane.x, edges[0]),
        (axes.set_yscale, axes.set_ylim, axes.yaxis, plane.y, edges[1]),
    ):
        scale(described.scale)
        limits(edge[0], edge[-1])
        _ticks(axis, described, float(edge[-1] / max(edge[0], 1e-300)))
    axes.set_xlabel(parameter_label(plane.x.name, plane.n_features))
    axes.set_ylabel(parameter_label(plane.y.name, plane.n_features))
    return [str(name) for name in names]


def phases_over(boundaries: BoundaryMap, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.str_]:
    """Return the cheapest phase over a grid, looked up at every few pixels and where those differ.

    Args:
        boundaries: what is known.
        x: values of the first parameter.
        y: values of the second parameter.

    Returns:
        Labels, shape (len(x), len(y)).
    """
    coarse = [np.unique([*range(0, len(axis), COARSE), len(axis) - 1]) for axis in (x, y)]
    known = boundaries.phases(x[coarse[0], None], y[coarse[1]])
    labels = np.empty((len(x), len(y)), dtype=object)
    first, second = (
        np.clip(np.searchsorted(places, np.arange(len(axis)), side="right") - 1, 0, len(places) - 2)
        for places, axis in zip(coarse, (x, y), strict=True)
    )
    around = [known[np.ix_(first + i, second + j)] for i in (0, 1) for j in (0, 1)]
    same = np.all([other == around[0] for other in around[1:]], axis=0)
    labels[same] = around[0][same]
    i, j = np.nonzero(~same)
    if len(i):
        labels[i, j] = boundaries.phases(x[i], y[j])
    return labels.astype(str)


def _ticks(axis: Any, described: PlaneAxis, ratio: float) -> None:
    """Number a log axis that covers a ratio in plain figures."""
    if described.scale != "log":
        return
    axis.set_major_formatter("{x:g}")
    subs = tuple(range(2, 10)) if ratio > SHORT_AXIS or ratio < VERY_SHORT else (2, 5)
    axis.set_minor_locator(LogLocator(subs=subs))
    axis.set_minor_formatter("{x:g}" if ratio < SHORT_AXIS else NullFormatter())


def _line(axes: Axes, x: Any, y: Any, style: str) -> None:
    dash, width = CURVE_STYLES[style]
    axes.plot(x, y, color="white", linewidth=width + 1.2, solid_capstyle="round")
    axes.plot(x, y, color="black", linewidth=width, linestyle=dash)


def _mark(axes: Axes, point: SpecialPoint, size: float) -> None:
    axes.plot(point.x, point.y, MARKERS[point.kind], color="black", markerfacecolor="white", markersize=size, zorder=5)


def draw_special_points(axes: Axes, points: list[SpecialPoint]) -> Axes:
    """Mark special points and number them in their order, numbers apart from each other and from the points."""
    axes.figure.canvas.draw()
    scale = 72 / axes.figure.dpi
    places = [scale * np.asarray(axes.transData.transform((point.x, point.y))) for point in points]
    low, high = (scale * np.asarray(corner) for corner in (axes.bbox.min, axes.bbox.max))
    taken = list(places)
    for number, (point, here) in enumerate(zip(points, places, strict=True), start=1):
        _mark(axes, point, LARGE)
        best, most = OFFSETS[0], float(-np.inf)
        for offset in OFFSETS:
            spot = here + np.array(offset)
            room = min(float(np.linalg.norm(spot - other)) for other in taken)
            inside = float(min((spot - low).min(), (high - spot).min()))
            if min(room, inside) > most + 1e-9:
                best, most = offset, min(room, inside)
            if most > APART:
                break
        taken.append(here + np.array(best))
        axes.annotate(
            str(number),
            (point.x, point.y),
            textcoords="offset points",
            xytext=best,
            ha="center",
            va="center",
            fontsize=7,
            zorder=6,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.8},
            arrowprops={"arrowstyle": "-", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 2},
        )
    return axes
