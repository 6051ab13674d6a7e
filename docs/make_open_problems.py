"""Make the tables and figures of docs/open-problems.md anew.

    python docs/make_open_problems.py [--bounds] [--axis]

Without options only the figures are drawn, from the tables that are there, in a few minutes. `--bounds` proves the
bounds of docs/critical-penalty.csv (half an hour on one core) and `--axis` the values of docs/one-axis.csv (ten
minutes). Rows that a table already has aren't computed again.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from tegum.compare.figures import save_figure
from tegum.compare.figures.phase_diagram import draw_curve
from tegum.compare.figures.style import DENSITY_LABEL, STYLE
from tegum.compare.terminal import read_rows, write_rows
from tegum.theory import IndependentFeatures, ToyModel, certify
from tegum.theory.boundaries import boundary_map, critical_penalty, storage_cost
from tegum.theory.packing import one_axis
from tegum.theory.proofs.cells import PenaltyBounds, penalty_bounds

HERE = Path(__file__).resolve().parent
BOUNDS, AXIS = HERE / "critical-penalty.csv", HERE / "one-axis.csv"
DENSITIES = np.round(np.geomspace(0.01, 0.98, 24), 4)
RATIOS = (0.1, 0.13, 0.16, 0.2, 0.25, 0.32, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
SPARSITIES = np.round(np.concatenate([[0.005], np.arange(0.025, 0.99, 0.025), [0.985, 0.99]]), 4)
# Cells of the map along each axis, and the importances of the slices with their colours, dark to light.
CELLS = (72, 61)
SLICES = {1.0: "#00253B", 0.9: "#5E3270", 0.6: "#B04A00", 0.32: "#56B4E9", 0.13: "#009E73"}
# The continuous region is drawn where λ_c is above its continuous limit by less.
SHOWN_EARLY = 2e-6
LEVELS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.035)


@dataclass(frozen=True)
class AxisRow:
    """What k equal features on one axis cost at a sparsity S; `certified` values are proven, the others found."""

    sparsity: float
    pair_lower: float
    pair_upper: float
    certified: str
    three: float
    four: float


def prove_bounds() -> None:
    """Add the missing rows of the table of proven bounds."""
    known = {(row.density, row.importance) for row in read_rows(BOUNDS, PenaltyBounds)} if BOUNDS.exists() else set()
    for density in DENSITIES.tolist():
        for ratio in RATIOS:
            if (density, ratio) not in known:
                write_rows(BOUNDS, [penalty_bounds(density, ratio)])


def share_axes() -> None:
    """Add the missing rows of the table of features on one axis."""
    known = {row.sparsity for row in read_rows(AXIS, AxisRow)} if AXIS.exists() else set()
    for sparsity in SPARSITIES.tolist():
        if sparsity in known:
            continue
        density = 1 - sparsity
        certificate = certify(ToyModel(2, 1, IndependentFeatures(density)))
        losses = [one_axis(k, density, starts=1000 * k).loss for k in (3, 4)]
        lower, upper = (float(end) for end in (certificate.loss.lower, certificate.loss.upper))
        ends = float(np.nextafter(lower, -np.inf)), float(np.nextafter(upper, np.inf))
        write_rows(AXIS, [AxisRow(sparsity, *ends, certificate.status, *losses)])


def dropped(density: Any) -> Any:
    """Return ℓ₀."""
    return density / 3 - density**2 / 4


def draw_penalty() -> Figure:
    """Draw λ_c as a map, and slices of it with the proven bounds."""
    density, ratio = np.geomspace(0.01, 1, CELLS[0]), np.geomspace(0.1, 10, CELLS[1])
    # Below r = 1; the rest is its mirror image.
    half = critical_penalty(density[:, None], ratio[None, : CELLS[1] // 2 + 1])
    penalty = np.concatenate([half.penalty, (half.penalty * 1 / half.importance)[:, -2::-1]], axis=1)
    # By how much the transition comes before its continuous limit.
    early = half.penalty - np.maximum((half.importance * dropped(half.density) - storage_cost(half.density)) / 2, 0)
    early = np.where(half.status == "never stored", np.nan, early)
    early = np.concatenate([early, early[:, -2::-1]], axis=1)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 3.9), layout="constrained")
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2)
        left.set(xscale="log", yscale="log", xlabel=DENSITY_LABEL, ylabel="relative importance $I_2/I_1$")
        shown = np.ma.masked_where(penalty <= 0, penalty)
        image = left.pcolormesh(density, ratio, shown.T, cmap="cividis", vmin=0, vmax=0.04, rasterized=True)
        left.set_facecolor("#DDDDDD")
        lines = left.contour(density, ratio, penalty.T, levels=LEVELS, colors="white", linewidths=0.6)
        left.clabel(lines, lines.levels[::2], fontsize=5.5, fmt="{:g}".format)
        left.contour(density, ratio, early.T, levels=[SHOWN_EARLY], colors="black", linewidths=1.2, linestyles="--")
        for curve in boundary_map().curves:
            draw_curve(left, curve, "coexistence", curve.cheapest)
        left.set(xlim=(0.01, 1), ylim=(0.1, 10))
        left.set_title("critical interference penalty $\\lambda_c$")
        figure.colorbar(image, ax=left, location="bottom", label="$\\lambda_c$", aspect=30)
        left.text(0.5, 0.2, "never\nstored", ha="center", va="center", fontsize=7)
        left.text(0.5, 5, "never\nstored", ha="center", va="center", fontsize=7)
        for axis in (left.xaxis, left.yaxis):
            axis.set_major_formatter("{x:g}")
        rows = read_rows(BOUNDS, PenaltyBounds)
        found = critical_penalty(density[:, None], list(SLICES))
        shares = found.penalty / (found.importance * dropped(found.density))
        for k, (ratio_of_line, colour) in enumerate(SLICES.items()):
            for kept, style in ((found.status == "first order", "-"), (found.continuous, "--")):
                right.plot(density, np.where(kept, shares, np.nan)[:, k], color=colour, lw=1.4, ls=style)
            for row in rows:
                if row.importance == ratio_of_line and row.upper > 0:
                    ends = np.array([row.lower, row.upper]) / (row.importance * dropped(row.density))
                    right.plot([row.density] * 2, ends, color=colour, lw=0.8, marker="_", ms=4)
        right.axhline(1, color="black", lw=0.8, ls=":")
        right.text(0.011, 1.015, "proved: at most 1", fontsize=6.5)
        right.set(xscale="log", xlabel=DENSITY_LABEL, ylabel="$\\lambda_c$ / (loss of a dropped feature $r\\ell_0$)")
        right.set_ylim(0, 1.08)
        right.xaxis.set_major_formatter("{x:g}")
        right.xaxis.set_minor_formatter(NullFormatter())
        right.set_title("slices, with proven bounds")
        handles = [Line2D([], [], color=colour, label=f"r = {ratio:g}") for ratio, colour in SLICES.items()]
        handles += [
            Line2D([], [], color="black", label="first order"),
            Line2D([], [], color="black", ls="--", label="continuous (left: region inside)"),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    return figure


def draw_axis() -> Figure:
    """Draw what two features on an axis cost, and what a third one gains."""
    rows = read_rows(AXIS, AxisRow)
    sparsity, pair, three, four = (
        np.array([getattr(row, name) for row in rows]) for name in ("sparsity", "pair_upper", "three", "four")
    )
    order = np.argsort(sparsity)
    sparsity, pair, three, four = sparsity[order], pair[order], three[order], four[order]
    v = dropped(1 - sparsity)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 3.3), layout="constrained")
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2)
        left.plot(sparsity, v, color="#B04A00", ls="--", label="one stored, one dropped: $v(S)$")
        left.plot(sparsity, (1 - sparsity) ** 2 / 3, color="#56B4E9", ls="-.", label="W = (1, −1), b = 0: $(1-S)^2/3$")
        left.plot(sparsity, pair, color="black", marker=".", ms=3, lw=1, label="certified minimum $Q_{2,1}$")
        left.axvline(3 / 7, ymin=0.4, color="#999999", lw=0.8, ls=":")
        left.text(3 / 7 + 0.01, 0.133, "3/7", fontsize=7)
        left.set(xlabel="sparsity S", ylabel="loss of two features on one axis", xlim=(0, 1), ylim=(0, 0.14))
        left.set_title("two features, one axis")
        left.legend(frameon=False, loc="lower left")
        right.axhline(0, color="black", lw=0.6)
        right.plot(sparsity, (pair + v - three) / v, color="black", marker=".", ms=3, label="third on the axis")
        best = np.minimum(three + v, pair + 2 * v)
        right.plot(sparsity, (best - four) / v, color="#B04A00", marker="x", ms=3, lw=1, label="fourth on the axis")
        right.set(xlabel="sparsity S", ylabel="gain, in units of a dropped feature's loss $v(S)$", xlim=(0, 1))
        right.set_title("what one more feature on the axis gains")
        right.legend(frameon=False)
    return figure


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bounds", action="store_true", help="prove the bounds that are missing")
    parser.add_argument("--axis", action="store_true", help="compute the rows of features on one axis that are missing")
    arguments = parser.parse_args()
    if arguments.bounds:
        prove_bounds()
    if arguments.axis:
        share_axes()
    save_figure(draw_penalty(), HERE / "critical-penalty.png")
    save_figure(draw_axis(), HERE / "one-axis.png")


if __name__ == "__main__":
    main()
