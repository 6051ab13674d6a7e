"""The command `tegum sweep`. Heavy imports wait until it runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from tegum.empirical import Sweep

GRID = "a number, a list as 0.1,0.3, or LOW:HIGH:COUNT, evenly spaced in the logarithm"
WHOLE_GRID = "a number, a list as 2,3,5, or LOW:HIGH for all in between"
FAILED, INTERRUPTED = 1, 130


def sweep(
    density: Annotated[str, typer.Option(help=f"Axis of the feature density 1-S: {GRID}.")],
    out: Annotated[Path, typer.Option(help="Folder of the dataset; one that was begun is gone on with.")],
    importance: Annotated[
        str, typer.Option(help=f"Axis of the last feature's importance against the others: {GRID}.")
    ] = "1",
    features: Annotated[str, typer.Option(help=f"Axis of the number of features n: {WHOLE_GRID}.")] = "2",
    hidden: Annotated[str, typer.Option(help=f"Axis of the number of hidden dimensions m: {WHOLE_GRID}.")] = "1",
    seeds: Annotated[str, typer.Option(help="Number of seeds, or a list of them.")] = "8",
    steps: Annotated[int, typer.Option(help="Optimiser steps of each run.")] = 4000,
    batch: Annotated[int, typer.Option(help="Inputs per step of the sampled objective.")] = 1024,
    objective: Annotated[str, typer.Option(help="Train on 'sampled' inputs or on the 'exact' loss.")] = "sampled",
    device: Annotated[str, typer.Option(help="'auto', 'cpu' or 'cuda'.")] = "auto",
    workers: Annotated[int | None, typer.Option(help="Processes; default one for each core.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Train a grid of models into a labelled dataset on disk that survives interruptions."""
    axes: dict[str, Any] = {
        "density": numbers("density", density),
        "relative_importance": numbers("importance", importance),
        "n_features": _whole_numbers("features", features),
        "n_hidden": _whole_numbers("hidden", hidden),
        "seeds": _whole_numbers("seeds", seeds),
    }
    from tegum.empirical import sweep as run_sweep

    try:
        run = run_sweep(
            out,
            **axes,
            steps=steps,
            batch_size=batch,
            objective=objective,
            device=device,
            workers=workers,
            progress=True,
        )
    except RuntimeError as error:
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


def _whole_numbers(name: str, text: str) -> int | list[int]:
    """Return the whole numbers that a text stands for; see `numbers`."""
    try:
        if ":" in text:
            low, high = text.split(":")
            return list(range(int(low), int(high) + 1))
        values = [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"--{name} must be {WHOLE_GRID}, got {text!r}") from None
    return values if "," in text else values[0]
