"""The phase diagram three times over: published candidates, exact minima, trained models.

Everything is one labelled dataset with dimensions `density` and `importance` (or two other parameters), `seed`,
`minimum`, `hidden`, `feature`, `curve` and `point` (docs/dataset.md lists its variables), written to disk after each
stage, so that what is finished stays when a later stage fails or is stopped.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from tegum.empirical.runs import Session
from tegum.empirical.training import train
from tegum.theory.boundaries import BoundaryCurve, grid_boundaries, phase_boundaries, seed_diagram
from tegum.theory.minima import plane_minima
from tegum.theory.models import Plane, diagram_plane
from tegum.theory.numerics import FloatArray, check_callable, check_kind
from tegum.theory.storage import Destination, check_path

from ..judgement import Recipe
from ..progress import InterruptedRunError, Report, quiet
from .controls import control_accounts
from .dataset import curves_dataset, load, minima_of, save, theory_dataset, trained_dataset
from .planes import axes_of, is_usual, model_of, usual_ranges, values_of
from .settings import TRACED, DiagramSettings

# Ends of a grid out of a file, in whatever precision, that differ by this share are those of the usual ranges.
SAME_END = 1e-6
# Of a diagram in its folder, and of a training that was stopped.
DATASET_NAME, CHECKPOINT_NAME = "diagram.zarr", "training.npz"
# Attributes of a dataset that belong to its runs.
OF_RUNS = ("settings", "controls", "source")


def phase_diagram(
    settings: DiagramSettings | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    report: Report = quiet,
    on_minima: Callable[[xr.Dataset], None] | None = None,
) -> xr.Dataset:
    """Compute a phase diagram: exact minima and boundaries, trained runs, and what became of each run.

    Args:
        settings: sizes of the model, the grid and the training; default those of the main job.
        out: folder to keep the dataset in, which one process writes at a time. What is there already is used again,
            the runs if they are of the same settings, and training that was interrupted goes on.
        report: called with the name of each stage and the share of it that is done.
        on_minima: called with the exact minima, before boundaries are traced and anything is trained.

    Returns:
        The dataset.

    Raises:
        ValueError: if a setting is out of range, `out` holds something else than a phase diagram, or another process is
            writing it.
        OSError: if `out` can't be written to. If it is a `MovedError`, what was computed so far is elsewhere.
        InterruptedRunError: if training was stopped with Ctrl-C; the same call goes on from there.
    """
    if out is not None:
        check_path("out", out)
    check_callable("report", report, 2)
    check_callable("on_minima", on_minima, 1, optional=True)
    settings = DiagramSettings() if settings is None else settings
    check_kind("settings", settings, DiagramSettings)
    if out is None:
        return _computed(settings, None, report, on_minima)
    with Destination(out, (DATASET_NAME, CHECKPOINT_NAME)):
        return _computed(settings, Path(out), report, on_minima)


def _computed(
    settings: DiagramSettings, folder: Path | None, report: Report, on_minima: Callable[[xr.Dataset], None] | None
) -> xr.Dataset:
    """Compute what isn't in a folder yet."""
    store = None if folder is None else folder / DATASET_NAME
    recipe = settings.recipe
    dataset = None if store is None else _runs_of(settings, store)
    if dataset is None:
        dataset = _trained(settings, recipe, folder, report, on_minima)
        _keep(dataset, store)
    if folder is not None:
        # The runs are safe.
        (folder / CHECKPOINT_NAME).unlink(missing_ok=True)
    if settings.controls and "controls" not in dataset.attrs:
        report("controls", 0.0)
        try:
            accounts = control_accounts(dataset, recipe, report=report)
        except KeyboardInterrupt:
            raise InterruptedRunError("the runs are kept, without their controls") from None
        dataset.attrs["controls"] = {name: account.as_json() for name, account in accounts.items()}
        _keep(dataset, store)
    return dataset


def _runs_of(settings: DiagramSettings, store: Path) -> xr.Dataset | None:
    """Return the phase diagram in a store if its runs are those of the settings."""
    if not store.exists():
        return None
    dataset = load(store)
    whole = {f"curve_{axes_of(dataset)[0]}", "outcome", "verdict"} <= set(map(str, dataset))
    # Datasets of before there was a choice of ranges.
    ranges = {name: list(ends) for name, ends in usual_ranges().items()}
    found = dataset.attrs.get("settings")
    return dataset if whole and found is not None and ranges | found == settings.to_plain() else None


def _trained(
    settings: DiagramSettings,
    recipe: Recipe,
    folder: Path | None,
    report: Report,
    on_minima: Callable[[xr.Dataset], None] | None,
) -> xr.Dataset:
    """Return exact minima, boundaries and judged runs; a checkpoint of the training stays in the folder.

    Raises:
        InterruptedRunError: for Ctrl-C.
    """
    plane, store = settings.plane, None if folder is None else folder / DATASET_NAME
    axes = [axis.grid(settings.cells) for axis in (plane.x, plane.y)]
    dataset = exact_part(
        plane,
        *axes,
        described=settings.described(),
        traced=settings.traced,
        store=store,
        report=report,
        on_minima=on_minima,
    )
    dataset.attrs["settings"] = settings.to_plain()
    report("training", 0.0)
    trained = train(
        model_of(dataset),
        seeds=settings.seeds,
        objective=settings.objective,  # type: ignore[arg-type]
        steps=recipe.steps,
        batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        device=settings.device,
        optimisation=recipe.optimisation,
        sampling=recipe.sampling,
        session=Session(
            checkpoint=None if folder is None else folder / CHECKPOINT_NAME,
            on_progress=lambda done, total: report("training", done / max(total, 1)),
            keep=True,
        ),
    )
    if trained.status != "finished":
        raise InterruptedRunError(trained.reason)
    report("judging", 0.0)
    try:
        return merged(dataset, trained_dataset(dataset, trained, recipe))
    except KeyboardInterrupt:
        kept = "" if folder is None else f"the trained models are in {folder / CHECKPOINT_NAME}"
        raise InterruptedRunError(kept) from None


def exact_part(
    plane: Plane,
    x: FloatArray,
    y: FloatArray,
    *,
    described: dict[str, Any] | None = None,
    traced: bool | None = None,
    store: Path | None = None,
    report: Report = quiet,
    on_minima: Callable[[xr.Dataset], None] | None = None,
) -> xr.Dataset:
    """Return minima and boundaries of a grid, from `store` where they are there already.

    Args:
        plane: of models.
        x: values of its first parameter, ascending.
        y: values of its second.
        described: the plane as plain values; None of a usual one.
        traced: whether boundaries are traced as curves, or located between cells; default the first up to three
            features.
        store: where to keep them, and to look for them.
        report: called with the name of each stage.
        on_minima: called with the minima as soon as they are there.
    """
    dataset = None
    traced = plane.n_features <= TRACED if traced is None else traced
    if store is not None and store.exists():
        dataset = load(store)
        sizes = (dataset.attrs["n_features"], dataset.attrs["n_hidden"]) == (plane.n_features, plane.n_hidden)
        same = sizes and dataset.attrs.get("plane") == described and axes_of(dataset) == plane.names
        # Curves are traced from lists of all copies.
        same = same and bool(dataset.attrs.get("traced", True)) == traced
        if not (same and all(map(np.array_equal, values_of(dataset), (x, y)))):
            dataset = None
    if dataset is None:
        report("exact minima", 0.0)
        found = plane_minima(plane, x, y, merged=not traced, report=lambda share: report("exact minima", share))
        dataset = theory_dataset(found, described)
        if not traced:
            dataset.attrs["traced"] = False
        _keep(dataset, store)
    if on_minima is not None:
        on_minima(dataset)
    if f"curve_{plane.names[0]}" not in dataset:
        report("exact boundaries", 0.0)
        curves = _curves(plane, dataset, traced=traced, report=report)
        dataset = merged(dataset, curves_dataset(curves))
        _keep(dataset, store)
    exact = dataset.drop_dims(["seed", "record"], errors="ignore")
    # What is said there of earlier runs isn't said of those to come.
    for name in OF_RUNS:
        exact.attrs.pop(name, None)
    return exact


def _curves(plane: Plane, dataset: xr.Dataset, *, traced: bool, report: Report) -> tuple[BoundaryCurve, ...]:
    """Return the boundaries of a grid."""
    if not traced:
        return grid_boundaries(minima_of(dataset), report=lambda share: report("exact boundaries", share)).curves
    usual = usual_ranges()
    if not is_usual(dataset):
        return phase_boundaries(seed_diagram(plane=plane))
    ranges = []
    for axis, (low, high) in zip((plane.x, plane.y), usual.values(), strict=True):
        ranges.append(
            (
                low if axis.low >= low * (1 - SAME_END) else axis.low,
                high if axis.high <= high * (1 + SAME_END) else axis.high,
            )
        )
    sizes = plane.n_features, plane.n_hidden
    if ranges == list(usual.values()):
        return phase_boundaries(seed_diagram(*sizes))
    return phase_boundaries(seed_diagram(*sizes, plane=diagram_plane(*sizes, *ranges)))


def merged(dataset: xr.Dataset, more: xr.Dataset) -> xr.Dataset:
    """Return two parts of a phase diagram as one; attributes of the second win."""
    both = dataset.merge(more)
    both.attrs = dataset.attrs | more.attrs
    return both


def _keep(dataset: xr.Dataset, store: Path | None) -> None:
    if store is not None:
        save(dataset, store)
