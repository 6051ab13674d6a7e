"""`tegum loss`: one model in detail, or a row for each of a batch."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from ..terminal import BiasName, Json, Layout, WeightsName, console, print_json, print_table

# Models that a table shows; JSON has all.
SHOWN = 20
SHORT = {"unexplained": "none"}
BY_WEIGHTS = {
    "in": "are in a minimum",
    "on the way": "are on the way to one",
    "at a saddle": "are at a saddle",
    "elsewhere": "are elsewhere",
}
MEANING = {
    "global": "in the basin of the cheapest minimum",
    "other": "in the basin of another one that theory lists",
    "unexplained": "in the basin of none",
    "diverged": "have weights that aren't finite",
}


def loss(
    weights: Annotated[
        Path, typer.Option("--weights", help="File with W and b: .npz, .npy, .pt, .safetensors, .csv, .json, .zarr.")
    ],
    density: Annotated[
        float | None, typer.Option("--density", help="Feature density 1-S, in (0, 1]; default what the file says.")
    ] = None,
    importance: Annotated[
        float | None,
        typer.Option("--importance", help="Of the last feature against the others; default what the file says, or 1."),
    ] = None,
    layout: Layout = "auto",
    weights_name: WeightsName = None,
    bias_name: BiasName = None,
    as_json: Json = False,
) -> None:
    """Print exact loss, gradient norm and phase of your own trained weights, and up to 4 features the minimum below."""
    from ..foreign import batch_report, model_of_weights, read_many, reading, remarks

    batch = read_many(weights, layout=layout, weights_name=weights_name, bias_name=bias_name)
    model = model_of_weights(batch, density, importance)
    report = batch_report(batch, model)
    if report["count"] > 1:
        _show_batch(weights, report, as_json=as_json)
    else:
        _show_model(weights, report, as_json=as_json)
    if not as_json:
        for sentence in remarks(reading(batch, model)):
            console().print(sentence, soft_wrap=True)


def _show_model(path: Path, report: dict[str, Any], *, as_json: bool) -> None:
    (model,) = report["models"]
    at = {name: model.pop(name) for name in ("index", "density", "importance")}
    if as_json:
        print_json(model)
        return
    rows = [["weights given", model["phase"], f"{model['loss']:.10g}", f"{model['gradient_norm']:.2e}", ""]]
    if "nearest_minimum" in model:
        near, best = model["nearest_minimum"], model["global_minimum"]
        moved = f"{near['distance']:.4g}"
        rows += [
            ["minimum below", near["phase"], f"{near['loss']:.10g}", f"{near['gradient_norm']:.1e}", moved],
            ["global minimum", best["phase"], f"{best['loss']:.10g}", "", ""],
        ]
    title = f"{path} at density {_number(at['density'])}, relative importance {_relative(at['importance'])}"
    print_table(title, ["", "phase", "loss", "gradient", "distance"], rows)
    if "verdict" in model:
        console().print(_sentence(model))


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


def _show_batch(path: Path, report: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(report)
        return
    searched = any("nearest_minimum" in model for model in report["models"])
    rows = []
    for model in report["models"][:SHOWN]:
        place = ", ".join(map(str, model["index"]))
        loss = "" if model["loss"] is None else f"{model['loss']:.6g}"
        row = [place, _number(model["density"]), _relative(model["importance"]), loss]
        if "nearest_minimum" in model:
            near = model["nearest_minimum"]
            row += [near["phase"], f"{near['distance']:.2g}", SHORT.get(model["outcome"], model["outcome"])]
            row += [model["verdict"]]
        else:
            row += [model["phase"] or "", *(["", "diverged", ""] if searched else [])]
        rows.append(row)
    count = report["count"]
    shown = "" if count <= SHOWN else f", the first {SHOWN}; --json has all"
    columns = ["model", "1-S", "r", "loss", *(["basin of", "moved", "account", "is"] if searched else ["phase"])]
    print_table(f"{count} models of {path}{shown}", columns, rows)
    outcomes = report["outcomes"]
    told = [(text, report["verdicts"].get(name)) for name, text in BY_WEIGHTS.items()]
    told += [(text, outcomes.get(name)) for name, text in MEANING.items()]
    accounts = [[text, f"{number}", f"{number / count:.2%}"] for text, number in told if number]
    phases = Counter(model["phase"] or "diverged" for model in report["models"])
    accounts += [[f"  look like {label}", f"{k}", f"{k / count:.2%}"] for label, k in phases.most_common()]
    print_table("What becomes of them on the exact loss", ["", "models", "share"], accounts)
    if not searched:
        console().print("Minima are searched for in models of up to 4 features.")


def _number(value: float | list[float]) -> str:
    return " ".join(f"{x:.3g}" for x in value) if isinstance(value, list) else f"{value:.3g}"


def _relative(importance: float | list[float]) -> str:
    """Return the last feature's importance against the others', or all if those differ."""
    if not isinstance(importance, list):
        return f"{1:g}"
    first = importance[0]
    if all(value == first for value in importance[:-1]):
        return f"{importance[-1] / first:.3g}"
    return _number(importance)
