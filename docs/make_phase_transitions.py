"""Draw the figures of phase-transitions.md and print its tables: python docs/make_phase_transitions.py [2] [3]."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tegum.compare.figures import boundary_figure, save_figure
from tegum.compare.figures.style import STYLE
from tegum.theory import BoundaryMap, boundary_map, diagram_model
from tegum.theory.minima import census

HERE = Path(__file__).resolve().parent
SIZES = {2: (2, 1), 3: (3, 2)}
TITLES = {2: "Two features in one dimension", 3: "Three features in two dimensions"}
NAMES = {2: "phase-transitions.png", 3: "phase-transitions-3-2.png"}
PIXELS = 160
# Densities below, between and above the tricritical points, and how the transition is called there.
LINES = {0.3: "first order", 0.65: "continuous", 0.95: "first order"}
COLOURS = ("#0072B2", "#D55E00", "#009E73")
TRICRITICAL = 0.5202477367994
PLACES = 61
# Feature 2 is stored where its weight exceeds this.
STORED = 1e-9


def limit_of_the_dropped_feature(p: float) -> float:
    """Return r_−(p), at which axis(1) + drop(2) stops being a minimum (phase-transitions.md)."""
    beta = max(np.roots([6 * p - 6 * p**2, 12 * (p**2 - p + 1) - 9 * p, -1.5 * p**2]))
    delta = 3 * (p - 2 * beta) / 8
    cost = -2 * beta**3 * (p**2 - p) + 6 * beta**2 * (p**2 - p + 1) + 12 * beta * delta * p - 6 * beta * p**2
    return float((cost + 8 * delta**2 * p - 6 * delta * p**2 + 2 * p**2) / (2 * p - 1.5 * p**2))


def weights_of_minima(density: float, ratio: np.ndarray[Any, Any]) -> list[list[tuple[float, float]]]:
    """Return |W_2| and loss of the antipodal and dropped minima at each importance, cheapest first."""
    found = census(diagram_model(2, 1, np.full(len(ratio), density), ratio), starts=32)
    return [
        [(abs(float(m.weights[0, 1])), m.loss) for m in minima if not m.dead and m.weights[0, 1] <= 0 < m.weights[0, 0]]
        for minima in found
    ]


def order_parameter_figure() -> Figure:
    """Draw the weight of the second feature across first-order and continuous transitions, and its powers."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 3.2), layout="constrained")
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
        for (density, kind), colour, dash in zip(LINES.items(), COLOURS, ("-", "--", "-."), strict=True):
            shares = np.union1d(np.linspace(0.6, 1, PLACES), 1 + np.linspace(-0.012, 0.024, PLACES))
            ratio = limit_of_the_dropped_feature(density) * shares
            minima = weights_of_minima(density, ratio)
            cheapest = [min(rows, key=lambda row: row[1])[0] for rows in minima]
            left.plot(shares, cheapest, dash, color=colour, label=f"1−S = {density:g}: {kind}")
            others = [(r, w) for r, rows in zip(shares, minima, strict=True) for w, _ in rows]
            left.plot(*zip(*others, strict=True), ".", color=colour, markersize=2, alpha=0.6)
        left.set_xlabel("relative importance over its limit, $r/r_c$")
        left.set_ylabel("weight $|W_2|$ of the second feature")
        left.set_title("(a) cheapest minimum (line), all antipodal minima (dots)")
        left.legend(frameon=False, loc=(0.22, 0.42))
        distances = 10 ** np.linspace(-6, -2, 17)
        for density, name, power, colour, mark in (
            (0.65, "continuous, 1−S = 0.65", 1.0, COLOURS[1], "o"),
            (TRICRITICAL, "tricritical point", 0.5, "black", "s"),
        ):
            ratio = limit_of_the_dropped_feature(density) * (1 + distances)
            grown = [min(w for w, _ in rows if w > STORED) for rows in weights_of_minima(density, ratio)]
            right.loglog(distances, grown, mark, color=colour, markersize=3.5, label=name)
            guide = grown[0] * (distances / distances[0]) ** power
            right.loglog(distances, guide, "-", color=colour, linewidth=0.8, label=f"power {power:g}")
        right.set_xlabel("relative distance $r/r_c - 1$ beyond the limit")
        right.set_ylabel("weight $|W_2|$")
        right.set_title("(b) how the weight grows")
        right.legend(frameon=False, loc="lower right")
    return figure


def tables(found: BoundaryMap) -> str:
    """Return special points of the optimum and pieces of its boundary as Markdown."""
    lines = ["| | kind | what meets | density | importance | error |", "|---|---|---|---|---|---|"]
    number = 0
    for point in found.special_points:
        number += point.cheapest
        cells = [point.kind, " · ".join(point.phases), f"{point.x:.10f}", f"{point.y:.10f}", f"{point.error.max():.0e}"]
        lines.append(f"| {number if point.cheapest else ''} | {' | '.join(cells)} |")
    lines += [
        "",
        "| phases | transition | from | to | jump in W | jump in ∂L/∂p, ∂L/∂r, or exponents |",
        "|" + "---|" * 6,
    ]
    for piece in found.segments:
        if piece.exponents is None:
            jump = f"{piece.jump.min():.4f} to {piece.jump.max():.4f}"
            sizes = np.abs(piece.slope_jump)
            what = ", ".join(f"{sizes[:, k].min():.2g} to {sizes[:, k].max():.2g}" for k in (0, 1))
        else:
            e = piece.exponents
            jump = "none"
            what = f"{e.order:.4f} ± {e.order_error:.0e}, {e.loss:.3f} ± {e.loss_error:.0e}"
        ends = [f"({piece.x[k]:.5f}, {piece.y[k]:.5f}), {name}" for k, name in zip((0, -1), piece.ends, strict=True)]
        lines.append("| " + " | ".join([" · ".join(piece.phases), piece.kind, *ends, jump, what]) + " |")
    return "\n".join(lines)


def main(wanted: list[int]) -> None:
    """Draw and print what is asked for."""
    for n in wanted:
        found = boundary_map(n_features=SIZES[n][0], n_hidden=SIZES[n][1])
        save_figure(boundary_figure(found, title=TITLES[n], pixels=PIXELS), HERE / NAMES[n])
        sys.stdout.write(f"\n{TITLES[n]}\n\n{tables(found)}\n")
    save_figure(order_parameter_figure(), HERE / "order-parameter.png")


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [2, 3])
