"""The figure of a family of models: losses of its minima, trained models over them, and how the points move."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray

from tegum.theory.branches import Arc, BranchDiagram
from tegum.theory.geometry import arrangement

from ..geometry import DEAD, ELSEWHERE, BranchRuns
from .points import interference_edges, overlap_legend
from .style import OTHER_COLOUR, STYLE

# Okabe and Ito's colours (DOI 10.1038/nmeth.1618), and line styles that tell them apart in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#882255")
DASHES: tuple[Any, ...] = ("-", "--", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (3, 1)), (0, (1, 1)), "-", "--")
PATH_COLOURS = "viridis"
# Relative losses above this aren't drawn.
DEAREST = 1.25
PANELS = 4
POINTS = 60
# Axes that cover a smaller ratio are numbered between powers of ten as well.
SHORT_AXIS = 30
# Losses below this are those of perfect models.
NOTHING = 1e-12
# Characters that fit over a panel.
WIDEST_LABEL = 24
SAMPLES = 800
# Overlaps below this share of ‖W_i‖‖W_j‖ aren't drawn.
INTERFERES = 0.05


def branch_figure(diagram: BranchDiagram, runs: BranchRuns | None = None, *, title: str = "") -> Figure:
    """Draw the losses of a family's minima relative to the cheapest, and the points of the cheapest as they move.

    Args:
        diagram: the minima.
        runs: trained models, each a dot at its loss before polishing.
        title: over the figure.
    """
    family = diagram.family
    grid = np.geomspace(family.low, family.high, SAMPLES)
    intervals = cheapest_intervals(diagram)
    panels = [*intervals, *_others(diagram, runs, -len(intervals) % PANELS)]
    rows = -(-len(panels) // PANELS)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 3.0 + 2.2 * rows), layout="constrained")
        FigureCanvasAgg(figure)
        spec = figure.add_gridspec(
            rows + 1, PANELS + 1, height_ratios=[1.5, *[1.0] * rows], width_ratios=[*[1.0] * PANELS, 0.06]
        )
        upper, key = figure.add_subplot(spec[0, :3]), figure.add_subplot(spec[0, 3:])
        _losses(upper, diagram, grid, runs)
        key.axis("off")
        lines, _ = upper.get_legend_handles_labels()
        key.legend(handles=[*lines, *overlap_legend()], loc="center left", frameon=False, fontsize=6.5)
        norm = LogNorm(family.low, family.high)
        for k, (number, low, high) in enumerate(panels):
            axes = figure.add_subplot(spec[1 + k // PANELS, k % PANELS])
            draw_path(axes, diagram.arcs[number], low, high, norm)
            middle = diagram.arcs[number].at(float(np.sqrt(low * high)))
            name = "" if middle is None else _broken(_named(diagram, middle[0]))
            also = "" if k < len(intervals) else "not the cheapest, "
            axes.set_title(f"({_letter(k)}) {also}{low:.4g} to {high:.4g}\n{name}", fontsize=6.5)
        mappable = mpl.cm.ScalarMappable(norm, mpl.colormaps[PATH_COLOURS])
        bar = figure.colorbar(mappable, cax=figure.add_subplot(spec[1:, PANELS]), format="{x:g}")
        bar.ax.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        bar.ax.yaxis.set_minor_formatter("{x:g}")
        bar.set_label(family.parameter)
        if title:
            figure.suptitle(title, fontsize=9)
    return figure


def _letter(panel: int) -> str:
    """Return the letter of a panel of points; (a) is that of the losses."""
    return chr(ord("b") + panel)


def _others(diagram: BranchDiagram, runs: BranchRuns | None, most: int) -> list[tuple[int, float, float]]:
    """Return arcs that are nowhere the cheapest, those that most runs or starts led to first, with their ranges."""
    winners = {number for number, *_ in cheapest_intervals(diagram)}
    visits = {
        number: float(diagram.hits[number].sum()) if runs is None else runs.share(number)
        for number in range(len(diagram.arcs))
        if number not in winners
    }
    chosen = sorted((number for number in visits if visits[number] > 0), key=lambda number: -visits[number])
    return [(number, *diagram.arcs[number].range) for number in chosen[:most]]


def _broken(name: str) -> str:
    """Return a label on two lines if it is too long for a panel."""
    parts = name.split(" + ")
    if len(name) <= WIDEST_LABEL or len(parts) == 1:
        return name
    first = -(-len(parts) // 2)
    return " + ".join(parts[:first]) + "\n+ " + " + ".join(parts[first:])


def _named(diagram: BranchDiagram, theta: NDArray[np.float64]) -> str:
    m, n = diagram.family.n_hidden, diagram.family.n_features
    return arrangement(theta[: m * n].reshape(m, n), theta[m * n :])


def cheapest_intervals(diagram: BranchDiagram) -> list[tuple[int, float, float]]:
    """Return the arcs that are the cheapest in turn, each with the interval of t, by ascending t."""
    family, changes = diagram.family, diagram.changes
    if not changes:
        middle = np.array([np.sqrt(family.low * family.high)])
        return [(int(diagram.cheapest(middle)[0]), family.low, family.high)]
    edges = [family.low, *(change.parameter for change in changes), family.high]
    arcs = [changes[0].below, *(change.above for change in changes)]
    return list(zip(arcs, edges[:-1], edges[1:], strict=True))


def _losses(axes: Axes, diagram: BranchDiagram, grid: NDArray[np.float64], runs: BranchRuns | None) -> None:
    """Draw each arc's loss over that of the cheapest, with the changes of the cheapest and the trained models."""
    family = diagram.family
    losses = np.array([arc.losses(grid) for arc in diagram.arcs])
    lowest, words = np.nanmin(losses, axis=0), "loss / cheapest minimum"
    free = bool((lowest < NOTHING).any())
    if free:
        # A perfect minimum is no unit.
        lowest, words = _all_dropped(diagram, grid), "loss / loss of a model that outputs the means"
    winners: dict[int, str] = {}
    for k, (number, *_) in enumerate(cheapest_intervals(diagram)):
        winners[number] = winners.get(number, "") + f"({_letter(k)})"
    for number in range(len(diagram.arcs)):
        if number not in winners:
            axes.plot(grid, losses[number] / lowest, color=OTHER_COLOUR, linewidth=0.7, zorder=1)
    for place, (number, letters) in enumerate(winners.items()):
        arc = diagram.arcs[number]
        state = arc.branch.states()[len(arc.branch.parameter) // 2]
        style = {"color": COLOURS[place % len(COLOURS)], "linestyle": DASHES[place % len(DASHES)]}
        axes.plot(
            grid,
            losses[number] / lowest,
            linewidth=1.5,
            zorder=2,
            label=f"{letters} {_broken(_named(diagram, state))}",
            **style,
        )
        for limit in (arc.lower, arc.upper):
            if limit is not None:
                height = limit.loss / np.interp(limit.parameter, grid, lowest)
                if height < DEAREST:
                    axes.plot(limit.parameter, height, marker="x", color=style["color"], markersize=5, zorder=4)
    axes.plot([], [], color=OTHER_COLOUR, linewidth=0.7, label="other minima")
    if any(diagram.arcs[number].lower or diagram.arcs[number].upper for number in winners):
        axes.plot([], [], marker="x", linestyle="none", color="black", markersize=5, label="limit of stability")
    for change in diagram.changes:
        dash = "-" if change.kind == "first order" else ":"
        axes.axvline(change.parameter, color="black", linewidth=0.6, linestyle=dash, zorder=0)
    if runs is not None:
        _dots(axes, runs, np.interp(runs.parameter, grid, lowest))
    axes.set_xscale("log")
    axes.set_xlim(grid[0], grid[-1])
    highest = float(np.nanmax(losses / lowest))
    axes.set_ylim(*((-0.02, 1.1 * highest) if free else (0.99, DEAREST)))
    axes.set_xlabel(family.parameter)
    axes.set_ylabel(words)
    short = grid[-1] / grid[0] < SHORT_AXIS
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(LogLocator(subs=(2, 3, 5, 7) if short else tuple(range(2, 10))))
    axes.xaxis.set_minor_formatter("{x:g}" if short else NullFormatter())
    axes.set_title("(a) minima and trained models; vertical lines: the cheapest changes")


def _all_dropped(diagram: BranchDiagram, grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Σ_i I_i Var(x_i), the loss if nothing is stored."""
    model = diagram.family.models(np.log(grid))
    amplitude, p = model.features.amplitude, model.densities()
    variances = p * float(amplitude.second_moment) - (p * float(amplitude.mean)) ** 2
    return np.asarray((model.importances() * variances).sum(axis=-1))


def _dots(axes: Axes, runs: BranchRuns, lowest: NDArray[np.float64]) -> None:
    """Draw trained models, those of one minimum at one t as one dot with an area by their number."""
    seeds = runs.arc.shape[1]
    for k, t in enumerate(runs.parameter):
        for number in np.unique(runs.arc[k]):
            chosen = runs.arc[k] == number
            height = float(np.median(runs.loss[k][chosen]) / lowest[k])
            if height > DEAREST:
                continue
            axes.scatter(t, height, s=_area(chosen.sum() / seeds), **_marker(int(number)), zorder=3)
    axes.scatter([], [], s=_area(1.0), **_marker(0), label=f"trained: all {seeds} seeds")
    axes.scatter([], [], s=_area(0.25), **_marker(0), label="… a quarter of them")
    for number, text in {DEAD: "… an output switched off", ELSEWHERE: "… elsewhere"}.items():
        if (runs.arc == number).any():
            axes.scatter([], [], s=_area(1.0), **_marker(number), label=text)


def _area(share: float) -> float:
    return 2 + 26 * share


def _marker(number: int) -> dict[str, Any]:
    face, shape = ("black", "o") if number >= 0 else ("white", "v" if number == DEAD else "s")
    return {"facecolor": face, "marker": shape, "edgecolor": "black", "linewidth": 0.5, "alpha": 0.8}


def oriented(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return states of an arc turned so that they move as little as possible, the last feature up in the middle one.

    Args:
        weights: W along an arc, shape (points, 2, n).
    """
    middle = weights[len(weights) // 2]
    lengths = np.linalg.norm(middle, axis=0)
    chosen = len(lengths) - 1 if lengths[-1] > 0.05 else int(lengths.argmax())
    angle = np.pi / 2 - np.arctan2(middle[1, chosen], middle[0, chosen])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    aim = turn @ middle
    left, _, right = np.linalg.svd(aim @ weights.mT)
    return np.asarray(left @ right @ weights)


def draw_path(axes: Axes, arc: Arc, low: float, high: float, norm: Any) -> Axes:
    """Draw the points of an arc, coloured by t between two values; a ring marks the end of each path.

    A grey line goes on where the arc is a minimum but not between the two values. Features that interfere at the end
    are joined, as in `draw_features`.

    Args:
        axes: where to draw.
        arc: whose states have two hidden dimensions.
        low: smallest t.
        high: largest t.
        norm: from t to colours.
    """
    span = arc.range
    places = np.unique(np.concatenate([np.geomspace(*span, POINTS), np.geomspace(low, high, POINTS)]))
    states = [(float(t), arc.at(float(t))) for t in places]
    kept = [(t, state[0]) for t, state in states if state is not None]
    n, m = arc.branch.family.n_features, arc.branch.family.n_hidden
    t = np.array([t for t, _ in kept])
    turned = oriented(np.array([theta[: m * n].reshape(m, n) for _, theta in kept]))
    cheapest = np.flatnonzero((t >= low) & (t <= high))
    colours = mpl.colormaps[PATH_COLOURS](norm(t))
    axes.add_patch(mpl.patches.Circle((0, 0), 1.0, fill=False, edgecolor="#CCCCCC", linewidth=0.5))
    last = cheapest[-1]
    pairs, styles = interference_edges(turned[last], INTERFERES)
    for (i, j), style in zip(pairs, styles, strict=True):
        axes.plot(*turned[last][:, [i, j]], zorder=1.5, **style)
    for feature in range(n):
        x, y = turned[:, :, feature].T
        axes.plot(x, y, color="#888888", linewidth=0.8, zorder=2)
        axes.scatter(x[cheapest], y[cheapest], c=colours[cheapest], s=9, linewidth=0, zorder=3)
        axes.scatter(x[last], y[last], color=colours[last], s=26, edgecolor="black", linewidth=0.6, zorder=4)
    _number(axes, turned[last], np.linalg.norm(turned, axis=1).max(axis=0))
    axes.plot(0, 0, marker="+", color="black", markersize=4, markeredgewidth=0.6, zorder=1)
    axes.set_aspect("equal")
    axes.set_xlim(-1.6, 1.6)
    axes.set_ylim(-1.6, 1.6)
    axes.set_xticks([])
    axes.set_yticks([])
    return axes


def _number(axes: Axes, points: NDArray[np.float64], reach: NDArray[np.float64]) -> None:
    """Write the features' numbers beyond their points and paths, those of one point together."""
    lengths = np.linalg.norm(points, axis=0)
    left = list(range(points.shape[1]))
    while left:
        first = left[0]
        together = [k for k in left if np.linalg.norm(points[:, k] - points[:, first]) < 0.08]
        left = [k for k in left if k not in together]
        text = "=".join(str(k + 1) for k in together)
        if lengths[first] < 0.08:
            axes.text(0.1, -0.1, text, fontsize=6.5, ha="left", va="top")
            continue
        # The longer the text, the further out sideways.
        x, y = points[:, first] * (reach[first] + 0.22) / lengths[first]
        x += 0.09 * (len(text) - 1) * points[0, first] / lengths[first]
        axes.text(x, y, text, fontsize=6.5, ha="center", va="center")
