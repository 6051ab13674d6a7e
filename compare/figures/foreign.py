"""The figure of a foreign table: what was measured, what exact theory says, and the account of the cells."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from ..foreign import TABLE_OUTCOMES, TableAccount
from .phase_diagram import draw_cells, plane
from .style import STYLE

# After Okabe and Ito, from light to dark, so that greys differ as well.
OUTCOME_COLOURS = {"global": "#F7EDA0", "other": "#E69F00", "between": "#0072B2", "none": "#000000"}
OUTCOME_TEXTS = {
    "global": "near the cheapest minimum",
    "other": "near another listed minimum",
    "between": "near none, between several (as averages over seeds are)",
    "none": "near none",
}
NOT_STORED = "#BDBDBD"


def foreign_figure(dataset: xr.Dataset, account: TableAccount) -> Figure:
    """Draw measured cells beside exact ones: columns for measurement, theory and account, rows for norm and overlap.

    Args:
        dataset: of `compare_table`.
        account: of `table_account`.
    """
    n, m = int(dataset.attrs["n_features"]), int(dataset.attrs["n_hidden"])
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 5.7), layout="constrained")
        FigureCanvasAgg(figure)
        (a, b, c), (d, e, f) = figure.subplots(2, 3, sharex=True, sharey=True)
        norm_label = rf"length $\|W_{n}\|$ of the last feature"
        symbol = rf"\sum_{{j\neq {n}}}(\hat{{W}}_{n}\cdot W_j)^2"
        overlap_label = (
            rf"overlap ${symbol}$" if dataset.attrs["overlap"] == "squares" else rf"overlap $\sqrt{{{symbol}}}$"
        )
        for pair, name, label in (((a, b), "norm", norm_label), ((d, e), "overlap", overlap_label)):
            values = [dataset[f"{origin}_{name}"].values for origin in ("foreign", "exact")]
            if name == "overlap":
                # Where the last feature isn't stored it has no direction.
                values[0] = np.where(dataset["foreign_norm"].values <= account.tolerance, np.nan, values[0])
            _pair(figure, pair, dataset, values, label)
        _account(c, dataset)
        _distance(figure, f, dataset, account)
        a.set_title("(a) measured length")
        b.set_title("(b) exact length")
        c.set_title(f"(c) {account.share('global'):.1%} near the cheapest")
        d.set_title("(d) measured overlap")
        e.set_title("(e) exact overlap")
        f.set_title("(f) distance from a minimum")
        for axes in (a, b, c):
            axes.set_xlabel("")
        for axes in (b, c, e, f):
            axes.set_ylabel("")
        _legend(figure, account)
        dimensions = "dimension" if m == 1 else "dimensions"
        figure.suptitle(
            f"A table of {account.cells} cells against exact minima: $n = {n}$ features, $m = {m}$ hidden {dimensions}",
            fontsize=9,
        )
    return figure


def _pair(
    figure: Figure, pair: tuple[Axes, Axes], dataset: xr.Dataset, values: list[NDArray[np.float64]], label: str
) -> None:
    """Draw measured and exact values on one scale."""
    largest = max(float(np.nanmax(v, initial=0.0)) for v in values) or 1.0
    for axes, v in zip(pair, values, strict=True):
        axes.set_facecolor(NOT_STORED)
        mesh: Any = draw_cells(axes, dataset, np.ma.masked_invalid(v), cmap="viridis", vmin=0.0, vmax=largest)
        plane(axes, dataset)
    bar = figure.colorbar(mesh, ax=list(pair), pad=0.02, location="right", aspect=25)
    bar.set_label(label)


def _account(axes: Axes, dataset: xr.Dataset) -> None:
    colours = ListedColormap([OUTCOME_COLOURS[name] for name in TABLE_OUTCOMES])
    levels = BoundaryNorm(np.arange(len(TABLE_OUTCOMES) + 1) - 0.5, len(TABLE_OUTCOMES))
    draw_cells(axes, dataset, dataset["foreign_outcome"].values, cmap=colours, norm=levels)
    plane(axes, dataset)


def _distance(figure: Figure, axes: Axes, dataset: xr.Dataset, account: TableAccount) -> None:
    distance = dataset["foreign_distance"].values
    largest = max(float(distance.max()), 2 * account.tolerance)
    mesh: Any = draw_cells(axes, dataset, distance, cmap="Greys", vmin=0.0, vmax=largest)
    plane(axes, dataset)
    bar = figure.colorbar(mesh, ax=axes, pad=0.02, aspect=25)
    bar.set_label("distance (line: tolerance)")
    bar.ax.axhline(account.tolerance, color="#D55E00", linewidth=1.5)


def _legend(figure: Figure, account: TableAccount) -> None:
    patches = [
        Patch(
            facecolor=OUTCOME_COLOURS[name],
            edgecolor="black",
            linewidth=0.4,
            label=f"{OUTCOME_TEXTS[name]}: {account.share(name):.1%}",
        )
        for name in TABLE_OUTCOMES
    ]
    gone = Patch(facecolor=NOT_STORED, edgecolor="black", linewidth=0.4, label="last feature not stored: no overlap")
    figure.legend(handles=[*patches, gone], loc="outside lower center", ncols=2, frameon=False)
