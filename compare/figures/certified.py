"""The figure of a certified phase diagram."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from tegum.theory.boundaries import BoundarySegment

from ..diagrams import CertifiedRow
from .style import CURVE_STYLES, DENSITY_LABEL, STYLE, colour, draw_line

UNPROVED: Any = {"facecolor": "#DDDDDD", "edgecolor": "#404040", "linewidth": 0.25, "hatch": "////////"}


def certified_figure(rows: Sequence[CertifiedRow], boundaries: Sequence[BoundarySegment] = ()) -> Figure:
    """Draw which phase is proved in each cell, with the boundaries over it.

    Args:
        rows: cells of one diagram.
        boundaries: between the phases, if they are to be drawn.
    """
    shown = sorted({row.phase for row in rows if row.phase})
    with mpl.rc_context({**STYLE, "hatch.linewidth": 0.3}):
        figure = Figure(figsize=(4.6, 4.4), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        for phase in ["", *shown]:
            style = {"facecolor": colour(phase), "edgecolor": "white", "linewidth": 0.2} if phase else UNPROVED
            cells = [
                Rectangle(
                    (row.density_low, row.importance_low),
                    row.density_high - row.density_low,
                    row.importance_high - row.importance_low,
                )
                for row in rows
                if row.phase == phase
            ]
            axes.add_collection(PatchCollection(cells, **style))
        for piece in boundaries:
            draw_line(axes, piece.x, piece.y, "coexistence" if piece.kind == "first order" else "continuous")
        axes.set(xscale="log", yscale="log", xlabel=DENSITY_LABEL, ylabel="relative importance $I_2/I_1$")
        axes.set_xlim(min(row.density_low for row in rows), max(row.density_high for row in rows))
        axes.set_ylim(min(row.importance_low for row in rows), max(row.importance_high for row in rows))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:g}")
        proved = np.mean([row.phase != "" for row in rows])
        low, high = rows[0].penalty_low, rows[0].penalty_high
        penalty = "" if high == 0 else f", λ = {low:g}" if low == high else f", λ from {low:g} to {high:g}"
        axes.set_title(f"global minimum proved in {proved:.1%} of {len(rows):,} cells{penalty}")
        handles: list[Any] = [
            Patch(facecolor=colour(phase), edgecolor="black", linewidth=0.4, label=f"{phase} proved") for phase in shown
        ]
        handles.append(Patch(**UNPROVED, label="not proved"))
        if boundaries:
            handles += [
                Line2D([], [], color="black", linestyle=dash, linewidth=width, label=text)
                for (dash, width), text in zip(
                    (CURVE_STYLES["coexistence"], CURVE_STYLES["continuous"]),
                    ("first order", "continuous"),
                    strict=True,
                )
            ]
        figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
    return figure
