"""`tegum loss`: one model in detail, or an account of a batch."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..terminal import (
    BiasName,
    Json,
    Layout,
    ModelOptions,
    Stages,
    WeightsName,
    console,
    print_json,
    print_table,
    taken,
    with_groups,
    write_numbers,
)
from .loss_batch import LONG, quiet, remark, show_batch

if TYPE_CHECKING:
    from ..foreign import Diagnosis, WeightBatch

# Features of a model that get a row each.
LISTED = 8
SUFFIXES = (".csv", ".json")
BELOW = {
    "minimum": "minimum below",
    "degenerate": "minimum below, flat",
    "by gradients": "below, by gradients",
    "saddle": "saddle below",
    "unfinished": "descent stopped",
}


@with_groups
def loss(
    weights: Annotated[
        Path, typer.Option("--weights", help="File with W and b: .npz, .npy, .pt, .safetensors, .csv, .json, .zarr.")
    ],
    options: ModelOptions,
    layout: Layout = "auto",
    weights_name: WeightsName = None,
    bias_name: BiasName = None,
    tolerance: Annotated[
        float,
        typer.Option("--tolerance", help="|cos| between two features, and relative length of one, that count as 0."),
    ] = 0.1,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="File for all numbers: .csv, a row for each feature or model, or .json."),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Work out what takes longer than two minutes, and search 7 and 8 features.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say of your own trained weights what they cost and store, if they are a minimum, and which one is below."""
    from tegum.theory.models import ToyModel

    from ..foreign import read_many

    if not 0 <= tolerance < 1:
        raise ValueError(f"--tolerance must lie in [0, 1), got {tolerance:g}")
    if out is not None and out.suffix not in SUFFIXES:
        raise ValueError(f"--out must be a {' or '.join(SUFFIXES)} file, got {out.name!r}")
    batch = read_many(weights, layout=layout, weights_name=weights_name, bias_name=bias_name)
    model = ToyModel.from_plain(options.of_weights(batch, str(weights)))
    with ExitStack() as stack:
        if out is not None:
            stack.enter_context(taken([out]))
        if batch.weights[..., 0, 0].size > 1:
            show_batch(weights, batch, model, tolerance, out, as_json=as_json)
        else:
            _model(weights, batch, model, tolerance, out, full=full, as_json=as_json)


def _model(
    path: Path, batch: WeightBatch, model: Any, tolerance: float, out: Path | None, *, full: bool, as_json: bool
) -> None:
    """Print what is found of one model."""
    from tegum.theory.minima import MAX_SEARCHED_FEATURES

    from ..foreign import ALL_MINIMA, SEARCHED, diagnose, minima_of_each, reading, remarks, weight_report, worked_out

    m, n = batch.weights.shape[-2:]
    one = model if model.batch_shape == () else model.take((0,) * len(model.batch_shape))
    W, b = batch.weights.reshape(m, n), batch.bias.reshape(n)
    with Stages() as stages:
        report = stages.report if n >= LONG else quiet
        minima, judged, left_out = None, {}, list[str]()
        if n <= (MAX_SEARCHED_FEATURES if full else SEARCHED):
            minima = worked_out(ALL_MINIMA, left_out, lambda: minima_of_each(one.take((None,)), report))
            (judged,) = weight_report(
                one.take((None,)), W[None], b[None], tolerance=tolerance, minima=minima, searched=False
            )
        seconds = {"seconds": float("inf")} if full else {}
        found = diagnose(
            one,
            W,
            b if batch.bias_given else None,
            tolerance=tolerance,
            minima=None if minima is None else minima[0],
            report=report,
            **seconds,
        )
    told = reading(batch, model)
    left_out = list(dict.fromkeys([*told["left_out"], *judged.pop("left_out", ()), *found.left_out]))
    plain = found.to_plain() | judged | {"left_out": left_out}
    if out is not None:
        write_numbers(out, plain, plain["features"])
    if as_json:
        print_json(plain)
        return
    console().print(f"{path}: {one.describe()}")
    told["left_out"] = left_out
    if found.best_bias is not None:
        told |= {
            "best_bias": found.best_bias.tolist(),
            "loss_without_bias": found.loss,
            "loss_with_best_bias": found.best_bias_loss,
        }
    remark(remarks(told))
    _show_losses(found)
    _show_sentences(found, judged)
    _show_features(found, out)


def _show_losses(found: Diagnosis) -> None:
    rows = [["weights given", found.phase, _digits(found.loss), f"{found.gradient_norm:.2e}", ""]]
    if found.below is not None:
        below = found.below
        last = [f"{below.gradient_norm:.1e}", f"{below.distance:.4g}"]
        rows.append([BELOW[below.status], below.phase, _digits(below.loss), *last])
    if found.best is not None and found.best.source != "descent":
        best = found.best
        name = "global minimum" if best.source == "census" else "best found"
        rows.append([name, best.phase, _digits(best.loss), "", ""])
    print_table("Loss", ["", "phase", "loss", "gradient", "distance"], rows)


def _show_sentences(found: Diagnosis, judged: dict[str, Any]) -> None:
    from ..foreign import KINDS

    told = [f"The weights are {KINDS[found.kind]} (norm {found.gradient_norm:.2e})."]
    if found.curvature is not None:
        about = f", give or take {found.curvature_error:.0e}" if found.curvature_error > 1e-6 else ""
        told.append(f"Smallest curvature {found.curvature:+.3e}{about}.")
    if found.escape_told:
        told.append(f"The loss falls along {found.escape_told}.")
    if found.best is not None:
        gap = found.loss - found.best.loss
        told.append(f"The loss is {gap:.3e} above the best known, {_digits(found.best.loss)}: {found.best.told}.")
    if found.below is not None and found.below.status == "unfinished":
        told.append(
            f"The descent stopped where the gradient is {found.below.gradient_norm:.1e}: no minimum is known there."
        )
    told.append(f"Phase: overlaps |cos| and lengths up to --tolerance {found.tolerance:g} count as none.")
    remark([*told, *([_sentence(judged)] if "verdict" in judged else [])])


def _show_features(found: Diagnosis, out: Path | None) -> None:
    from ..foreign import quantiles

    n, m = len(found.norms), found.model.n_hidden
    pair = " of features " + " and ".join(str(i + 1) for i in found.overlap_of) if found.overlap_of else ""
    rows = [
        ["mean loss of a feature", _digits(found.mean_loss)],
        ["stored", f"{found.stored} of {n} features"],
        ["largest overlap |cos|", f"{found.largest_overlap:.4g}{pair}"],
        ["Welch bound", f"{found.welch_bound:.4g} for {found.stored} in {m} dimensions (doi:10.1109/TIT.1974.1055219)"],
    ]
    print_table("What is stored", ["", "value"], rows)
    columns = {"loss": found.feature_losses, "norm": found.norms, "D": found.dimensionalities}
    if n <= LISTED:
        rows = [[f"{i + 1}", *(f"{values[i]:.6g}" for values in columns.values())] for i in range(n)]
        print_table("Features, with their dimensionality D", ["feature", *columns], rows)
        return
    summed = {name: quantiles(values) for name, values in columns.items()}
    rows = [[name, *(f"{value:.4g}" for value in found_.values())] for name, found_ in summed.items()]
    whole = f"all are in {out}" if out is not None else "--out FILE.csv or --json has each"
    print_table(f"{n} features, with their dimensionality D; {whole}", ["", *next(iter(summed.values()))], rows)


def _digits(value: float) -> str:
    return f"{value:.10g}"


def _sentence(model: dict[str, Any]) -> str:
    """Return what is said of one model's own weights."""
    from ..judgement import PAPER_RECIPE

    beside = model["beside"]
    numbers = (
        f"loss {beside['excess']:.2e} above it (noise explains {beside['excess_allowed']:.1e}), distance in (W^T W, b) "
        f"{beside['distance']:.2e} ({beside['distance_allowed']:.1e})"
    )
    texts = {
        "in": f"The weights are in the minimum {beside['phase']}: {numbers}.",
        "on the way": f"The weights are on the way, in no minimum. Nearest is {beside['phase']}: {numbers}.",
        "elsewhere": f"The weights are in no minimum and no basin of one. Nearest is {beside['phase']}: {numbers}.",
    }
    if "saddle" in model:
        saddle = model["saddle"]
        texts["at a saddle"] = (
            f"The weights are at a saddle, {saddle['phase']}, of loss {saddle['loss']:.10g} and index "
            f"{saddle['index']}. The nearest minimum is {beside['phase']}: {numbers}."
        )
    recipe = f"{PAPER_RECIPE.steps:,} steps of Adam at {PAPER_RECIPE.learning_rate:g}"
    assumed = (
        f"What noise explains is that of {recipe} with {PAPER_RECIPE.batch_size:,} inputs; the file doesn't say more."
    )
    return f"{texts[model['verdict']]} {assumed}"
