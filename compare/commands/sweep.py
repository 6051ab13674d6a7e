"""The command `tegum sweep`. Heavy imports wait until it runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import (
    COUNTED,
    FAILED,
    INTERRUPTED,
    WHOLE_GRID,
    AmplitudeWords,
    Group,
    Json,
    Law,
    Seeds,
    law_maker,
    whole_numbers,
    with_training_options,
)

if TYPE_CHECKING:
    from tegum.empirical.sweeps import Sweep

GRID = "a number, a list as 0.1,0.3, or LOW:HIGH:COUNT, evenly spaced in the logarithm"


@with_training_options
def sweep(
    density: Annotated[str, typer.Option(help=f"Axis of the feature density 1-S: {GRID}.")],
    out: Annotated[Path, typer.Option(help="Folder of the dataset; one that was begun is gone on with.")],
    importance: Annotated[
        str, typer.Option(help=f"Axis of the last feature's importance against the others: {GRID}.")
    ] = "1",
    features: Annotated[str, typer.Option(help=f"Axis of the number of features n: {WHOLE_GRID}.")] = "2",
    hidden: Annotated[str, typer.Option(help=f"Axis of the number of hidden dimensions m: {WHOLE_GRID}.")] = "1",
    law: Law = "independent",
    group: Group = None,
    amplitude: AmplitudeWords = "uniform",
    interference_penalty: Annotated[
        str, typer.Option(help=f"Axis of the penalty on squared overlaps, part of the loss: {GRID}.")
    ] = "0",
    weight_penalty: Annotated[
        str, typer.Option(help=f"Axis of the penalty on squared weights, part of the loss: {GRID}.")
    ] = "0",
    activation_penalty: Annotated[
        str, typer.Option(help=f"Axis of the penalty on hidden activations, part of the loss: {GRID}.")
    ] = "0",
    seeds: Seeds = "8",
    workers: Annotated[int | None, typer.Option(help="Processes; default one for each core.")] = None,
    as_json: Json = False,
    *,
    options: dict[str, Any],
) -> None:
    """Train a grid of models into a labelled dataset on disk that survives interruptions."""
    axes: dict[str, Any] = {
        "density": numbers("density", density),
        "relative_importance": numbers("importance", importance),
        "n_features": whole_numbers("features", features),
        "n_hidden": whole_numbers("hidden", hidden),
        "interference_penalty": numbers("interference-penalty", interference_penalty),
        "weight_decay": numbers("weight-penalty", weight_penalty),
        "activation_penalty": numbers("activation-penalty", activation_penalty),
        "seeds": whole_numbers("seeds", seeds),
    }
    if law in COUNTED:
        raise ValueError(f"--law {law} sets how many features are on, and has no axis of densities: see tegum train")
    if law != "independent" or amplitude != "uniform":
        sizes = axes["n_features"]
        axes["law"] = law_maker(law, group, amplitude, min(sizes, default=0) if isinstance(sizes, list) else sizes)
    if "weight_decay" in options:
        # A sweep knows the penalty by that name.
        options["decoupled_weight_decay"] = options.pop("weight_decay")
    from tegum.empirical.sweeps import sweep as run_sweep

    try:
        run = run_sweep(
            out,
            **axes,
            **options,
            workers=workers,
            progress=True,
        )
    except (RuntimeError, MemoryError) as error:
        sys.stderr.write("tegum: " + " ".join("; ".join([str(error), *getattr(error, "__notes__", [])]).split()) + "\n")
        raise typer.Exit(FAILED) from None
    if run.status == "interrupted":
        sys.stderr.write(f"tegum: interrupted: {run.reason}; the same command goes on from there\n")
        raise typer.Exit(INTERRUPTED)
    if as_json:
        sys.stdout.write(json.dumps(_summary(run, out), indent=2) + "\n")
        return
    sys.stdout.write(f"{run.reason}: {run.models} models in {out}, dimensions {_dimensions(run)}.\n")


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


def numbers(name: str, text: str) -> float | list[float]:
    """Return the values that a text stands for; one alone is no dimension.

    Raises:
        ValueError: if it stands for none.
    """
    from numpy import geomspace

    try:
        if ":" in text:
            low, high, count = text.split(":")
            ends = float(low), float(high)
            if not (min(ends) > 0 and max(ends) < float("inf")):
                raise ValueError
            return [float(value) for value in geomspace(*ends, int(count))]
        values = [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"--{name} must be {GRID}, got {text!r}") from None
    return values if "," in text else values[0]
