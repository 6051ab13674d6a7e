"""A phase diagram as one labelled dataset, in memory (xarray) and on disk (zarr); docs/dataset.md lists it all."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tegum.empirical.files import read_zarr_of, write_zarr
from tegum.empirical.runs import TrainedModels
from tegum.theory.boundaries import BoundaryCurve
from tegum.theory.geometry import PUBLISHED_SIZES, phase, published_candidates
from tegum.theory.minima import SAME_LOSS, Coverage, CriticalPoint, DiagramMinima, FoundMinimum, inputs_of
from tegum.theory.models import diagram_model
from tegum.theory.numerics import check_kind, check_shape, numbers
from tegum.theory.storage import check_path

from ..judgement import Recipe, Verdicts, judge
from .planes import USUAL, axes_of, model_of, plane_of, values_of
from .published import published_losses

FORMAT, FIRST_FORMAT = "tegum phase diagram 2", "tegum phase diagram 1"
# Where a run ended: in the cheapest minimum, in another one, or in none that theory lists.
OUTCOMES = ("global", "other", "unexplained")
# Curves are cut to sheets of equal length; the rest is NaN.
CURVE_FIELDS = ("residual", "error")
CURVE_LABELS = ("kind", "phases", "mechanism", "status", "reason")


class PhaseNames:
    """Numbers for phase labels, in the order in which they turn up."""

    def __init__(self, names: list[str] | None = None) -> None:
        """Start from names that already have numbers."""
        self.names = list(names or [])

    def code(self, label: str) -> int:
        """Return the label's number."""
        if label not in self.names:
            self.names.append(label)
        return self.names.index(label)

    def codes(self, labels: NDArray[np.object_]) -> NDArray[np.int16]:
        """Return the numbers of an array of labels."""
        return np.array([self.code(str(label)) for label in labels.ravel()], dtype=np.int16).reshape(labels.shape)


def theory_dataset(diagram: DiagramMinima, plane: dict[str, Any] | None = None) -> xr.Dataset:
    """Return the exact part of a phase diagram, and what published candidates say of each cell, where there are any.

    Args:
        diagram: the minima.
        plane: what `plane_from` reads, of a plane that isn't that of a published diagram.
    """
    shape = len(diagram.x), len(diagram.y)
    names_of_axes = diagram.plane.names
    most = max(len(cell) for row in diagram.minima for cell in row)
    n, m = diagram.n_features, diagram.n_hidden
    arrays = {
        "minimum_weights": np.full((*shape, most, m, n), np.nan),
        "minimum_bias": np.full((*shape, most, n), np.nan),
        "minimum_loss": np.full((*shape, most), np.nan),
        "minimum_gradient_norm": np.full((*shape, most), np.nan),
        "minimum_curvature": np.full((*shape, most), np.nan),
        "minimum_eigenvalues": np.full((*shape, most, (m + 1) * n), np.nan),
        "minimum_phase": np.full((*shape, most), -1, dtype=np.int16),
        "minimum_degenerate": np.zeros((*shape, most), dtype=bool),
    }
    if diagram.coverage is not None:
        # How many copies a minimum stands for, and the starts that led there.
        arrays |= {f"minimum_{name}": np.zeros((*shape, most), dtype=np.int32) for name in ("copies", "hits")}
    names = PhaseNames()
    for i, row in enumerate(diagram.minima):
        for j, cell in enumerate(row):
            for k, point in enumerate(cell):
                at = i, j, k
                arrays["minimum_weights"][at], arrays["minimum_bias"][at] = point.weights, point.bias
                arrays["minimum_loss"][at], arrays["minimum_gradient_norm"][at] = point.loss, point.gradient_norm
                arrays["minimum_curvature"][at] = point.curvature
                arrays["minimum_eigenvalues"][at] = point.hessian_eigenvalues
                arrays["minimum_phase"][at] = names.code(point.phase)
                arrays["minimum_degenerate"][at] = point.status == "degenerate"
                if diagram.coverage is not None and isinstance(point, FoundMinimum):
                    arrays["minimum_copies"][at], arrays["minimum_hits"][at] = point.copies, point.hits
    last = {
        "minimum_weights": ("hidden", "feature"),
        "minimum_bias": ("feature",),
        "minimum_eigenvalues": ("parameter",),
    }
    variables: dict[str, tuple[tuple[str, ...], NDArray[np.generic]]]
    variables = {name: ((*names_of_axes, "minimum", *last.get(name, ())), array) for name, array in arrays.items()}
    if plane is None and (n, m) in PUBLISHED_SIZES:
        losses = published_losses(diagram.model)
        codes = np.array([names.code(candidate.phase) for candidate in published_candidates(n, m)], dtype=np.int16)
        variables["published_phase"] = (names_of_axes, codes[losses.argmin(axis=-1)])
        variables["published_loss"] = (names_of_axes, losses.min(axis=-1))
    attrs = {
        "format": FORMAT,
        "n_features": n,
        "n_hidden": m,
        "model": (
            diagram.model if plane is not None else diagram_model(n, m, diagram.x[:, None], diagram.y)
        ).to_plain(),
        "phases": names.names,
    }
    if diagram.coverage is not None:
        attrs["coverage"] = asdict(diagram.coverage)
    if plane is not None:
        attrs["plane"] = plane
    return xr.Dataset(variables, coords=dict(zip(names_of_axes, (diagram.x, diagram.y), strict=True)), attrs=attrs)


def minima_of(dataset: xr.Dataset) -> DiagramMinima:
    """Return the minima that a dataset holds, the inverse of `theory_dataset`."""
    check_kind("dataset", dataset, xr.Dataset)
    names = dataset.attrs["phases"]
    arrays = {name: dataset[name].values for name in dataset if str(name).startswith("minimum_")}
    inputs = inputs_of(model_of(dataset))

    def point(at: tuple[int, int, int]) -> CriticalPoint:
        degenerate = bool(arrays["minimum_degenerate"][at])
        found = CriticalPoint(
            weights=arrays["minimum_weights"][at],
            bias=arrays["minimum_bias"][at],
            loss=float(arrays["minimum_loss"][at]),
            gradient_norm=float(arrays["minimum_gradient_norm"][at]),
            hessian_eigenvalues=arrays["minimum_eigenvalues"][at],
            curvature=float(arrays["minimum_curvature"][at]),
            phase=names[arrays["minimum_phase"][at]],
            status="degenerate" if degenerate else "minimum",
            reason="read from a phase diagram",
            inputs=inputs,
        )
        if "minimum_copies" not in arrays:
            return found
        copies, hits = (int(arrays[f"minimum_{name}"][at]) for name in ("copies", "hits"))
        return FoundMinimum(**vars(found), copies=copies, hits=hits)

    codes = arrays["minimum_phase"]
    rows = [
        [tuple(point((i, j, int(k))) for k in np.flatnonzero(codes[i, j] >= 0)) for j in range(codes.shape[1])]
        for i in range(codes.shape[0])
    ]
    told = dataset.attrs.get("coverage")
    return DiagramMinima(plane_of(dataset), *values_of(dataset), rows, None if told is None else Coverage(**told))


def curves_dataset(curves: tuple[BoundaryCurve, ...]) -> xr.Dataset:
    """Return boundary curves, one row each, filled up with NaN to the length of the longest."""
    longest = max((len(curve.x) for curve in curves), default=0)
    variables: dict[str, tuple[tuple[str, ...], NDArray[np.generic]]] = {}
    axes = curves[0].axes if curves else USUAL
    for name, read in (*zip(axes, ("x", "y"), strict=True), *zip(CURVE_FIELDS, CURVE_FIELDS, strict=True)):
        array = np.full((len(curves), longest), np.nan)
        for k, curve in enumerate(curves):
            array[k, : len(curve.x)] = getattr(curve, read)
        variables[f"curve_{name}"] = (("curve", "point"), array)
    cheapest = np.zeros((len(curves), longest), dtype=bool)
    for k, curve in enumerate(curves):
        cheapest[k, : len(curve.x)] = curve.cheapest
    variables["curve_cheapest"] = (("curve", "point"), cheapest)
    labels = [{n: getattr(curve, n) for n in CURVE_LABELS} | {"phases": list(curve.phases)} for curve in curves]
    return xr.Dataset(variables, attrs={"curves": labels})


def curves_of(dataset: xr.Dataset) -> tuple[BoundaryCurve, ...]:
    """Return the boundary curves that a dataset holds, the inverse of `curves_dataset`."""
    check_kind("dataset", dataset, xr.Dataset)
    curves, axes = [], axes_of(dataset)
    for k, labels in enumerate(dataset.attrs.get("curves", [])):
        rows = {name: dataset[f"curve_{name}"].values[k] for name in (*axes, *CURVE_FIELDS, "cheapest")}
        there = np.isfinite(rows[axes[0]])
        arrays = {name: row[there] for name, row in rows.items()}
        arrays |= {"x": arrays.pop(axes[0]), "y": arrays.pop(axes[1])}
        curves.append(BoundaryCurve(**arrays, **(labels | {"phases": tuple(labels["phases"])}), axes=axes))
    return tuple(curves)


def trained_dataset(theory: xr.Dataset, trained: TrainedModels, recipe: Recipe) -> xr.Dataset:
    """Return the trained runs of a phase diagram, judged by their own weights and looked up after polishing."""
    dataset = runs_dataset(theory, trained.weights, trained.bias, trained.loss, trained.seeds, recipe)
    dataset = dataset.assign_coords(record=trained.history_steps)
    dataset["loss_history"] = (("record", *axes_of(theory), "seed"), trained.loss_history)
    return dataset


def runs_dataset(
    theory: xr.Dataset,
    weights: NDArray[np.float64],
    bias: NDArray[np.float64],
    loss: NDArray[np.float64],
    seeds: NDArray[np.int64],
    recipe: Recipe,
) -> xr.Dataset:
    """Return runs of whatever origin: where each is by its own weights, and where polishing leads it.

    Args:
        theory: the exact part of a phase diagram.
        weights: W, shape (X, Y, seed, n_hidden, n_features).
        bias: b, shape (X, Y, seed, n_features).
        loss: exact loss, NaN for runs that diverged, shape (X, Y, seed).
        seeds: labels of the runs of a cell, shape (seed,).
        recipe: how they were trained.
    """
    cells, run = loss.shape, (*axes_of(theory), "seed")
    n_hidden, n_features = weights.shape[-2:]
    finite = np.isfinite(loss)
    own = np.where(finite[..., None, None], weights, np.nan)
    found = judge_runs(theory, own, bias, recipe)
    which, polished = found.ended_in.reshape(cells), found.polished
    losses = theory["minimum_loss"].values
    # Copies of one minimum under exchanges of equal features cost the same but for rounding.
    cheapest = np.take_along_axis(losses, np.maximum(which, 0), axis=-1) <= losses[..., :1] + SAME_LOSS
    outcome = np.where(which < 0, OUTCOMES.index("unexplained"), np.where(cheapest, 0, OUTCOMES.index("other")))
    names = PhaseNames(theory.attrs["phases"])
    inputs = inputs_of(model_of(theory))
    ends = zip(polished.weights, polished.bias, strict=True)
    labels = np.array([phase(w, b, inputs=inputs) for w, b in ends], dtype=object)
    saddles = np.array([names.code(label) if label else -1 for label in found.saddle_phase], dtype=np.int16)
    values: dict[str, NDArray[np.generic]] = {
        "trained_loss": loss,
        "verdict": found.verdict,
        "nearest": found.nearest,
        "excess": found.excess,
        "distance": found.distance,
        "excess_allowed": found.excess_allowed,
        "distance_allowed": found.distance_allowed,
        "saddle_loss": found.saddle_loss,
        "saddle_index": found.saddle_index.astype(np.int8),
        "saddle_phase": saddles,
        "polished_loss": polished.loss,
        "polish_distance": np.where(finite.ravel(), polished.moved, np.nan),
        "escapes": polished.escapes,
        "trained_phase": names.codes(labels),
        "outcome": outcome.astype(np.int8),
        "ended_in": which.astype(np.int16),
    }
    variables: dict[str, tuple[tuple[str, ...], NDArray[np.generic]]] = {}
    variables |= {name: (run, array.reshape(cells)) for name, array in values.items()}
    for name, (matrix, vector) in {"trained": (weights, bias), "polished": (polished.weights, polished.bias)}.items():
        variables[f"{name}_weights"] = ((*run, "hidden", "feature"), matrix.reshape(*cells, n_hidden, n_features))
        variables[f"{name}_bias"] = ((*run, "feature"), vector.reshape(*cells, n_features))
    return xr.Dataset(variables, coords={"seed": seeds}, attrs=theory.attrs | {"phases": names.names})


def judge_runs(theory: xr.Dataset, weights: NDArray[np.float64], bias: NDArray[np.float64], recipe: Recipe) -> Verdicts:
    """Return where runs are in a phase diagram, by their own weights; arguments as `runs_dataset`, results flat."""
    check_kind("theory", theory, xr.Dataset)
    check_kind("recipe", recipe, Recipe)
    weights, bias = numbers("weights", weights), numbers("bias", bias)
    n, m = int(theory.attrs["n_features"]), int(theory.attrs["n_hidden"])
    grid = tuple(map(len, values_of(theory)))
    check_shape("weights", weights.shape, (*grid, "seed", m, n))
    check_shape("bias", bias.shape, (*weights.shape[:3], n))
    cells = weights.shape[:-2]
    index = np.unravel_index(np.arange(int(np.prod(cells))), cells)
    minima = minima_of(theory).minima
    return judge(
        model_of(theory).take(index[:2]),
        [minima[i][j] for i, j in zip(*index[:2], strict=True)],
        weights.reshape(-1, *weights.shape[-2:]),
        bias.reshape(-1, bias.shape[-1]),
        recipe,
    )


def save(dataset: xr.Dataset, path: Path) -> None:
    """Write a phase diagram to a zarr store, replacing what is there only when all is written."""
    check_kind("dataset", dataset, xr.Dataset)
    check_path("path", path, new=True)
    write_zarr(dataset, path)


def load(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read a phase diagram that `save` wrote.

    Raises:
        ValueError: if there is none, it can't be read, its checksum doesn't fit, or it is something else.
    """
    check_path("path", path)
    dataset = read_zarr_of(path, "a phase diagram", FORMAT, FIRST_FORMAT)
    missing = sorted({"minimum_loss", "minimum_phase", *axes_of(dataset)} - set(map(str, dataset.variables)))
    if missing:
        raise ValueError(f"expected a phase diagram with variables {missing}, which {path} lacks")
    return dataset
