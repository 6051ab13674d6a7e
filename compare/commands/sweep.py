"""`tegum sweep`: a grid of models, trained into a labelled dataset on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..terminal import (
    COUNTED,
    FAILED,
    GRID,
    WHOLE_GRID,
    Json,
    LawOptions,
    Seeds,
    TrainingOptions,
    complain,
    numbers,
    print_json,
    say,
    whole_numbers,
    with_groups,
)

if TYPE_CHECKING:
    from tegum.empirical.sweeps import Sweep


@dataclass(frozen=True)
class AxisOptions:
    """The axes of the grid, but for the seeds."""

    density: Annotated[str, typer.Option(help=f"Axis of the feature density 1-S: {GRID}.")]
    importance: Annotated[
        str, typer.Option(help=f"Axis of the last feature's importance against the others: {GRID}.")
    ] = "1"
    features: Annotated[str, typer.Option(help=f"Axis of the number of features n: {WHOLE_GRID}.")] = "2"
    hidden: Annotated[str, typer.Option(help=f"Axis of the number of hidden dimensions m: {WHOLE_GRID}.")] = "1"
    interference_penalty: Annotated[
        str, typer.Option(help=f"Axis of the penalty on squared overlaps, part of the loss: {GRID}.")
    ] = "0"
    weight_penalty: Annotated[
        str, typer.Option(help=f"Axis of the penalty on squared weights, part of the loss: {GRID}.")
    ] = "0"
    activation_penalty: Annotated[
        str, typer.Option(help=f"Axis of the penalty on hidden activations, part of the loss: {GRID}.")
    ] = "0"

    def arguments(self) -> dict[str, Any]:
        """Return them as `sweep` takes them.

        Raises:
            ValueError: if one can't be read.
        """
        return {
            "density": numbers("density", self.density),
            "relative_importance": numbers("importance", self.importance),
            "n_features": whole_numbers("features", self.features),
            "n_hidden": whole_numbers("hidden", self.hidden),
            "interference_penalty": numbers("interference-penalty", self.interference_penalty),
            "weight_penalty": numbers("weight-penalty", self.weight_penalty),
            "activation_penalty": numbers("activation-penalty", self.activation_penalty),
        }


@with_groups
def sweep(
    axes: AxisOptions,
    out: Annotated[Path, typer.Option(help="Folder of the dataset; one that was begun is gone on with.")],
    law: LawOptions,
    seeds: Seeds = "8",
    workers: Annotated[int | None, typer.Option(help="Processes; default one for each core.")] = None,
    as_json: Json = False,
    *,
    training: TrainingOptions,
) -> None:
    """Train a grid of models into a labelled dataset on disk that survives interruptions."""
    if out.name in ("", ".."):
        raise ValueError(f"--out must name the folder of a dataset, got {str(out)!r}: choose another place")
    given = axes.arguments() | {"seeds": whole_numbers("seeds", seeds)}
    if law.law in COUNTED:
        raise ValueError(
            f"--law {law.law} sets how many features are on, and has no axis of densities: see tegum train"
        )
    if law != LawOptions():
        sizes = given["n_features"]
        given["law"] = law.maker(min(sizes, default=0) if isinstance(sizes, list) else sizes)
    from tegum.empirical.sweeps import sweep

    from ..progress import InterruptedRunError

    try:
        run = sweep(out, **given, **training.arguments(), workers=workers, progress=True)
    except (RuntimeError, MemoryError) as error:
        complain("; ".join([str(error), *getattr(error, "__notes__", [])]))
        raise typer.Exit(FAILED) from None
    if run.status == "interrupted":
        raise InterruptedRunError(run.reason)
    if as_json:
        print_json(_summary(run, out))
        return
    say(f"{run.reason}: {run.models} models in {out}, dimensions {_dimensions(run)}.")


def _summary(run: Sweep, out: Path) -> dict[str, Any]:
    return {
        "path": str(out),
        "status": run.status,
        "reason": run.reason,
        "models": run.models,
        "units": run.units,
        "trained_units": run.trained,
        "damaged_units": list(run.damaged),
        "dimensions": {str(name): size for name, size in run.dataset.sizes.items()},
    }


def _dimensions(run: Sweep) -> str:
    return ", ".join(f"{name} {size}" for name, size in run.dataset["weights"].sizes.items())
