"""The command `tegum train`. Heavy imports wait until it runs."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryFile, mkdtemp
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import console, print_json, print_table
from .options import (
    COUNTED,
    FAILED,
    INTERRUPTED,
    AmplitudeWords,
    Features,
    Group,
    Hidden,
    Json,
    Law,
    Seeds,
    law_maker,
    whole_numbers,
    with_training_options,
)

if TYPE_CHECKING:
    from tegum.empirical.runs import TrainedModels
    from tegum.theory.models import ToyModel

SUFFIXES = (".safetensors", ".zarr")
# Seeds that a table shows; JSON has all.
SHOWN = 20


@with_training_options
def train(
    out: Annotated[
        Path, typer.Option(help="File for the trained models, .safetensors or .zarr; one that exists is refused.")
    ],
    density: Annotated[
        str | None,
        typer.Option(help="Feature density 1-S, in (0, 1]: a number, or one for each feature as 0.1,0.2,0.3."),
    ] = None,
    importance: Annotated[
        str, typer.Option(help="Of the last feature against the others, or of each feature as 1,0.7,0.5.")
    ] = "1",
    features: Features = 2,
    hidden: Hidden = 1,
    law: Law = "independent",
    group: Group = None,
    active: Annotated[int | None, typer.Option(help="How many features are on, for --law k-hot.")] = None,
    amplitude: AmplitudeWords = "uniform",
    interference_penalty: Annotated[float, typer.Option(help="Penalty on squared overlaps, part of the loss.")] = 0.0,
    weight_penalty: Annotated[float, typer.Option(help="Penalty on squared weights, part of the loss.")] = 0.0,
    activation_penalty: Annotated[float, typer.Option(help="Penalty on hidden activations, part of the loss.")] = 0.0,
    seeds: Seeds = "8",
    force: Annotated[bool, typer.Option("--force", help="Replace trained models that are at --out.")] = False,
    as_json: Json = False,
    *,
    options: dict[str, Any],
) -> None:
    """Train one model from several seeds, save the results and print their losses.

    Ctrl-C saves the state beside --out, and the same command goes on from there.
    """
    chosen = whole_numbers("seeds", seeds)
    _check_place(out, force=force)
    made = law_maker(law, group, amplitude, features, active)
    from tegum.empirical.files import save_models
    from tegum.empirical.training import train as train_models
    from tegum.theory.models import ToyModel

    densities = _densities(density, law, features)
    penalties = interference_penalty, weight_penalty, activation_penalty
    model = ToyModel(features, hidden, made(densities), _importances(importance, features), *penalties)
    checkpoint = out.with_name(out.name + ".checkpoint")
    try:
        trained = train_models(model, seeds=chosen, checkpoint=checkpoint, progress=True, **options)
    except KeyboardInterrupt:
        # Before the first step, or while the losses of the result were being worked out.
        _stop(f"the state is saved to {checkpoint}" if checkpoint.exists() else "nothing was trained yet", INTERRUPTED)
    except MemoryError as error:
        _stop(f"{error}; what was trained is saved to {checkpoint}", FAILED)
    if trained.status == "interrupted":
        _stop(trained.reason, INTERRUPTED)
    summary = _summary(trained, model, out)
    if trained.diverged.all():
        # Nothing in such a file is of use, and it would be in the way of the next try.
        summary["path"] = None
    else:
        try:
            save_models(trained, out, model=model)
        # The formats' writers have errors of their own beside OSError. What is trained mustn't be lost to any.
        except Exception as error:
            summary["path"] = str(Path(mkdtemp(prefix="tegum-")) / out.name)
            save_models(trained, summary["path"], model=model)
            sys.stderr.write(f"tegum: can't write {out} ({error}): the models are in {summary['path']}\n")
    if as_json:
        print_json(summary)
    else:
        _show(summary)
    if summary["path"] is None:
        rate = "try a smaller --learning-rate"
        sys.stderr.write(f"tegum: all {len(trained.seeds)} models diverged, and nothing was saved: {rate}\n")
    if summary["path"] != str(out):
        raise typer.Exit(FAILED)


def _stop(reason: str, code: int) -> None:
    word = "interrupted: " if code == INTERRUPTED else ""
    sys.stderr.write(f"tegum: {word}{' '.join(reason.split())}; the same command goes on from there\n")
    raise typer.Exit(code)


def _check_place(out: Path, *, force: bool) -> None:
    """Raise an error unless trained models can be written at `out`, before any are trained.

    Raises:
        ValueError: if the name ends otherwise, or something is there that mustn't be replaced.
        OSError: if its folder can't be written to.
    """
    if out.suffix not in SUFFIXES:
        raise ValueError(f"--out must end in {' or '.join(SUFFIXES)}, got {out.name!r}")
    if out.exists() and not force:
        raise ValueError(f"expected a new file, but {out} exists: choose another --out, or replace it with --force")
    if out.exists():
        from tegum.empirical.files import load_models

        # A folder of anything else isn't ours to delete.
        load_models(out)
    folder = next(parent for parent in out.absolute().parents if parent.exists())
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(f"can't write to {folder}: {error.strerror or error}") from None


def _numbers(name: str, text: str, n_features: int) -> list[float]:
    """Return one number, or one for each feature."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) not in (1, n_features):
        raise ValueError(f"--{name} must be a number, or {n_features} of them, one for each feature, got {text!r}")
    return values


def _densities(text: str | None, law: str, n_features: int) -> list[float] | None:
    """Return the densities that a law takes, if it takes any."""
    if (text is None) != (law in COUNTED):
        got = "none" if text is None else f"--density {text}"
        wanted = "sets how many features are on, and takes no" if law in COUNTED else "needs a"
        raise ValueError(f"--law {law} {wanted} --density, got {got}")
    return None if text is None else _numbers("density", text, n_features)


def _importances(text: str, n_features: int) -> list[float]:
    """Return the importance of each feature; one number is that of the last against the others."""
    values = _numbers("importance", text, n_features)
    return values if len(values) == n_features else [1.0] * (n_features - 1) + values


def _summary(trained: TrainedModels, model: ToyModel, out: Path) -> dict[str, Any]:
    """Return plain values: what was trained, each seed's result, and the best."""
    from tegum.theory.geometry import phase
    from tegum.theory.minima import MAX_SEARCHED_FEATURES

    named = trained.architecture == "relu_output" and model.n_features <= MAX_SEARCHED_FEATURES
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
                "phase": phase(trained.weights[k], trained.bias[k]) if named and not lost else None,
            }
        )
    there = [run for run in runs if run["status"] != "diverged"]
    return {
        "path": str(out),
        "status": trained.status,
        "reason": trained.reason,
        "architecture": trained.architecture,
        "n_features": model.n_features,
        "n_hidden": model.n_hidden,
        "law": type(model.features).__name__,
        "density": model.densities().tolist(),
        "importance": model.importances().tolist(),
        "runs": runs,
        "best": min(there, key=lambda run: float(str(run["loss"])), default=None),
    }


def _show(summary: dict[str, Any]) -> None:
    runs, best = summary["runs"], summary["best"]
    rows = []
    for run in runs[:SHOWN]:
        loss = "" if run["loss"] is None else f"{run['loss']:.10g}"
        error = "" if run["loss_error"] is None else f"{run['loss_error']:.1g}"
        rows.append([str(run["seed"]), loss, error, str(run["steps"]), run["status"], run["phase"] or ""])
    shown = "" if len(runs) <= SHOWN else f", the first {SHOWN} of {len(runs)} seeds; --json has all"
    title = f"{summary['architecture']}, n={summary['n_features']}, m={summary['n_hidden']}{shown}"
    print_table(title, ["seed", "loss", "error", "steps", "status", "phase"], rows)
    if best is not None:
        named = f", {best['phase']}" if best["phase"] else ""
        console().print(f"Best: seed {best['seed']}, loss {best['loss']:.10g}{named}. ", markup=False, end="")
        console().print(f"Saved to {summary['path']}.", markup=False, soft_wrap=True)
