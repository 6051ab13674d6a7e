"""The figure of best packings: what each polytope saves over 1/(1−S), and the dimensionality of the best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from scipy.interpolate import PchipInterpolator

from tegum.theory.packing import BestPacking, Packed, Transition

from .style import OTHER_COLOUR, STYLE

# Okabe and Ito's colours (DOI 10.1038/nmeth.1618), and line styles that tell them apart in grey.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#000000")
DASHES = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)), (0, (4, 2)), "-")
# The fractions at which the paper finds features to stick (arXiv:2209.10652).
STICKY = {"3/4": 3 / 4, "2/3": 2 / 3, "1/2": 1 / 2, "2/5": 2 / 5, "3/8": 3 / 8}
TICKS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)
FRACTIONS = {"1": 1, "1/2": 1 / 2, "1/5": 1 / 5, "1/10": 1 / 10, "1/30": 1 / 30}
# Points of a curve, between those that were computed.
FINE = 600
# The share of the axis over which a name fits.
WIDE = 0.09


def packing_figure(packings: Sequence[BestPacking], transitions: Sequence[Transition]) -> Figure:
    """Draw the gains of polytopes relative to the best one, and the best one's dimensionality d/k.

    Args:
        packings: along 1/(1−S), ascending.
        transitions: between them.
    """
    places = np.array([1 / packing.density for packing in packings if packing.density])
    found: dict[str, list[float]] = {}
    for packing in packings:
        for one in packing.polytopes:
            found.setdefault(one.name, []).append(one.gain)
    # Gains are smooth, what they are to the best one isn't.
    fine = np.geomspace(places[0] - 1, places[-1] - 1, FINE) + 1
    whole = {name: _between(places, np.array(values), fine) for name, values in found.items()}
    top = np.max(list(whole.values()), axis=0)
    gains = {name: values / top for name, values in whole.items()}
    best = list(dict.fromkeys([packings[0].best.name, *(one.after for one in transitions)]))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 5.2), layout="constrained")
        FigureCanvasAgg(figure)
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[1.3, 1])
        for name, values in gains.items():
            if name not in best:
                upper.plot(fine, values, color=OTHER_COLOUR, linewidth=0.6, zorder=1)
        for k, name in enumerate(best):
            again = k // len(COLOURS)
            upper.plot(
                fine,
                gains[name],
                color=COLOURS[k % len(COLOURS)],
                linestyle=DASHES[(k + 2 * again) % len(DASHES)],
                label=name,
            )
        others = [name for name in gains if name not in best]
        upper.plot([], [], color=OTHER_COLOUR, linewidth=0.6, label=f"{len(others)} others")
        upper.set_ylim(0.8, 1.005)
        upper.set_ylabel("saved for each dimension, best = 1")
        upper.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        upper.set_title("(a) what polytopes of equal features save", loc="left")
        _dimensionality(lower, places, packings, transitions)
        for axes in (upper, lower):
            axes.set_xscale("log")
            axes.set_xlim(places[0], places[-1])
            axes.xaxis.set_major_locator(FixedLocator([tick for tick in TICKS if tick <= places[-1] * 1.001]))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.xaxis.set_minor_locator(NullLocator())
            for change in transitions:
                axes.axvline(change.inverse_density, color="#000000", linewidth=0.4, linestyle=":")
        lower.set_xlabel("inverse feature density 1/(1−S)")
    return figure


def _dimensionality(
    axes: Any, places: np.ndarray[Any, Any], packings: Sequence[BestPacking], transitions: Sequence[Transition]
) -> None:
    """Draw d/k of the best polytope as steps, with its names and the paper's fractions."""
    shapes: dict[str, Packed] = {}
    for packing in packings:
        shapes |= {one.name: one for one in packing.polytopes}
    names = [packings[0].best.name, *(one.after for one in transitions)]
    edges = [places[0], *(one.inverse_density for one in transitions), places[-1]]
    for label, value in STICKY.items():
        axes.axhline(value, color=OTHER_COLOUR, linewidth=0.5)
        # Some are too close for a line each.
        offset = {"3/4": 4.0, "1/2": 0.5, "3/8": -5.0}.get(label, 0.0)
        right = axes.get_yaxis_transform()
        axes.annotate(
            label, (1.0, value), xycoords=right, xytext=(4, offset), textcoords="offset points", fontsize=7, va="center"
        )
    heights = [shapes[name].dim / shapes[name].corners for name in names]
    axes.stairs(heights, edges, baseline=None, color="#000000", linewidth=1.6)
    span = np.log(places[-1] / places[0])
    narrow = 0
    for k, (name, height, begin, end) in enumerate(zip(names, heights, edges[:-1], edges[1:], strict=True)):
        middle = (np.sqrt(begin * end), height)
        if np.log(end / begin) > WIDE * span:
            axes.annotate(name, middle, xytext=(0, -4), textcoords="offset points", fontsize=7, ha="center", va="top")
            narrow = 0
            continue
        # Names of narrow steps stand in a column to the right of the last of them.
        last = next((j for j in range(k, len(names)) if np.log(edges[j + 1] / edges[j]) > WIDE * span), len(names))
        start = heights[k - narrow]
        place = (edges[last] * 1.25, 3.2 * start * 0.66**narrow)
        arrow = {"arrowstyle": "-", "linewidth": 0.4, "shrinkA": 1, "shrinkB": 0, "relpos": (0, 0.5)}
        axes.annotate(name, middle, xytext=place, fontsize=7, va="center", arrowprops=arrow)
        narrow += 1
    axes.set_yscale("log")
    axes.set_ylim(min(0.1, 0.6 * min(heights)), 3.6)
    axes.yaxis.set_major_locator(FixedLocator(list(FRACTIONS.values())))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _fraction(value)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel("d/k of the best")
    axes.set_title("(b) dimensions for each feature of the best; grey: where the paper sees features stick", loc="left")


def _between(places: np.ndarray[Any, Any], values: np.ndarray[Any, Any], fine: np.ndarray[Any, Any]) -> Any:
    """Return values between places of 1/(1−S), by monotone cubic interpolation."""
    if len(places) < 2:
        return np.interp(fine, places, values)
    return PchipInterpolator(np.log(places - 1), values)(np.log(fine - 1))


def _fraction(value: float) -> str:
    """Return the name of a fraction of the axis."""
    return min(FRACTIONS, key=lambda name: abs(FRACTIONS[name] - value))
