"""`tegum loss`: one model in detail, or a row for each of a batch."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from ..foreign import batch_report, model_of_weights, read_many
from .console import console, print_json, print_table

# Models that a table shows; JSON has all.
SHOWN = 20
SHORT = {"unexplained": "none"}
MEANING = {
    "global": "end in the cheapest minimum",
    "other": "end in another minimum that theory lists",
    "unexplained": "end in none",
    "diverged": "have weights that aren't finite",
}


def show_losses(path: Path, density: float | None, importance: float | None, layout: str, *, as_json: bool) -> None:
    """Print what exact theory says of the weights in a file.

    Args:
        path: file of weights, one model or a batch.
        density: 1 − S, in place of what the file says.
        importance: of the last feature against the others, in place of what the file says.
        layout: of W in the file, as `read_many` takes it.
        as_json: whether to print JSON.

    Raises:
        ValueError: as `read_many` and `model_of_weights`.
    """
    batch = read_many(path, layout=layout)
    report = batch_report(batch, model_of_weights(batch, density, importance))
    if report["count"] > 1:
        _show_batch(path, report, as_json=as_json)
        return
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
        else:
            row += [model["phase"] or "", *(["", "diverged"] if searched else [])]
        rows.append(row)
    count = report["count"]
    shown = "" if count <= SHOWN else f", the first {SHOWN}; --json has all"
    columns = ["model", "1-S", "r", "loss", *(["ended in", "moved", "account"] if searched else ["phase"])]
    print_table(f"{count} models of {path}{shown}", columns, rows)
    outcomes = report["outcomes"]
    accounts = [
        [text, f"{outcomes[name]}", f"{outcomes[name] / count:.2%}"]
        for name, text in MEANING.items()
        if outcomes.get(name)
    ]
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
