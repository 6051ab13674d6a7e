"""`tegum train`: one model from several seeds, to a file of trained models."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..terminal import (
    FAILED,
    Json,
    ModelOptions,
    Seeds,
    TrainingOptions,
    complain,
    console,
    keeping,
    new_file,
    print_json,
    print_table,
    say,
    single,
    watched,
    whole_numbers,
    with_groups,
)

if TYPE_CHECKING:
    from tegum.empirical.runs import TrainedModels
    from tegum.theory.models import ToyModel
    from tegum.theory.storage import Destination

SUFFIXES = (".safetensors", ".zarr")
# Seeds that a table shows; JSON has all.
SHOWN = 20


@with_groups
def train(
    out: Annotated[
        Path, typer.Option(help="File for the trained models, .safetensors or .zarr; one that exists is refused.")
    ],
    problem: ModelOptions,
    seeds: Seeds = "8",
    force: Annotated[bool, typer.Option("--force", help="Replace trained models that are at --out.")] = False,
    as_json: Json = False,
    *,
    training: TrainingOptions,
) -> None:
    """Train one model from several seeds, save the results and print their losses.

    Ctrl-C, SIGTERM and SIGHUP save the state beside --out, and the same command goes on from there.
    """
    chosen = whole_numbers("seeds", seeds)
    model = single(problem.over(), "seeds are trained")
    # Options that are wrong in any case come before what is wrong with a file.
    training.arguments()
    with _place(out, force=force):
        trained, path = _kept(model, chosen, out, training)
    summary = _summary(trained, model, path)
    if as_json:
        print_json(summary)
    else:
        _show(summary, model)
    if path is None:
        rate = "try a smaller --learning-rate"
        complain(f"all {len(trained.seeds)} models diverged, and nothing was saved: {rate}")
    if path != out:
        raise typer.Exit(FAILED)


def _kept(
    model: ToyModel, seeds: int | list[int], out: Path, training: TrainingOptions
) -> tuple[TrainedModels, Path | None]:
    """Train a model and save it, and return what was trained and where it is."""
    checkpoint = out.with_name(out.name + ".checkpoint")
    trained = _trained(model, seeds, checkpoint, training)
    with keeping(lambda: f"the state is saved to {checkpoint}" if checkpoint.exists() else ""):
        path = _saved(trained, model, out)
        # Either the models are safe, or there is nothing to be kept.
        with suppress(OSError):
            checkpoint.unlink()
    return trained, path


def _trained(model: ToyModel, seeds: int | list[int], checkpoint: Path, training: TrainingOptions) -> TrainedModels:
    """Train a model.

    Raises:
        InterruptedRunError: for Ctrl-C.
        typer.Exit: if a single model doesn't fit on the device.
    """
    from tegum.empirical.runs import Session
    from tegum.empirical.training import train

    from ..progress import InterruptedRunError

    def kept() -> str:
        # Before the first step, or while the losses of the result were being worked out.
        return f"the state is saved to {checkpoint}" if checkpoint.exists() else "nothing was trained yet"

    try:
        with keeping(kept):
            session = Session(checkpoint, progress=watched(), keep=True)
            trained = train(model, seeds=seeds, session=session, **training.arguments())
    except MemoryError as error:
        complain(f"{error}; what was trained is saved to {checkpoint}; the same command goes on from there")
        raise typer.Exit(FAILED) from None
    if trained.status == "interrupted":
        raise InterruptedRunError(trained.reason)
    return trained


def _saved(trained: TrainedModels, model: ToyModel, out: Path) -> Path | None:
    """Save trained models where they were asked for or else where that can be done, and return where."""
    from tegum.empirical.files import save_models
    from tegum.theory.storage import MovedError

    if trained.diverged.all():
        # Nothing in such a file is of use, and it would be in the way of the next try.
        return None
    try:
        save_models(trained, out, model=model)
    except MovedError as error:
        complain(str(error))
        return error.found
    return out


def _place(out: Path, *, force: bool) -> Destination:
    """Return where trained models will be written.

    Raises:
        ValueError: if the name ends otherwise, or something is there that mustn't be replaced.
    """
    if out.suffix not in SUFFIXES:
        raise ValueError(f"--out must end in {' or '.join(SUFFIXES)}, got {out.name or str(out)!r}")

    def read(there: Path) -> None:
        from tegum.empirical.files import load_models

        # A folder of anything else isn't ours to delete.
        load_models(there)

    return new_file(out, read, force=force)


def _summary(trained: TrainedModels, model: ToyModel, path: Path | None) -> dict[str, Any]:
    """Return plain values: what was trained, each seed's result, and the best."""
    from tegum.theory.geometry import TRAINED_TOLERANCE, phase
    from tegum.theory.minima import inputs_of

    inside = inputs_of(model)
    named = trained.architecture == "relu_output"
    runs = []
    for k, seed in enumerate(trained.seeds):
        lost = bool(trained.diverged[k])
        runs.append(
            {
                "seed": int(seed),
                "loss": None if lost else float(trained.loss[k]),
                "loss_error": None if lost else float(trained.loss_error[k]),
                "steps": int(trained.steps[k]),
                "status": "diverged" if lost else "converged" if trained.converged[k] else "all steps taken",
                "phase": phase(trained.weights[k], trained.bias[k], TRAINED_TOLERANCE, inside)
                if named and not lost
                else None,
            }
        )
    there = [run for run in runs if run["status"] != "diverged"]
    return {
        "path": None if path is None else str(path),
        "status": trained.status,
        "reason": trained.reason,
        "architecture": trained.architecture,
        "model": model.to_plain(),
        "runs": runs,
        "best": min(there, key=lambda run: float(str(run["loss"])), default=None),
    }


def _show(summary: dict[str, Any], model: ToyModel) -> None:
    runs, best = summary["runs"], summary["best"]
    rows = []
    for run in runs[:SHOWN]:
        loss = "" if run["loss"] is None else f"{run['loss']:.10g}"
        error = "" if run["loss_error"] is None else f"{run['loss_error']:.1g}"
        rows.append([str(run["seed"]), loss, error, str(run["steps"]), run["status"], run["phase"] or ""])
    shown = "" if len(runs) <= SHOWN else f", the first {SHOWN} of {len(runs)} seeds; --json has all"
    say(model.describe())
    title = f"{summary['architecture']}{shown}"
    print_table(title, ["seed", "loss", "error", "steps", "status", "phase"], rows)
    if best is not None:
        named = f", {best['phase']}" if best["phase"] else ""
        console().print(f"Best: seed {best['seed']}, loss {best['loss']:.10g}{named}. ", end="")
        console().print(f"Saved to {summary['path']}.", soft_wrap=True)
