"""Somebody's trained models, weights and biases, sorted into the grid of a phase diagram with our own ledger."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tegum.theory.loss import expected_loss
from tegum.theory.minima import check_superposition
from tegum.theory.models import AMPLITUDES, ToyModel, diagram_plane
from tegum.theory.numerics import FloatArray, check_callable, check_kind
from tegum.theory.storage import check_path

from ..diagrams import exact_part, merged, model_of, runs_dataset
from ..judgement import PAPER_RECIPE, Recipe
from ..progress import Report, quiet
from .weights import WeightBatch

# Densities and importances of one cell, in float32, agree to so many decimals of their logarithm.
DECIMALS = 5


def foreign_diagram(
    batch: WeightBatch,
    model: ToyModel,
    *,
    recipe: Recipe = PAPER_RECIPE,
    store: Path | None = None,
    report: Report = quiet,
) -> xr.Dataset:
    """Return the phase diagram of somebody's trained models: exact minima, boundaries, and each run looked up.

    Args:
        batch: weights, several for each cell of a grid over density and relative importance, in any order.
        model: what they were trained for, of the batch's shape: one density for all features, and one importance for
            all but the last.
        recipe: how they were trained: what noise explains by it is allowed for runs in a minimum. Nothing in a file
            says that; default the paper's.
        store: zarr store in which the exact part is kept and looked for.
        report: called with the name of each stage.

    Returns:
        A dataset as `phase_diagram` returns, without a history of the loss.

    Raises:
        ValueError: if the models aren't those of a phase diagram, or a grid with as many runs in each cell.
    """
    check_kind("batch", batch, WeightBatch)
    check_kind("model", model, ToyModel)
    check_kind("recipe", recipe, Recipe)
    if store is not None:
        check_path("store", store, new=True)
        store = Path(store)
    check_callable("report", report, 2)
    m, n = batch.weights.shape[-2:]
    check_superposition(n, m)
    _check_law(model)
    order, density, importance = _grid(model)
    weights, bias = batch.weights.reshape(-1, m, n)[order], batch.bias.reshape(-1, n)[order]
    ends = ((float(axis[0]), float(axis[-1])) for axis in (density, importance))
    dataset = exact_part(diagram_plane(n, m, *ends), density, importance, store=store, report=report)
    report("judging", 0.0)
    finite = batch.finite.reshape(-1)[order]
    there = finite[..., None]
    losses = expected_loss(
        model_of(dataset).take((..., np.newaxis)), np.where(there[..., None], weights, 0), np.where(there, bias, 0)
    )
    seeds = np.arange(order.shape[-1])
    return merged(dataset, runs_dataset(dataset, weights, bias, np.where(finite, losses, np.nan), seeds, recipe))


def _check_law(model: ToyModel) -> None:
    """Raise `ValueError` unless features are independent and uniform, and the loss is plain."""
    law = model.features
    model.check_plain("a phase diagram", "bias", "targets", "reduction")
    if law.kind != "independent" or law.amplitude != AMPLITUDES["uniform"] or model.has_penalty:
        raise ValueError(
            "a phase diagram is of independent features, uniform on [0, 1], without penalties (batch_report and "
            f"tegum loss take any model), got {model.describe()}"
        )


def _grid(model: ToyModel) -> tuple[NDArray[np.int64], FloatArray, FloatArray]:
    """Return which models are in each cell, shape (D, R, seeds), and the grid's densities and relative importances."""
    n = model.n_features
    densities, importances = model.densities().reshape(-1, n), model.importances().reshape(-1, n)
    for name, values in (("density", densities), ("importance", importances[:, :-1])):
        unlike = np.abs(np.log(values / values[:, :1])).max(axis=-1) > 10.0**-DECIMALS
        if unlike.any():
            raise ValueError(
                f"a phase diagram needs one {name} for all features{' but the last' * (name == 'importance')}, got "
                f"{values[unlike][0].tolist()}"
            )
    axes, places = [], []
    for values in (densities[:, 0], importances[:, -1] / importances[:, 0]):
        _, first, place = np.unique(np.round(np.log(values), DECIMALS), return_index=True, return_inverse=True)
        axes.append(values[first])
        places.append(place.ravel())
    shape = len(axes[0]), len(axes[1])
    if min(shape) < 2:
        raise ValueError(f"a phase diagram needs at least 2 densities and 2 importances, got {shape[0]} and {shape[1]}")
    cells = np.ravel_multi_index((places[0], places[1]), shape)
    counts = np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)
    if (counts != counts.max()).any():
        i, j = np.unravel_index(int(counts.argmin()), shape)
        raise ValueError(
            f"a phase diagram needs as many runs in each of its {shape[0]} × {shape[1]} cells, got {counts.max()} in "
            f"some and {counts[i, j]} at density {axes[0][i]:.6g}, importance {axes[1][j]:.6g}"
        )
    order = np.argsort(cells, kind="stable").reshape(*shape, int(counts.max()))
    return order, axes[0], axes[1]
