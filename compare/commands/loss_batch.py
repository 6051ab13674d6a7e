"""What `tegum loss` says of a batch of models: counts and quantiles, and a row for each where these are few."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..terminal import Stages, console, print_json, print_table, write_numbers

if TYPE_CHECKING:
    from ..foreign import WeightBatch

# Models that get a row each, and phases that are counted by name.
SHOWN, COUNTED = 20, 10
# Features from which a model takes long enough for progress to be shown.
LONG = 5
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


def remark(sentences: Iterable[str]) -> None:
    """Print sentences, each in a line."""
    for sentence in sentences:
        console().print(sentence)


def quiet(_: str, __: float) -> None:
    """Say nothing: what is quick needs no bar."""


def show_batch(
    path: Path, batch: WeightBatch, model: Any, tolerance: float, out: Path | None, *, as_json: bool
) -> None:
    """Print an account of a batch: counts and quantiles first, and a row for each model where these are few."""
    from ..foreign import SEARCHED, batch_report, reading, remarks

    with Stages() as stages:
        count = batch.weights[..., 0, 0].size
        long = batch.weights.shape[-1] >= LONG or count > SHOWN
        report = batch_report(batch, model, tolerance=tolerance, report=stages.report if long else quiet)
    if out is not None:
        write_numbers(out, report, [_row(one) for one in report["models"]])
    if as_json:
        print_json(report)
        return
    console().print(f"{path}: {report['told']}")
    told = reading(batch, model)
    told["left_out"] = list(dict.fromkeys([*told["left_out"], *report["left_out"]]))
    remark(remarks(told))
    searched = any("nearest_minimum" in model for model in report["models"])
    _show_counts(report)
    if count <= SHOWN:
        _show_rows(report, searched=searched)
    else:
        console().print(f"All are in {out}." if out is not None else "--out FILE.csv, or --json, has a row for each.")
    console().print(f"Phase: overlaps |cos| and lengths up to --tolerance {tolerance:g} count as none.")
    if batch.weights.shape[-1] > SEARCHED:
        console().print(
            f"Minima are searched for in models of up to {SEARCHED} features; each model alone is told more of."
        )


def _show_counts(report: dict[str, Any]) -> None:
    count = report["count"]
    told = [(text, report["verdicts"].get(name)) for name, text in BY_WEIGHTS.items()]
    told += [(text, report["outcomes"].get(name)) for name, text in MEANING.items()]
    phases = list(report["phases"].items())
    told += [(f"  look like {label}", number) for label, number in phases[:COUNTED]]
    rest = sum(number for _, number in phases[COUNTED:])
    told.append((f"  look like one of {len(phases) - COUNTED} others", rest))
    rows = [[text, f"{number}", f"{number / count:.2%}"] for text, number in told if number]
    print_table(f"{count} models on the exact loss", ["", "models", "share"], rows)
    if report["loss_quantiles"]:
        rows = [["loss", *(f"{value:.6g}" for value in report["loss_quantiles"].values())]]
        best = report["best_bias_loss_quantiles"]
        if best:
            rows.append(["with the best bias", *(f"{value:.6g}" for value in best.values())])
        print_table("Losses", ["", *report["loss_quantiles"]], rows)


def _show_rows(report: dict[str, Any], *, searched: bool) -> None:
    rows, biases = [], bool(report["best_bias_loss_quantiles"])
    for model in report["models"]:
        place = ", ".join(map(str, model["index"]))
        loss = "" if model["loss"] is None else f"{model['loss']:.6g}"
        row = [place, _number(model["density"]), _relative(model["importance"]), loss]
        if biases:
            row.append(f"{model['best_bias_loss']:.6g}" if "best_bias_loss" in model else "")
        if "nearest_minimum" in model:
            near = model["nearest_minimum"]
            row += [near["phase"], f"{near['distance']:.2g}", SHORT.get(model["outcome"], model["outcome"])]
            row += [model.get("verdict", "")]
        else:
            row += [model["phase"] or "", *(["", "diverged", ""] if searched else [])]
        rows.append(row)
    columns = [
        "model",
        "1-S",
        "r",
        "loss",
        *(["best bias"] if biases else []),
        *(["basin of", "moved", "account", "is"] if searched else ["phase"]),
    ]
    print_table("Each model", columns, rows)


def _row(model: dict[str, Any]) -> dict[str, Any]:
    """Return what a table of a batch has of one model."""
    near, best = model.get("nearest_minimum", {}), model.get("global_minimum", {})
    return {
        "model": " ".join(map(str, model["index"])),
        **{
            name: model.get(name)
            for name in ("loss", "best_bias_loss", "mean_loss", "gradient_norm", "phase", "verdict", "outcome")
        },
        "basin_of": near.get("phase"),
        "basin_loss": near.get("loss"),
        "distance": near.get("distance"),
        "best_phase": best.get("phase"),
        "best_loss": best.get("loss"),
    }


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
