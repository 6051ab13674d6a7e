"""Sweeps: grids of trainings as one labelled dataset on disk that outlives whoever computes it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from tegum.theory.models import PENALTIES
from tegum.theory.numerics import Summarised, check_callable, check_count, check_flag
from tegum.theory.storage import check_path

from ..training import train
from .grid import Grid, LawOfDensity, make_grid
from .rounds import Rounds, SweepBar
from .settings import check_same, grouped, settings_of, stored_options, training_options
from .store import VARIABLES, Store
from .workers import check_executor, check_main_process


@dataclass(frozen=True, eq=False)
class Sweep(Summarised):
    """A sweep's dataset, and how far it is.

    Attributes:
        dataset: dimensions are the axes that vary, always with "seed", and "hidden" and "feature". Variables are
            weights, bias, loss (exact), steps, done, and whatever else training reports on each model. Read from disk
            when it is used.
        status: "finished" or "interrupted"; "unfinished" if it was only read.
        reason: what the status rests on.
        models: how many models there are, each seed counted.
        models_done: how many of them are trained and saved.
        units: how many units of work they are cut into.
        trained: how many units this call has trained.
        damaged: numbers of units that were marked as done but didn't fit their checksums. A call that trains has
            trained them again.
    """

    dataset: xr.Dataset
    status: str
    reason: str
    models: int
    models_done: int
    units: int
    trained: int
    damaged: tuple[int, ...]


def sweep(
    path: str | os.PathLike[str],
    *,
    density: ArrayLike,
    n_features: ArrayLike,
    n_hidden: ArrayLike,
    relative_importance: ArrayLike = 1.0,
    interference_penalty: ArrayLike = 0.0,
    weight_penalty: ArrayLike = 0.0,
    activation_penalty: ArrayLike = 0.0,
    law: LawOfDensity | Mapping[str, LawOfDensity] | None = None,
    seeds: ArrayLike = 8,
    executor: Any = None,
    workers: int | None = None,
    chunk: int | Mapping[str, int] | None = None,
    resume: bool = True,
    progress: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Sweep:
    """Train a grid of models into a dataset on disk, or go on with one that was begun.

    Every axis is a number or a one-dimensional sequence; a sequence makes a dimension of the dataset. The same call
    goes on with what it finds: what is finished is checked against its checksums and not trained again, whatever ended
    the process before. Results don't depend on workers, chunks, or interruptions. Several processes may make the same
    call at once and share the work. docs/sweeps.md says what is guaranteed, and how.

    Args:
        path: folder of the dataset, a zarr store.
        density: axis of 1 − S in (0, 1].
        n_features: axis of numbers of features n.
        n_hidden: axis of numbers of hidden dimensions m.
        relative_importance: axis of r > 0; importances are (1, …, 1, r).
        interference_penalty: axis of λ_I ≥ 0, as in `ToyModel`.
        weight_penalty: axis of λ_W ≥ 0. Adam's decay of weights belongs to the option `optimisation`.
        activation_penalty: axis of λ_A ≥ 0.
        law: function of densities, shape (models, 1), that returns the input law of so many models, such as
            `IndependentFeatures`, the default; or such functions by name, which makes it an axis.
        seeds: number of seeds, or an axis of seeds.
        executor: a `concurrent.futures.Executor` or a `dask.distributed.Client`; default processes of its own.
            Workers send results back to this process, which writes them.
        workers: number of processes, default one for each core, or one for a GPU; 1 trains in this process. With an
            `executor`, for how many of its workers units are kept in flight.
        chunk: models in a unit of work, or values that a unit has along axes (it takes all values of those that aren't
            named); default what memory and training are comfortable with.
        resume: whether to go on with a dataset that exists; otherwise that is an error.
        progress: whether to show a progress bar on standard error.
        on_progress: called now and then with the models done and to be done, each seed counted.
        **options: options of `train`, the same for all models: `steps`, `batch_size`, `learning_rate`, `objective`,
            `architecture`, `device`, `optimisation`, `sampling`.

    Returns:
        The dataset, and how far it is. Ctrl-C ends a sweep early, with status "interrupted".

    Raises:
        ValueError: if an argument is out of range, the folder holds something else, or it holds a sweep with other
            settings. Nothing is changed then.
        OSError: if a result can't be written. What was written before is saved.
        RuntimeError: if a unit's worker died each time that it was tried. All others are saved.

    Example:
        >>> import tempfile
        >>> from tegum.empirical import sweep
        >>> path = tempfile.mkdtemp() + "/sweep.zarr"
        >>> run = sweep(path, density=[0.1, 0.3], n_features=3, n_hidden=[1, 2], seeds=4, steps=8, batch_size=32)
        >>> run.status, dict(run.dataset["weights"].sizes)
        ('finished', {'n_hidden': 2, 'density': 2, 'seed': 4, 'hidden': 2, 'feature': 3})
    """
    check_path("path", path, new=True)
    check_flag("resume", resume)
    check_flag("progress", progress)
    check_callable("on_progress", on_progress, 2, optional=True)
    where = Path(path)
    check_main_process()
    check_executor(executor)
    if workers is not None:
        check_count("workers", workers)
    axes = {
        "n_features": n_features,
        "n_hidden": n_hidden,
        "density": density,
        "importance": relative_importance,
        "interference_penalty": interference_penalty,
        "weight_penalty": weight_penalty,
        "activation_penalty": activation_penalty,
        "seed": seeds,
    }
    grid = make_grid(axes, law, chunk)
    chosen, named = training_options(options, elsewhere=executor is not None)
    reported = _rehearse(grid, grouped(chosen))
    asked = settings_of(grid, chosen, named, [name for name in VARIABLES if name in reported])
    begun = where.exists() and not (where.is_dir() and not any(where.iterdir()))
    if begun and not resume:
        raise ValueError(f"expected a new folder with resume=False, but {where} exists; a sweep never replaces one")
    if not begun:
        Store.create(where, grid, asked)
    store = Store.open(where)
    check_same(store.settings, asked, chunk, where)
    missing = sorted(set(store.settings["variables"]) - reported)
    if missing:
        raise ValueError(f"{where} has variables that training here doesn't report: {', '.join(missing)}")
    chosen = stored_options(store.settings, chosen, named, where)
    rounds = Rounds(store, replace(store.grid, laws=grid.laws), grouped(chosen))
    with SweepBar(progress, rounds) as bar:

        def report() -> None:
            bar.show()
            if on_progress is not None:
                on_progress(int(rounds.models_now), rounds.models)

        finished = rounds.run(executor, workers, report)
    return Sweep(
        dataset=store.dataset(),
        status="finished" if finished else "interrupted",
        reason=f"{rounds.progress()}{_damage(rounds.damaged, 'trained again')}",
        models=rounds.models,
        models_done=rounds.models_done,
        units=rounds.units,
        trained=rounds.trained,
        damaged=tuple(rounds.damaged),
    )


def read_sweep(path: str | os.PathLike[str]) -> Sweep:
    """Read a sweep, finished or not, and check what is finished against its checksums.

    `xarray.open_zarr(path)` reads it without checking anything. Here `done` says of every model whether its unit is
    finished and fits its checksums; where it is false, what stands there is unfinished or damaged.

    Args:
        path: folder of the dataset.

    Returns:
        The dataset, with status "finished" or "unfinished". `damaged` holds the units that don't fit their checksums.

    Raises:
        ValueError: if there is none, its metadata are damaged, or it is something else.
    """
    check_path("path", path)
    store = Store.open(Path(path))
    units, done, models_done = 0, 0, 0
    rest, damaged = [], []
    for unit in store.grid.units():
        state, units = store.state(unit), units + 1
        if state == "done":
            done, models_done = done + 1, models_done + store.grid.size(unit)
            continue
        rest.append(unit)
        if state == "damaged":
            damaged.append(unit.number)
    return Sweep(
        dataset=store.dataset(rest),
        status="finished" if done == units else "unfinished",
        reason=f"{done} of {units} units are done{_damage(damaged, 'found')}",
        models=store.grid.models,
        models_done=models_done,
        units=units,
        trained=0,
        damaged=tuple(damaged),
    )


def _damage(units: tuple[int, ...] | list[int], what: str) -> str:
    return f"; units that didn't fit their checksums, {what}: {', '.join(map(str, units))}" if units else ""


def _rehearse(grid: Grid, options: Mapping[str, Any]) -> set[str]:
    """Train a few models of each kind for no step, so that `train` refuses what it will refuse before anything is made.

    Returns:
        What training reports.

    Raises:
        ValueError: if a value is out of range, or training can't be done with these options.
    """
    steps = options["steps"]
    brief = dict(options) | {"device": "cpu"}
    if isinstance(steps, (int, np.integer)) and steps > 0:
        brief["steps"] = 0
    reported: set[str] = set()
    for model in grid.samples():
        penalties = [getattr(model, name) for name in PENALTIES]
        rows = sorted({0, model.batch_shape[0] - 1, *(int(penalty.argmax()) for penalty in penalties)})
        trained = train(model.take(np.array(rows)), seeds=[grid.values["seed"][0]], **brief)
        reported |= {field.name for field in fields(trained) if getattr(trained, field.name) is not None}
    return reported
