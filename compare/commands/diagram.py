"""`tegum diagram`: a phase diagram of ours, of somebody's weights or of a table of cells, drawn and accounted for."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..terminal import (
    Full,
    Json,
    ModelOptions,
    Stages,
    by_effort,
    complain,
    either,
    goes_without,
    in_time,
    ranged,
    single,
    takes_only,
    varies,
    with_groups,
)
from .boundary import DENSITY, check_varying
from .drawn import (
    COVERED,
    ReadingOptions,
    TableOptions,
    keeping_store,
    names_of,
    show,
    show_dataset,
    show_table,
    show_weights,
)

if TYPE_CHECKING:
    import xarray as xr

    from tegum.theory.models import ToyModel

    from ..diagrams import DiagramSettings

# Cells along each axis and runs in each, by default; of more than two features with --full.
CELLS, SEEDS = 28, 8
FEW_CELLS, FEW_SEEDS = 12, 4
# Features of which boundaries are traced with --full, and located between cells without.
TRACED = 3
# What varies along the axes unless others are asked for, and which options say so.
USUAL = {"density": "--x density=LOW:HIGH is its range", "importance": "--y importance=LOW:HIGH is its range"}
X, Y = "density=0.01:1", "importance=0.1:10"


@dataclass(frozen=True)
class GridOptions:
    """What is computed and trained."""

    x: Annotated[
        str | None,
        typer.Option(
            "--x",
            help="First parameter and its range, as NAME=LOW:HIGH, with :log or :linear behind it if need be; names as "
            f"of tegum boundary. Default {X}.",
        ),
    ] = None
    y: Annotated[
        str | None,
        typer.Option("--y", help=f"Second parameter, likewise; {Y} is that of the last feature. Default {Y}."),
    ] = None
    cells: Annotated[
        int | None,
        typer.Option(
            help=f"Cells along each axis; default {CELLS}, of more than two features {either(FEW_CELLS, CELLS)}."
        ),
    ] = None
    seeds: Annotated[
        int | None,
        typer.Option(
            help=f"Trained runs in each cell; default {SEEDS}, of more than two features {either(FEW_SEEDS, SEEDS)}."
        ),
    ] = None
    steps: Annotated[
        int | None, typer.Option(help="Optimiser steps of each run; default 3000, from 3 features on 10000.")
    ] = None
    batch: Annotated[int, typer.Option(help="Inputs per step of the sampled objective.")] = 256
    objective: Annotated[str, typer.Option(help="Train on 'sampled' inputs or on the 'exact' loss.")] = "sampled"
    device: Annotated[str, typer.Option(help="'auto', 'cpu' or 'cuda'.")] = "auto"
    controls: Annotated[
        bool, typer.Option(help="Train runs beside them that the account has to reject: untrained, wrong models.")
    ] = True
    full: Full = False

    def settings(self, problem: ModelOptions) -> DiagramSettings:
        """Return them as `phase_diagram` takes them.

        Args:
            problem: what options say of the models.

        Raises:
            ValueError: if one is out of range, or says what varies.
        """
        from ..diagrams import DiagramSettings

        axes = ranged("--x", self.x or X), ranged("--y", self.y or Y)
        model, over = _plane(problem, axes)
        large = model.n_features > 2
        if not large:
            goes_without("a diagram of two features, which has no larger defaults,", ("full",))
        return DiagramSettings(
            n_features=model.n_features,
            n_hidden=model.n_hidden,
            cells=by_effort(self.cells, FEW_CELLS if large else CELLS, CELLS, full=self.full),
            seeds=by_effort(self.seeds, FEW_SEEDS if large else SEEDS, SEEDS, full=self.full),
            steps=self.steps,
            batch_size=self.batch,
            objective=self.objective,
            device=self.device,
            controls=self.controls,
            traced=True if self.full and model.n_features == TRACED else None,
            **over,
        )


def _plane(problem: ModelOptions, axes: tuple[tuple[Any, ...], tuple[Any, ...]]) -> tuple[ToyModel, dict[str, Any]]:
    """Return the model of any cell, and what settings say of the plane.

    Raises:
        ValueError: if the model that is meant is none of a phase diagram, or an option says what varies.
    """
    from tegum.theory.models import Plane

    names = [axis[0] for axis in axes]
    if names == list(USUAL):
        varies("a phase diagram", USUAL)
        model = single(problem.over(otherwise={"features": {"density": 1.0}}), COVERED.what)
        logarithmic = all(axis[3:] in ((), ("log",)) for axis in axes)
        if logarithmic and COVERED.covers(model):
            return model, {name: axis[1:3] for name, axis in zip(names, axes, strict=True)}
    else:
        model = single(problem.over(otherwise={"features": {"density": DENSITY}}), COVERED.what)
        check_varying(set(names), model.n_features)
    over = {"x": axes[0], "y": axes[1], "model": model}
    _ = Plane.of(model, x=axes[0], y=axes[1])
    return model, over


TABLE_WORDS, READING_WORDS, MODEL_WORDS = (
    tuple(field.name for field in fields(kind)) for kind in (TableOptions, ReadingOptions, ModelOptions)
)


def _asked(problem: ModelOptions) -> ToyModel:
    """Return the model of any cell of a published diagram, whose density and importance are none in particular.

    Raises:
        ValueError: if the model that is meant is none of a phase diagram, or an option says what varies.
    """
    varies("a phase diagram", USUAL)
    return COVERED.check(problem.over(otherwise={"features": {"density": 1.0}}))


@with_groups
def diagram(
    problem: ModelOptions,
    grid: GridOptions,
    out: Annotated[Path, typer.Option(help="Folder for dataset, figure and ledger.")] = Path("out"),
    drawn: Annotated[
        Path | None,
        typer.Option("--from", help="Draw this instead: a dataset, weights or a table of cells (docs/foreign.md)."),
    ] = None,
    *,
    reading: ReadingOptions,
    table: TableOptions,
    as_json: Json = False,
) -> None:
    """Compute and draw a phase diagram: published candidates, exact minima, trained models, and every run's account."""
    if drawn is None:
        goes_without("a diagram that is trained", (*TABLE_WORDS, *READING_WORDS))
        if grid.objective == "exact":
            goes_without("--objective exact", ("batch",))
        _show_computed(problem, grid, out, as_json=as_json)
        return
    from ..foreign import kind_of_file

    kind = kind_of_file(drawn)
    if kind == "table":
        takes_only("--from with a table of cells", ("drawn", "out", "cells", *MODEL_WORDS, *TABLE_WORDS))
        most = CELLS if grid.cells is None else grid.cells
        show_table(drawn, _asked(problem), out, most, table, as_json=as_json)
    elif kind == "weights":
        takes_only("--from with weights", ("drawn", "out", *MODEL_WORDS, *READING_WORDS))
        show_weights(drawn, problem, reading, out, as_json=as_json)
    else:
        takes_only("--from with a dataset", ("drawn", "out", *MODEL_WORDS))
        show_dataset(drawn, problem, out, as_json=as_json)


def _show_computed(problem: ModelOptions, grid: GridOptions, out: Path, *, as_json: bool) -> None:
    """Compute a phase diagram and show it."""
    from tegum.theory.storage import Destination

    from ..diagrams import DATASET_NAME, OTHERS, TRAINING, phase_diagram

    settings, kept = grid.settings(problem), out / DATASET_NAME
    least, steps = TRAINING.get((settings.n_features, settings.n_hidden), OTHERS)[0], settings.recipe.steps
    if steps < least:
        complain(f"warning: in {steps} steps, fewer than {least}, many runs don't come to rest")
    with Destination(out, (DATASET_NAME, *names_of("diagram"))), keeping_store(kept):
        with Stages() as stages:
            cells = f"{settings.cells} x {settings.cells} cells"
            stages.announce(
                f"Exact minima and boundaries of {cells}, and {settings.seeds} runs of {steps:,} steps in each"
                f"{in_time('features', 'hidden', 'x', 'y') if settings.n_features == 2 else ''}"
            )
            dataset = phase_diagram(
                settings, out=out, report=stages.report, on_minima=lambda exact: stages.first(_cheapest(exact))
            )
        show(dataset, out, kept=kept, as_json=as_json)


def _cheapest(dataset: xr.Dataset) -> str:
    """Return in a line what theory alone says of a diagram."""
    from collections import Counter

    from ..diagrams import cheapest_phases

    phases = Counter(cheapest_phases(dataset).ravel().tolist())
    shares = (f"{phase} in {count / phases.total():.1%}" for phase, count in phases.most_common())
    return f"the cheapest minimum is {', '.join(shares)} of the cells"
