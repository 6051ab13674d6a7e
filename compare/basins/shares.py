"""Which minimum seeds end in, and how often: basin shares of two features in one dimension, with intervals.

Every cell of a grid over density, relative importance and initial scale is filled with the same seeds, once along the
exact gradient flow and once by training on samples. Each run is polished on the exact loss and looked up among the
minima of its cell. docs/basins.md has the theory beside it, and what isn't explained.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from tegum.empirical.files import read_zarr_of, write_zarr
from tegum.empirical.runs import Optimisation, Session
from tegum.empirical.training import resolve_device, train
from tegum.theory.flow import gradient_flow
from tegum.theory.models import DENSITY_RANGE, IMPORTANCE_RANGE, diagram_plane
from tegum.theory.numerics import (
    MOST_SIZE,
    MOST_STEPS,
    check_broadcast,
    check_callable,
    check_count,
    check_kind,
    check_rate,
    numbers,
    reals,
)
from tegum.theory.storage import Destination, check_path

from ..diagrams import USUAL, exact_part, model_of, runs_dataset
from ..judgement import Recipe
from ..progress import InterruptedRunError, quiet

FORMAT, FIRST_FORMAT = "tegum basin shares 2", "tegum basin shares 1"
DATASET_NAME, MINIMA_NAME = "basins.zarr", "minima.zarr"
# How runs are trained.
OBJECTIVES = ("exact", "sampled")
# Ends that are none of the listed minima.
SADDLE, UNEXPLAINED, DIVERGED = "saddle", "unexplained", "diverged"
NOT_MINIMA = (SADDLE, UNEXPLAINED, DIVERGED)
BLOCK = ("objective", "initial_scale")
# Coordinates that are texts.
TEXTS = ("objective", "phase")
# What is kept of each run.
RUN_FIELDS = ("ended_in", "outcome", "verdict", "excess", "distance", "escapes", "polish_distance")
# Two-sided quantile of the normal law for 95 %.
QUANTILE = 1.959963984540054
# Cells of the plane, and runs in all of them at all scales: more would take months.
MOST_CELLS, MOST_RUNS = 1_000_000, 100_000_000
# Grid of the main job, along both axes of the plane.
CELLS = 13

Report = Callable[[str, float], None]


def _axis(ends: tuple[float, float]) -> tuple[float, ...]:
    # Rounded, so that equal importance is exactly 1.
    return tuple(float(f"{value:.12g}") for value in np.geomspace(*ends, CELLS))


@dataclass(frozen=True)
class BasinSettings:
    """What basin shares are measured with; kept with them.

    Attributes:
        density: values of 1 − S in (0, 1], ascending, at least two.
        importance: values of the second feature's importance against the first's, ascending, at least two.
        initial_scale: factors on Xavier's initial weights, ascending.
        seeds: runs in each cell, from seeds 0, 1, …
        steps: optimiser steps of a sampled run.
        batch_size: inputs for each of them.
        learning_rate: Adam's.
        device: of the sampled runs: "auto", "cpu" or "cuda".
    """

    density: Sequence[float] = _axis(DENSITY_RANGE)
    importance: Sequence[float] = _axis(IMPORTANCE_RANGE)
    initial_scale: Sequence[float] = (0.01, 0.1, 0.3, 1.0, 2.0)
    seeds: int = 64
    steps: int = 3000
    batch_size: int = 256
    learning_rate: float = 2e-3
    device: str = "auto"

    def __post_init__(self) -> None:
        """Raise `ValueError` where no shares come out."""
        for name, least in (("density", 2), ("importance", 2), ("initial_scale", 1)):
            values = numbers(name, getattr(self, name)).astype(np.float64)
            good = values.ndim == 1 and len(values) >= least and np.isfinite(values).all() and (values > 0).all()
            if not (good and (np.diff(values) > 0).all()):
                raise ValueError(
                    f"{name} must be at least {least} positive numbers in ascending order, got {getattr(self, name)!r}"
                )
            object.__setattr__(self, name, tuple(values.tolist()))
        if (cells := len(self.density) * len(self.importance)) > MOST_CELLS:
            raise ValueError(f"basin shares are of {MOST_CELLS:,} cells at most, got {cells:,}")
        if self.density[-1] > 1:
            raise ValueError(f"density must lie in (0, 1], got {self.density[-1]}")
        for name, most in (("seeds", MOST_SIZE), ("steps", MOST_STEPS), ("batch_size", MOST_SIZE)):
            check_count(name, getattr(self, name), 1, most)
            # Settings are kept as JSON, which has no numbers of NumPy's.
            object.__setattr__(self, name, int(getattr(self, name)))
        if (runs := cells * len(self.initial_scale) * self.seeds) > MOST_RUNS:
            raise ValueError(f"basin shares are of {MOST_RUNS:,} runs at most, got {runs:,}")
        object.__setattr__(self, "learning_rate", check_rate("learning_rate", self.learning_rate))
        resolve_device(self.device)


def wilson_interval(count: ArrayLike, total: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the 95 % confidence interval of a share by Wilson's score (1927, DOI 10.1080/01621459.1927.10502953).

    Args:
        count: how many of them, shape (...).
        total: of how many, at least 1, shape (...).

    Returns:
        Lower and upper ends, each shape (...).

    Raises:
        ValueError: if a count isn't between 0 and its total, or a total is below 1.

    Example:
        >>> low, high = wilson_interval(0, 10)
        >>> round(float(low), 4), round(float(high), 4)
        (0.0, 0.2775)
    """
    k, n = reals("count", count, least=0), reals("total", total, least=1)
    check_broadcast(count=k.shape, total=n.shape)
    k, n = np.broadcast_arrays(k, n)
    if not (k <= n).all():
        raise ValueError(f"counts must lie between 0 and their total, totals at 1 or more, got {count!r} of {total!r}")
    z = QUANTILE**2
    centre, half = (k + z / 2) / (n + z), QUANTILE / (n + z) * np.sqrt(k * (n - k) / n + z / 4)
    # Rounding doesn't take an end past 0 or 1.
    return np.where(k == 0, 0.0, np.maximum(centre - half, 0)), np.where(k == n, 1.0, np.minimum(centre + half, 1))


def basin_shares(
    settings: BasinSettings | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    report: Report = quiet,
) -> xr.Dataset:
    """Measure in which minimum seeds end, by density, importance and initial scale, for n = 2, m = 1.

    Objective "exact" is the limit of small steps: the gradient flow of the exact loss from the seed's initial weights,
    until it comes to rest. Objective "sampled" is training as in a phase diagram. A run whose polishing led through a
    saddle is entered as "saddle": the flow had come to rest where the loss attracts from one side of a kink. A run
    that matches no listed minimum is "unexplained", one whose parameters aren't finite "diverged".

    Args:
        settings: grid, seeds and training; default those of the main job.
        out: folder to keep the dataset in, which one process writes at a time, after each block of one objective and
            one initial scale. The same call goes on with what it finds there.
        report: called with the name of each stage and the share of it that is done.

    Returns:
        Variables `count`, `share`, `share_low`, `share_high` (Wilson, 95 %) by objective, initial_scale, density,
        importance and phase; `listed`, whether a phase is a minimum of a cell; each run's `ending` (index of its
        phase), `ended_in` (of its minimum, −1 for none), `outcome`, `escapes` and `polish_distance`, and by its own
        weights `verdict`, `excess` and `distance`; the minima and
        boundary curves as in docs/dataset.md.

    Raises:
        ValueError: if `out` holds shares of other settings or something else, or another process is writing it.
        OSError: if `out` can't be written to. If it is a `MovedError`, what was computed so far is elsewhere.
        InterruptedRunError: if it was stopped with Ctrl-C; the same call goes on from there.
    """
    if out is not None:
        check_path("out", out)
    check_callable("report", report, 2)
    settings = BasinSettings() if settings is None else settings
    check_kind("settings", settings, BasinSettings)
    if out is None:
        return _measured(settings, None, report)
    checkpoints = [_checkpoint_name(scale) for scale in range(len(settings.initial_scale))]
    with Destination(out, (DATASET_NAME, MINIMA_NAME, *checkpoints)):
        return _measured(settings, Path(out), report)


def _measured(settings: BasinSettings, folder: Path | None, report: Report) -> xr.Dataset:
    """Measure what isn't in a folder yet."""
    dataset = _begun(settings, folder, report)
    blocks = [(o, s) for o in range(len(OBJECTIVES)) for s in range(len(settings.initial_scale))]
    for done, (objective, scale) in enumerate(blocks):
        checkpoint = None if folder is None else folder / _checkpoint_name(scale)
        if not dataset["done"].values[objective, scale]:
            report(OBJECTIVES[objective], done % len(settings.initial_scale) / len(settings.initial_scale))
            try:
                runs = _runs(dataset, settings, (objective, scale), checkpoint)
            except KeyboardInterrupt:
                raise InterruptedRunError("" if folder is None else f"what was measured is in {folder}") from None
            _enter(dataset, (objective, scale), runs)
            if folder is not None:
                _save(dataset, folder / DATASET_NAME)
        if checkpoint is not None and OBJECTIVES[objective] == "sampled":
            # The runs are safe.
            checkpoint.unlink(missing_ok=True)
    return dataset


def _checkpoint_name(scale: int) -> str:
    """Return the name of what is kept of training at one initial scale until its runs are written."""
    return f"training-{scale}.npz"


def _save(dataset: xr.Dataset, path: Path) -> None:
    # Zarr has no settled format for arrays of texts.
    texts = {name: dataset[name].values.tolist() for name in TEXTS}
    plain = dataset.drop_vars(TEXTS)
    plain.attrs = dataset.attrs | {"texts": texts}
    write_zarr(plain, path)


def load_basins(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read basin shares that `basin_shares` has written.

    Raises:
        ValueError: if there are none, they can't be read, or it is something else.
    """
    check_path("path", path)
    dataset = read_zarr_of(path, "basin shares", FORMAT, FIRST_FORMAT)
    return dataset.assign_coords(dataset.attrs.pop("texts"))


def _begun(settings: BasinSettings, folder: Path | None, report: Report) -> xr.Dataset:
    """Return the dataset in `folder` if it has these settings, else a new one without runs."""
    written = _written(settings)
    if folder is not None and (folder / DATASET_NAME).exists():
        dataset = load_basins(folder / DATASET_NAME)
        if dataset.attrs["settings"] != written:
            found = dataset.attrs["settings"]
            raise ValueError(f"{folder / DATASET_NAME} holds shares with the settings {found}, expected {written}")
        return dataset
    store = None if folder is None else folder / MINIMA_NAME
    density, importance = np.array(settings.density), np.array(settings.importance)
    ends = ((float(axis[0]), float(axis[-1])) for axis in (density, importance))
    plane = diagram_plane(2, 1, *ends)
    theory = exact_part(plane, density, importance, store=store, report=report)
    codes, names = theory["minimum_phase"].values, theory.attrs["phases"]
    present = [code for code in range(len(names)) if (codes == code).any()]
    phases = [*(names[code] for code in present), *NOT_MINIMA]
    listed = np.zeros((*codes.shape[:2], len(phases)), dtype=bool)
    listed[..., : len(present)] = (codes[..., None] == present).any(axis=2)
    shape = (len(OBJECTIVES), len(settings.initial_scale), *codes.shape[:2])
    dataset = theory.assign_coords(
        objective=list(OBJECTIVES),
        initial_scale=np.array(settings.initial_scale),
        seed=np.arange(settings.seeds),
        phase=phases,
    )
    dataset["listed"] = (("density", "importance", "phase"), listed)
    dataset["done"] = (BLOCK, np.zeros(shape[:2], dtype=bool))
    for name, kind, fill in (
        ("ending", np.int16, -1),
        ("ended_in", np.int16, -1),
        ("outcome", np.int8, -1),
        ("verdict", np.int8, -1),
        ("excess", np.float64, np.nan),
        ("distance", np.float64, np.nan),
        ("escapes", np.int64, 0),
        ("polish_distance", np.float64, np.nan),
    ):
        dataset[name] = ((*BLOCK, *USUAL, "seed"), np.full((*shape, settings.seeds), fill, dtype=kind))
    dataset["count"] = ((*BLOCK, *USUAL, "phase"), np.zeros((*shape, len(phases)), dtype=np.int64))
    for name in ("share", "share_low", "share_high"):
        dataset[name] = ((*BLOCK, *USUAL, "phase"), np.full((*shape, len(phases)), np.nan))
    dataset.attrs |= {"format": FORMAT, "settings": written}
    return dataset


def _written(settings: BasinSettings) -> dict[str, Any]:
    """Return settings as they are read back from a file."""
    return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(settings).items()}


def _runs(dataset: xr.Dataset, settings: BasinSettings, block: tuple[int, int], checkpoint: Path | None) -> xr.Dataset:
    """Return the runs of one objective at one initial scale, polished and looked up."""
    model, seeds = model_of(dataset), settings.seeds
    begun = Optimisation(initial_scale=settings.initial_scale[block[1]])
    if OBJECTIVES[block[0]] == "exact":
        begin = train(model, seeds=seeds, objective="exact", steps=0, optimisation=begun, device="cpu")
        shape = begin.loss.shape
        flat = model.take(tuple(index.ravel() for index in np.indices(shape)[:2]))
        flow = gradient_flow(flat, begin.weights.reshape(-1, 1, 2), begin.bias.reshape(-1, 2))
        ends = (flow.weights.reshape(*shape, 1, 2), flow.bias.reshape(*shape, 2), flow.loss.reshape(shape))
        return runs_dataset(dataset, *ends, begin.seeds, Recipe(1.0, 0, 1, objective="exact"))
    trained = train(
        model,
        seeds=seeds,
        steps=settings.steps,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        optimisation=begun,
        device=settings.device,
        session=Session(checkpoint, keep=True),
    )
    if trained.status != "finished":
        raise InterruptedRunError(trained.reason)
    recipe = Recipe(settings.learning_rate, settings.steps, settings.batch_size, optimisation=begun)
    return runs_dataset(dataset, trained.weights, trained.bias, trained.loss, trained.seeds, recipe)


def _enter(dataset: xr.Dataset, block: tuple[int, int], runs: xr.Dataset) -> None:
    """Write runs and their counts into the dataset, in place."""
    phases = dataset["phase"].values.tolist()
    ended, escapes = runs["ended_in"].values, runs["escapes"].values
    # Number of the phase of each minimum of each cell; the last column is that of no minimum.
    names = np.array([phases.index(name) if name in phases else -1 for name in dataset.attrs["phases"]])
    ending = names[np.take_along_axis(dataset["minimum_phase"].values, np.maximum(ended, 0), axis=-1)]
    ending = np.where(escapes > 0, phases.index(SADDLE), ending)
    ending = np.where(ended < 0, phases.index(UNEXPLAINED), ending)
    ending = np.where(np.isfinite(runs["trained_loss"].values), ending, phases.index(DIVERGED))
    count = (ending[..., None] == np.arange(len(phases))).sum(axis=-2)
    total = ending.shape[-1]
    low, high = wilson_interval(count, total)
    entries = {"ending": ending, "count": count, "share": count / total, "share_low": low, "share_high": high}
    entries |= {name: runs[name].values for name in RUN_FIELDS}
    for name, values in (entries | {"done": True}).items():
        dataset[name].values[block] = values
