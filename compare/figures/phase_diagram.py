"""Figures of phase diagrams: computed elsewhere, drawn here. Functions take axes and return them."""

from __future__ import annotations

from collections import Counter
from textwrap import fill

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import BoundaryNorm, ListedColormap, LogNorm, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray

from tegum.theory.boundaries import BoundaryCurve
from tegum.theory.minima import SAME_LOSS

from ..diagrams import (
    CONTINUOUS,
    Ledger,
    Omission,
    agreement,
    as_cheap,
    cheapest_phases,
    curves_of,
    held_model,
    is_usual,
    phase_classes,
    plane_of,
    values_of,
)
from ..judgement import IN
from .boundaries import parameter_label
from .style import (
    CURVE_STYLES,
    NO_MINIMUM,
    NO_MINIMUM_COLOUR,
    OTHER_COLOUR,
    PHASE_COLOURS,
    SHORT_AXIS,
    STYLE,
    draw_line,
    further_colours,
    shade,
)

# Shares of a loss that are told apart where it is shown how much dearer the next phase is.
MARGINS = (1e-3, 1.0)
# Characters of a phase's name up to which four columns of a legend fit.
LONG_NAME = 31
# Characters in a line of notes over the panels.
NOTE_WIDTH = 120


def colours_of(dataset: xr.Dataset) -> dict[str, str]:
    """Return the colours of the phases of a diagram: those of its size, and others by the number of their cells."""
    known = PHASE_COLOURS.get((int(dataset.attrs["n_features"]), int(dataset.attrs["n_hidden"])), {})
    if known:
        # Others of these sizes are the cheapest nowhere in the published planes, and stay grey.
        return {**known, NO_MINIMUM: NO_MINIMUM_COLOUR}
    others = sorted(phase_classes(dataset).tolist())
    cells = Counter(cheapest_phases(dataset).ravel().tolist())
    others.sort(key=lambda name: (-cells[name], name))
    return {**further_colours(others), NO_MINIMUM: NO_MINIMUM_COLOUR}


def plane(axes: Axes, dataset: xr.Dataset) -> Axes:
    """Make axes the plane of a phase diagram, density and relative importance on log scales unless others vary."""
    over = plane_of(dataset)
    values = values_of(dataset)
    axes.set_xscale(over.x.scale)
    axes.set_yscale(over.y.scale)
    axes.set_xlim(values[0][0], values[0][-1])
    axes.set_ylim(values[1][0], values[1][-1])
    x, y = (parameter_label(name, over.n_features) for name in over.names)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    for axis, parameter, ends in zip((axes.xaxis, axes.yaxis), (over.x, over.y), values, strict=True):
        axis.set_major_formatter("{x:g}")
        if parameter.scale == "linear":
            continue
        # Powers of ten alone would leave a short axis without numbers.
        short = ends[-1] / ends[0] < SHORT_AXIS
        axis.set_minor_locator(LogLocator(subs=(2, 5) if short else tuple(range(2, 10))))
        axis.set_minor_formatter("{x:g}" if short else NullFormatter())
    return axes


def _edges(centres: NDArray[np.float64], scale: str) -> NDArray[np.float64]:
    """Return cell edges halfway between centres on a scale."""
    places = np.log(centres) if scale == "log" else centres
    middle = (places[1:] + places[:-1]) / 2
    edges = np.concatenate([[2 * places[0] - middle[0]], middle, [2 * places[-1] - middle[-1]]])
    return np.asarray(np.exp(edges) if scale == "log" else edges)


def draw_cells(axes: Axes, dataset: xr.Dataset, values: NDArray[np.generic], **style: object) -> object:
    """Colour each cell by its value, shape (X, Y)."""
    over, centres = plane_of(dataset), values_of(dataset)
    x, y = (_edges(some, axis.scale) for some, axis in zip(centres, (over.x, over.y), strict=True))
    return axes.pcolormesh(x, y, values.T, rasterized=True, **style)  # type: ignore[arg-type]


def draw_phases(axes: Axes, dataset: xr.Dataset, labels: NDArray[np.str_]) -> Axes:
    """Colour each cell by its phase.

    Args:
        axes: where to draw.
        dataset: the phase diagram.
        labels: of the phases, shape (X, Y).
    """
    names, codes = np.unique(labels, return_inverse=True)
    levels, known = np.arange(len(names) + 1) - 0.5, colours_of(dataset)
    colours = ListedColormap([to_rgb(known.get(str(name), OTHER_COLOUR)) for name in names])
    draw_cells(axes, dataset, codes.reshape(labels.shape), cmap=colours, norm=BoundaryNorm(levels, len(names)))
    return plane(axes, dataset)


def draw_curve(
    axes: Axes, curve: BoundaryCurve, style: str, keep: NDArray[np.bool_], line_colour: str = "black"
) -> Axes:
    """Draw the kept part of an exact curve."""
    return draw_line(axes, np.where(keep, curve.x, np.nan), curve.y, style, line_colour)


def draw_boundaries(axes: Axes, dataset: xr.Dataset, *, stability: bool) -> Axes:
    """Draw the curves that bound the cheapest phases, and on request every limit of stability.

    Args:
        axes: where to draw.
        dataset: the phase diagram with its curves.
        stability: whether to draw limits of stability that aren't themselves a change of the cheapest phase, each in
            the colour of the phase that stops being a minimum.
    """
    known = colours_of(dataset)
    for curve in sorted(curves_of(dataset), key=lambda curve: curve.kind, reverse=True):
        if curve.kind == "coexistence":
            draw_curve(axes, curve, "coexistence", curve.cheapest)
            continue
        continuous = curve.cheapest & (curve.mechanism in CONTINUOUS)
        if stability:
            draw_curve(axes, curve, "stability", ~continuous, shade(known.get(curve.phases[0], OTHER_COLOUR)))
        draw_curve(axes, curve, "continuous", continuous)
    return axes


def draw_margin(axes: Axes, dataset: xr.Dataset) -> Axes:
    """Shade by what share of its loss the cheapest minimum is below the cheapest of another phase."""
    names, codes, losses = phase_classes(dataset), dataset["minimum_phase"].values, dataset["minimum_loss"].values
    other = (codes >= 0) & (names[codes] != cheapest_phases(dataset)[..., None])
    other &= np.char.find(names[codes], "dead") < 0
    next_loss = np.where(other, losses, np.inf).min(axis=-1)
    margin = np.where(np.isfinite(next_loss), next_loss / losses[..., 0] - 1, np.nan)
    mesh = draw_cells(axes, dataset, np.clip(margin, *MARGINS), cmap="cividis", norm=LogNorm(*MARGINS))
    bar = axes.figure.colorbar(mesh, ax=axes, pad=0.02, shrink=0.9, extend="both")  # type: ignore[arg-type]
    bar.set_label("next phase's loss over the cheapest − 1")
    axes.set_facecolor("white")
    return plane(axes, dataset)


def draw_disagreement(axes: Axes, dataset: xr.Dataset) -> Axes:
    """Shade the share of seeds that aren't in the cheapest minimum; hatch cells with several exact minima."""
    names = phase_classes(dataset)
    near = np.take_along_axis(dataset["minimum_loss"].values, np.maximum(dataset["nearest"].values, 0), axis=-1)
    cheap = near <= dataset["minimum_loss"].values[..., :1] + SAME_LOSS
    share = 1 - ((dataset["verdict"].values == IN) & cheap).mean(axis=-1)
    mesh = draw_cells(axes, dataset, share, cmap="Greys", vmin=0.0, vmax=1.0)
    codes, losses = dataset["minimum_phase"].values, dataset["minimum_loss"].values
    live = (codes >= 0) & (np.char.find(names[codes], "dead") < 0)
    # Copies of the cheapest under exchanges of equal features cost the same.
    several = (live & (losses > losses[..., :1] + SAME_LOSS)).any(axis=-1)
    x, y = values_of(dataset)
    with mpl.rc_context({"hatch.linewidth": 0.4, "hatch.color": "#0072B2"}):
        axes.contourf(x, y, several.T.astype(float), levels=[0.5, 1.5], colors="none", hatches=["////"])
    bar = axes.figure.colorbar(mesh, ax=axes, pad=0.02, shrink=0.9)  # type: ignore[arg-type]
    bar.set_label("share of seeds not in the cheapest minimum")
    return plane(axes, dataset)


def _best_phases(dataset: xr.Dataset) -> NDArray[np.str_]:
    """Return the phase of the minimum that each cell's best seed is in, by its own weights, or that it is in none."""
    loss = np.where(np.isfinite(dataset["trained_loss"].values), dataset["trained_loss"].values, np.inf)
    best = loss.argmin(axis=-1)[..., None]
    nearest, verdict = (np.take_along_axis(dataset[name].values, best, axis=-1) for name in ("nearest", "verdict"))
    codes = np.take_along_axis(dataset["minimum_phase"].values, np.maximum(nearest, 0), axis=-1)[..., 0]
    labels = phase_classes(dataset)[codes]
    # Of phases that cost the same one is shown.
    labels = np.where(as_cheap(dataset, labels), cheapest_phases(dataset), labels)
    return np.where(verdict[..., 0] == IN, labels, NO_MINIMUM)


def _legend(figure: Figure, dataset: xr.Dataset, shown: set[str]) -> None:
    known = colours_of(dataset)
    patches = [
        Patch(facecolor=known.get(name, OTHER_COLOUR), edgecolor="black", linewidth=0.4, label=name)
        for name in sorted(shown)
    ]
    texts = {"coexistence": "coexistence (first order)", "continuous": "continuous transition"}
    lines = [
        Line2D([], [], color="black", linestyle=CURVE_STYLES[style][0], linewidth=CURVE_STYLES[style][1], label=text)
        for style, text in texts.items()
    ]
    dash, width = CURVE_STYLES["stability"]
    lost = {c.phases[0] for c in curves_of(dataset) if c.kind == "stability" and c.mechanism != "continuous"}
    limits = [
        Line2D(
            [],
            [],
            color=shade(known.get(name, OTHER_COLOUR)),
            linestyle=dash,
            linewidth=width + 0.4,
            label=f"limit of {name}",
        )
        for name in sorted(lost)
    ]
    hatch = Patch(facecolor="white", edgecolor="#0072B2", hatch="////", linewidth=0.4, label="several exact minima")
    columns = 4 if max(map(len, shown)) <= LONG_NAME else 3
    figure.legend(handles=[*patches, *lines, hatch, *limits], loc="outside lower center", ncols=columns, frameon=False)


def omission_text(omission: Omission) -> str:
    """Return a sentence about a phase that the published diagram leaves out."""
    return (
        f"The published candidates leave out {omission.phase}, the cheapest in {omission.cells} cells: at 1−S = "
        f"{omission.density:.3g} and relative importance {omission.importance:.3g} it costs {omission.loss:.5f}, the "
        f"next exact minimum ({omission.next_phase}) {omission.next_loss:.5f}, and the best candidate "
        f"({omission.published_phase}) {omission.published_loss:.5f}."
    )


def phase_diagram_figure(dataset: xr.Dataset, ledger: Ledger | None = None) -> Figure:
    """Draw the main figure: published candidates, exact phases, trained models, and where seeds disagree.

    Args:
        dataset: a finished phase diagram.
        ledger: its ledger; computed if not given.

    Returns:
        A figure of four panels.
    """
    ledger = ledger or agreement(dataset)
    names = phase_classes(dataset)
    best = _best_phases(dataset)
    exact = cheapest_phases(dataset)
    shown = [exact, best]
    n, m = dataset.attrs["n_features"], dataset.attrs["n_hidden"]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 6.9), layout="constrained")
        FigureCanvasAgg(figure)
        (a, b), (c, d) = figure.subplots(2, 2)
        if "published_phase" in dataset:
            shown.append(names[dataset["published_phase"].values])
            draw_phases(a, dataset, shown[-1])
            a.set_title(f"(a) published candidates: wrong in {ledger.published_wrong:.1%} of cells")
        else:
            draw_margin(a, dataset)
            draw_boundaries(a, dataset, stability=False)
            a.set_title("(a) how much dearer the next phase is")
        draw_phases(b, dataset, exact)
        draw_boundaries(b, dataset, stability=True)
        b.set_title("(b) exact: cheapest minimum and boundaries")
        draw_phases(c, dataset, best)
        draw_boundaries(c, dataset, stability=False)
        seeds = dataset.sizes["seed"]
        same = ledger.account.best_seed_in_global_phase
        c.set_title(f"(c) best of {seeds} seeds as trained: {same:.1%} as in (b)")
        draw_disagreement(d, dataset)
        draw_boundaries(d, dataset, stability=True)
        # Whole numbers: a share would be rounded to all of them.
        d.set_title(f"(d) {ledger.account.in_a_minimum:,} of {ledger.runs:,} runs are in a minimum")
        _legend(figure, dataset, set(map(str, np.unique(shown))))
        dimensions = "dimension" if m == 1 else "dimensions"
        title = f"$x' = \\mathrm{{ReLU}}(W^\\top W x + b)$, $n = {n}$ features, $m = {m}$ hidden {dimensions}"
        if not is_usual(dataset):
            title += "\n" + fill(f"otherwise {held_model(dataset).describe()}", NOTE_WIDTH)
        notes = [fill(omission_text(omission), NOTE_WIDTH) for omission in ledger.omissions]
        figure.suptitle("\n".join([title, *notes]), fontsize=8 if notes else 9)
    return figure
