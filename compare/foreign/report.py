"""What exact theory says of given weights: their loss, the minimum below them, and the cheapest there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from tegum.theory.geometry import TRAINED_TOLERANCE, phase_labels
from tegum.theory.loss import expected_loss
from tegum.theory.minima import (
    MAX_LISTED_FEATURES,
    SAME_LOSS,
    CriticalPoint,
    Landscape,
    Polished,
    best_bias,
    census,
    check_searchable,
    local_minima,
    match,
    polish,
)
from tegum.theory.models import ToyModel
from tegum.theory.numerics import FloatArray, slices

from ..diagrams import OUTCOMES
from ..judgement import AT_A_SADDLE, PAPER_RECIPE, VERDICTS, Recipe, Verdicts, judge
from ..progress import Report, quiet
from .parts import ALL_MINIMA, BEST_BIAS, MOST_SEARCHES, NOISE, SEARCHED, worked_out
from .weights import WeightBatch

# Models that are worked out together, and pairs of their features.
TOGETHER, ENTRIES = 512, 1 << 15
# Features up to which the best biases of a batch are worked out where the file has none.
ENUMERATED = 8
QUANTILES = {"least": 0.0, "25 %": 0.25, "median": 0.5, "75 %": 0.75, "most": 1.0}


def weight_report(
    model: ToyModel,
    weights: FloatArray,
    bias: FloatArray,
    recipe: Recipe = PAPER_RECIPE,
    *,
    tolerance: float = TRAINED_TOLERANCE,
    minima: Sequence[tuple[CriticalPoint, ...]] | None = None,
    searched: bool = True,
) -> list[dict[str, Any]]:
    """Return loss, gradient norm and phase of each model, and up to six features where it is among the minima.

    Args:
        model: batch shape (K,).
        weights: W, shape (K, n_hidden, n_features); models with a NaN or infinity are reported as diverged.
        bias: b, shape (K, n_features).
        recipe: how they were trained, which says how far from a minimum noise may leave them; default the paper's.
        tolerance: of the phase labels of the weights as they are.
        minima: those of each model, if they are known; models that are the same may share a tuple.
        searched: whether they are searched for where they aren't.

    Returns:
        Plain values for each model, by name; "verdict" is one of `VERDICTS` and judges the weights as they are,
        "outcome" is one of `OUTCOMES`, or "diverged", and says in whose basin they are. "left_out" says which of these
        theory doesn't cover for such models, a sentence each.
    """
    finite = np.isfinite(weights).all(axis=(-2, -1)) & np.isfinite(bias).all(axis=-1)
    rows: list[dict[str, Any]] = [
        {"loss": None, "gradient_norm": None, "phase": None, "outcome": "diverged"} for _ in range(len(weights))
    ]
    there = np.flatnonzero(finite)
    if not len(there):
        return rows
    model, weights, bias = model.take(there), weights[there], bias[there]
    landscape = Landscape(model)
    losses, gradients = landscape.losses_and_gradients(landscape.join(weights, bias))
    norms = np.linalg.norm(gradients, axis=-1)
    labels = phase_labels(weights, bias, tolerance)
    found: list[dict[str, Any]] = [
        {"loss": loss, "mean_loss": loss / model.n_features, "gradient_norm": norm, "phase": label}
        for loss, norm, label in zip(losses.tolist(), norms.tolist(), labels.tolist(), strict=True)
    ]
    # Minima are searched for in small models only.
    if minima is not None or (searched and model.n_features <= SEARCHED):
        left_out: list[str] = []
        known = None if minima is None else [minima[k] for k in there.tolist()]
        points = known or worked_out(ALL_MINIMA, left_out, lambda: minima_of_each(model))
        if points is not None:
            _add_places(found, model, points, weights, bias, recipe, left_out)
        for row in found:
            row["left_out"] = list(left_out)
    for place, row in zip(there, found, strict=True):
        rows[place] = row
    return rows


def _add_places(
    rows: list[dict[str, Any]],
    model: ToyModel,
    points: Sequence[tuple[CriticalPoint, ...]],
    weights: FloatArray,
    bias: FloatArray,
    recipe: Recipe,
    left_out: list[str],
) -> None:
    """Add where each model is among its minima, as far as that is covered."""
    verdicts = worked_out(NOISE, left_out, lambda: judge(model, points, weights, bias, recipe))
    if verdicts is not None:
        polished, ended_in = verdicts.polished, verdicts.ended_in
    else:
        ends = worked_out(ALL_MINIMA, left_out, lambda: polish(model, weights, bias))
        if ends is None:
            return
        polished, ended_in = ends, match(points, ends, model)
    labels = phase_labels(polished.weights, polished.bias)
    for k, row in enumerate(rows):
        row.update(_place(points[k], polished, str(labels[k]), int(ended_in[k]), k))
        if verdicts is not None:
            row.update(_verdict(points[k], verdicts, k))


def minima_of_each(model: ToyModel, report: Report = quiet) -> list[tuple[CriticalPoint, ...]]:
    """Return the minima of each model of a batch; models that are the same share one search.

    Up to four features all copies of each minimum are listed, beyond one for all of them.

    Args:
        model: batch shape (K,).
        report: is called with the name of a stage and the share of it that is done.

    Raises:
        ValueError: if the search for all minima doesn't cover such models, or more than 64 different models have more
            than four features.
    """
    check_searchable(model)
    (count,) = model.batch_shape
    penalties = [model.interference_penalty, model.weight_penalty, model.activation_penalty]
    rest = [np.broadcast_to(np.asarray(value).reshape(-1, 1), (count, 1)) for value in penalties]
    parameters = np.concatenate([model.densities(), model.importances(), *rest], axis=-1)
    _, chosen, where = np.unique(parameters, axis=0, return_index=True, return_inverse=True)
    if len(chosen) == 1:
        listed = model.n_features <= MAX_LISTED_FEATURES
        return [local_minima(model.take(int(chosen[0])), merged=not listed)] * len(parameters)
    if model.n_features > MAX_LISTED_FEATURES:
        if len(chosen) > MOST_SEARCHES:
            raise ValueError(
                f"minima of {model.n_features} features are searched for in at most {MOST_SEARCHES} different models, "
                f"got {len(chosen)}; models of one file with one density and one importance are one"
            )
        lists = []
        for done, k in enumerate(chosen.tolist()):
            report("minima", done / len(chosen))
            lists.append(local_minima(model.take(k)))
        return [lists[k] for k in where.ravel()]
    found = census(model.take(chosen))
    return [found[k] for k in where.ravel()]


def _place(points: tuple[CriticalPoint, ...], below: Polished, label: str, listed: int, k: int) -> dict[str, Any]:
    """Return where model k ends on the exact loss, beside the cheapest minimum."""
    is_global = listed >= 0 and points[listed].loss <= points[0].loss + SAME_LOSS
    near = {
        "phase": label,
        "loss": float(below.loss[k]),
        "weights": below.weights[k].tolist(),
        "bias": below.bias[k].tolist(),
        "gradient_norm": float(below.gradient_norm[k]),
        "distance": float(below.moved[k]),
        "listed_as": listed if listed >= 0 else None,
        "is_global": is_global,
    }
    best = {"phase": points[0].phase, "loss": points[0].loss}
    outcome = OUTCOMES[2 if listed < 0 else 0 if is_global else 1]
    return {"nearest_minimum": near, "global_minimum": best, "outcome": outcome}


def _verdict(points: tuple[CriticalPoint, ...], verdicts: Verdicts, k: int) -> dict[str, Any]:
    """Return where model k is by its own weights."""
    nearest = points[int(verdicts.nearest[k])]
    told: dict[str, Any] = {
        "verdict": VERDICTS[verdicts.verdict[k]],
        "beside": {
            "phase": nearest.phase,
            "loss": nearest.loss,
            "excess": float(verdicts.excess[k]),
            "excess_allowed": float(verdicts.excess_allowed[k]),
            "distance": float(verdicts.distance[k]),
            "distance_allowed": float(verdicts.distance_allowed[k]),
        },
    }
    if verdicts.verdict[k] == AT_A_SADDLE:
        told["saddle"] = {
            "phase": verdicts.saddle_phase[k],
            "loss": float(verdicts.saddle_loss[k]),
            "index": int(verdicts.saddle_index[k]),
        }
    return told


def batch_report(
    batch: WeightBatch, model: ToyModel, *, tolerance: float = TRAINED_TOLERANCE, report: Report = quiet
) -> dict[str, Any]:
    """Return `weight_report` of every model of a batch, with its place in the batch, and the counts of the outcomes.

    Args:
        batch: weights out of a file.
        model: what they were trained for, of the batch's shape, or one for all.
        tolerance: of the phase labels of the weights as they are.
        report: is called with the name of a stage and the share of it that is done.
    """
    m, n = batch.weights.shape[-2:]
    count = int(np.prod(batch.batch_shape, dtype=int))
    places = list(np.ndindex(*batch.batch_shape))
    if model.batch_shape == ():
        flat = model.take((None,)).take(np.zeros(count, dtype=np.int64))
    else:
        flat = model.take(tuple(np.transpose(places)))
    weights, bias = batch.weights.reshape(count, m, n), batch.bias.reshape(count, n)
    minima, left_out = None, list[str]()
    if n <= SEARCHED:
        report("minima", 0.0)
        minima = worked_out(ALL_MINIMA, left_out, lambda: minima_of_each(flat, report))
    rows: list[dict[str, Any]] = []
    for part in slices(count, max(min(TOGETHER, ENTRIES // n**2), 1)):
        report("models", part.start / count)
        these = None if minima is None else minima[part]
        found = weight_report(
            flat.take(part), weights[part], bias[part], tolerance=tolerance, minima=these, searched=False
        )
        if not batch.bias_given and model.bias != "none" and n <= ENUMERATED:
            _add_best_biases(found, flat.take(part), weights[part], left_out)
        rows += found
    report("models", 1.0)
    left_out = list(dict.fromkeys([*left_out, *(text for row in rows for text in row.pop("left_out", ()))]))
    densities, importances = flat.densities(), flat.importances()
    models = [
        {"index": list(place), "density": _plain(density), "importance": _plain(importance), **row}
        for place, density, importance, row in zip(places, densities, importances, rows, strict=True)
    ]
    told = {f"{name}s": dict(Counter(row[name] for row in rows if name in row)) for name in ("verdict", "outcome")}
    losses = [row["loss"] for row in rows if row["loss"] is not None]
    best = [row["best_bias_loss"] for row in rows if "best_bias_loss" in row]
    return {
        "count": count,
        "batch_shape": list(batch.batch_shape),
        "model": model.to_plain(),
        "told": model.describe(),
        "tolerance": tolerance,
        **told,
        "phases": dict(Counter(row["phase"] or "diverged" for row in rows).most_common()),
        "loss_quantiles": quantiles(losses),
        "bias_given": batch.bias_given,
        "best_bias_loss_quantiles": quantiles(best),
        "left_out": left_out,
        "models": models,
    }


def _add_best_biases(rows: list[dict[str, Any]], model: ToyModel, weights: FloatArray, left_out: list[str]) -> None:
    """Add the loss of the best bias for each model's weights to what is said of it, where that is covered."""
    there = np.flatnonzero(np.isfinite(weights).all(axis=(-2, -1)))
    if not len(there):
        return
    model, weights = model.take(there), weights[there]
    bias = worked_out(BEST_BIAS, left_out, lambda: best_bias(model, weights))
    if bias is None:
        return
    losses = expected_loss(model, weights, bias)
    for place, loss in zip(there, losses.tolist(), strict=True):
        rows[place]["best_bias_loss"] = loss


def quantiles(values: Any) -> dict[str, float]:
    """Return least, largest and quartiles of some numbers by name; nothing of none."""
    if not len(values):
        return {}
    found = np.quantile(np.asarray(values, dtype=np.float64), list(QUANTILES.values()))
    return dict(zip(QUANTILES, found.tolist(), strict=True))


def _plain(values: FloatArray) -> float | list[float]:
    """Return the value that all features share, or all values."""
    return float(values[0]) if (values == values[0]).all() else [float(value) for value in values]
