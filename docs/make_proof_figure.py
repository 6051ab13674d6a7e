"""Draw docs/proofs-three.png again: the relaxed loss over null vectors, and how fast the proven bound closes in."""

from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tegum.compare.figures import save_figure
from tegum.compare.figures.style import STYLE
from tegum.theory import IndependentFeatures, ToyModel
from tegum.theory.proofs.triples import certify_triple
from tegum.theory.proofs.triples.rows import RowProblem, lowest_row

DENSITY = Fraction(7, 10)
POINTS = 41
LEVELS = (0.0002, 0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.007, 0.008)
NAMES = {
    (1, 1): "triangle",
    (0, 1): "axis + digon",
    (0, 0): "axis + axis + drop",
    (0, -1): "axis + merged",
    # The null vector of the second best minimum.
    (1, -0.776): "cluster",
}


def relaxed_loss(a: float, b: float) -> float:
    """Return Φ at v = (a, b, 1), equal importances: three minima by compass search."""
    total = 0.0
    for own, first, second in ((0, a, b), (0, b, a), (2, a, b)):
        domain = np.array([[-3.0, -3, -3, -6], [3, 3, 3, 3]])
        domain[0, own] = 0
        firsts = (0.1, 0.5, 0.9) if own == 0 else (-0.5, 0.05, 0.5)
        starts = np.array(list(product(firsts, (-0.5, 0.05, 0.5), (-0.3, 0.1, 0.4))))
        cell = np.array((first, first, second, second))
        problem = RowProblem(float(DENSITY), own, cell, np.zeros(2), np.zeros(3), domain)
        total += lowest_row(problem, starts, np.empty(5))
    return total


def draw_relaxed(axes: Axes, least: float) -> Any:
    """Draw how far Φ is above its minimum."""
    line = np.linspace(-1, 1, POINTS)
    excess = np.empty((POINTS, POINTS))
    for i, j in zip(*np.tril_indices(POINTS), strict=True):
        # Features are alike, so that a and b may be exchanged.
        excess[i, j] = excess[j, i] = relaxed_loss(line[i], line[j]) - least
    filled = axes.contourf(line, line, excess, levels=[0, *LEVELS, 0.01], cmap="cividis")
    axes.contour(line, line, excess, levels=LEVELS, colors="white", linewidths=0.5)
    for (a, b), name in NAMES.items():
        axes.plot(a, b, "o", color="white", markeredgecolor="black", markersize=5, clip_on=False, zorder=3)
        side = {"ha": "right", "xytext": (-6, -10)} if a == 1 else {"ha": "center", "xytext": (0, 8 if b < 1 else -12)}
        box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none"}
        axes.annotate(name, (a, b), textcoords="offset points", fontsize=7, bbox=box, **side)
    axes.set(xlabel="$a = v_1/v_3$", ylabel="$b = v_2/v_3$", aspect="equal", title="relaxed loss Φ(v) − min L")
    return filled


def draw_bound(axes: Axes, history: tuple[tuple[int, float], ...], least: float) -> None:
    """Draw the distance of the proven lower bound from the minimum."""
    boxes, bounds = (np.array(x) for x in zip(*history, strict=True))
    known = np.isfinite(bounds)
    axes.step(boxes[known] / 1e6, least - bounds[known], where="post", color="black")
    axes.set(yscale="log", xlabel="boxes of rows (millions)", ylabel="min L − proven bound", title="bound against work")
    axes.grid(visible=True, which="major", linewidth=0.3)


if __name__ == "__main__":
    certificate = certify_triple(ToyModel(3, 2, IndependentFeatures(DENSITY)))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.2, 3.8), layout="constrained")
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2)
        filled = draw_relaxed(left, certificate.loss.midpoint)
        figure.colorbar(filled, ax=left, format="{x:g}")
        draw_bound(right, certificate.history, certificate.loss.midpoint)
        save_figure(figure, Path(__file__).resolve().parent / "proofs-three.png")
    print(certificate.status, certificate.phase, certificate.boxes)
