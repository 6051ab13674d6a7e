"""The phase diagram three times over: published candidates, exact minima, trained models.

Everything is one labelled dataset with dimensions `density`, `importance`, `seed`, `minimum`, `hidden`, `feature`,
`curve` and `point` (docs/dataset.md lists its variables), written to disk after each stage, so that what is finished
stays when a later stage fails or is stopped.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tegum.empirical.runs import Optimisation, Sampling, Session
from tegum.empirical.training import resolve_device, train
from tegum.theory.boundaries import phase_boundaries, seed_diagram
from tegum.theory.geometry import published_candidates
from tegum.theory.minima import DiagramMinima, check_superposition, diagram_minima
from tegum.theory.models import DENSITY_RANGE, IMPORTANCE_RANGE, diagram_plane
from tegum.theory.numerics import (
    MOST_SIZE,
    MOST_STEPS,
    check_callable,
    check_choice,
    check_count,
    check_flag,
    check_kind,
    check_range,
    check_rate,
)
from tegum.theory.storage import Destination, check_path

from ..judgement import Recipe
from ..progress import InterruptedRunError, Report, quiet
from .controls import control_accounts
from .dataset import curves_dataset, load, model_of, save, theory_dataset, trained_dataset

# Cells along each axis: more would take days.
MOST_CELLS = 1000
# Optimiser steps and first rate of Adam by default, for each size: with fewer steps fewer runs come to rest
# (docs/judgement.md).
TRAINING = {(2, 1): (3000, 5e-2), (3, 2): (10_000, 5e-2)}
# Ends of a grid out of a file, in whatever precision, that differ by this share are those of the usual ranges.
SAME_END = 1e-6
# Of a diagram in its folder, and of a training that was stopped.
DATASET_NAME, CHECKPOINT_NAME = "diagram.zarr", "training.npz"
# Attributes of a dataset that belong to its runs.
OF_RUNS = ("settings", "controls", "source")


@dataclass(frozen=True)
class DiagramSettings:
    """What a phase diagram is computed with; kept with it.

    Attributes:
        n_features: number of features n.
        n_hidden: number of hidden dimensions m.
        cells: cells along each axis.
        seeds: trained runs in each cell.
        steps: optimiser steps of each run; default those of `TRAINING`.
        batch_size: inputs for each step of the sampled objective.
        learning_rate: Adam's, at the first step, default that of `TRAINING`; it falls to 0 as a cosine.
        objective: "sampled", stratified by activity pattern with x = 0 added exactly; or "exact".
        device: "auto", "cpu" or "cuda".
        controls: whether runs that the account has to reject are trained beside them (`controls.py`).
        density: smallest and largest 1 − S of the grid, which is even in its logarithm.
        importance: smallest and largest importance of the last feature against the others, likewise.
    """

    n_features: int = 2
    n_hidden: int = 1
    cells: int = 28
    seeds: int = 8
    steps: int | None = None
    batch_size: int = 256
    learning_rate: float | None = None
    objective: str = "sampled"
    device: str = "auto"
    controls: bool = True
    density: tuple[float, float] = DENSITY_RANGE
    importance: tuple[float, float] = IMPORTANCE_RANGE

    def __post_init__(self) -> None:
        """Raise `ValueError` where no phase diagram comes out."""
        check_flag("controls", self.controls)
        check_superposition(self.n_features, self.n_hidden)
        published_candidates(self.n_features, self.n_hidden)
        check_choice("objective", self.objective, ("sampled", "exact"))
        resolve_device(self.device)
        steps, rate = TRAINING[self.n_features, self.n_hidden]
        for name, default in (("steps", steps), ("learning_rate", rate)):
            if getattr(self, name) is None:
                object.__setattr__(self, name, default)
        ranges = {"cells": (2, MOST_CELLS), "seeds": (1, MOST_SIZE), "steps": (0, MOST_STEPS)}
        for name, (least, most) in (ranges | {"batch_size": (1, MOST_SIZE)}).items():
            check_count(name, getattr(self, name), least, most)
            # Settings are kept as JSON, which has no numbers of NumPy's.
            object.__setattr__(self, name, int(getattr(self, name)))
        check_rate("learning_rate", self.learning_rate)
        for name in ("density", "importance"):
            low, high = check_range(name, getattr(self, name))
            object.__setattr__(self, name, (low, high))
            if not low < high:
                raise ValueError(f"{name} must run over a range low < high, got {low:g} to {high:g}")
        # What no model has is refused there.
        diagram_plane(self.n_features, self.n_hidden, self.density, self.importance)

    def to_plain(self) -> dict[str, Any]:
        """Return them as JSON takes them."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @property
    def recipe(self) -> Recipe:
        """How the runs are trained."""
        assert self.learning_rate is not None
        assert self.steps is not None
        return Recipe(
            learning_rate=self.learning_rate,
            steps=self.steps,
            batch_size=self.batch_size,
            objective=self.objective,
            optimisation=Optimisation(schedule="cosine"),
            sampling=Sampling("stratified", "exact") if self.objective == "sampled" else Sampling(),
        )


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
    whole = {"curve_density", "outcome", "verdict"} <= set(map(str, dataset))
    # Datasets of before there was a choice of ranges.
    ranges = {"density": list(DENSITY_RANGE), "importance": list(IMPORTANCE_RANGE)}
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
    density, importance = (np.geomspace(*ends, settings.cells) for ends in (settings.density, settings.importance))
    store = None if folder is None else folder / DATASET_NAME
    dataset = exact_part(
        density, importance, settings.n_features, settings.n_hidden, store=store, report=report, on_minima=on_minima
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
    density: NDArray[np.float64],
    importance: NDArray[np.float64],
    n_features: int,
    n_hidden: int,
    *,
    store: Path | None = None,
    report: Report = quiet,
    on_minima: Callable[[xr.Dataset], None] | None = None,
) -> xr.Dataset:
    """Return minima and boundaries of a grid, from `store` where they are there already.

    Args:
        density: grid of 1 − S, ascending.
        importance: grid of the last feature's importance against the others', ascending.
        n_features: number of features n.
        n_hidden: number of hidden dimensions m.
        store: where to keep them, and to look for them.
        report: called with the name of each stage.
        on_minima: called with the minima as soon as they are there.
    """
    dataset = None
    if store is not None and store.exists():
        dataset = load(store)
        same = (dataset.attrs["n_features"], dataset.attrs["n_hidden"]) == (n_features, n_hidden)
        if not (
            same and np.array_equal(dataset["density"], density) and np.array_equal(dataset["importance"], importance)
        ):
            dataset = None
    if dataset is None:
        report("exact minima", 0.0)
        dataset = theory_dataset(diagram_minima(density, importance, n_features=n_features, n_hidden=n_hidden))
        _keep(dataset, store)
    if on_minima is not None:
        on_minima(dataset)
    if "curve_density" not in dataset:
        report("exact boundaries", 0.0)
        seeds = _seeded(n_features, n_hidden, dataset["density"].values, dataset["importance"].values)
        dataset = merged(dataset, curves_dataset(phase_boundaries(seeds)))
        _keep(dataset, store)
    exact = dataset.drop_dims(["seed", "record"], errors="ignore")
    # What is said there of earlier runs isn't said of those to come.
    for name in OF_RUNS:
        exact.attrs.pop(name, None)
    return exact


def _seeded(
    n_features: int, n_hidden: int, density: NDArray[np.float64], importance: NDArray[np.float64]
) -> DiagramMinima:
    """Return minima that boundaries are traced from, over the usual ranges and those of a grid."""
    usual = (DENSITY_RANGE, IMPORTANCE_RANGE)
    ranges = [
        (
            low if axis[0] >= low * (1 - SAME_END) else float(axis[0]),
            high if axis[-1] <= high * (1 + SAME_END) else float(axis[-1]),
        )
        for (low, high), axis in zip(usual, (density, importance), strict=True)
    ]
    if tuple(ranges) == usual:
        return seed_diagram(n_features, n_hidden)
    return seed_diagram(n_features, n_hidden, plane=diagram_plane(n_features, n_hidden, *ranges))


def merged(dataset: xr.Dataset, more: xr.Dataset) -> xr.Dataset:
    """Return two parts of a phase diagram as one; attributes of the second win."""
    both = dataset.merge(more)
    both.attrs = dataset.attrs | more.attrs
    return both


def _keep(dataset: xr.Dataset, store: Path | None) -> None:
    if store is not None:
        save(dataset, store)
