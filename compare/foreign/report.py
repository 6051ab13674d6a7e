"""What exact theory says of given weights: their loss, the minimum below them, and the cheapest there is."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from tegum.theory.geometry import phase
from tegum.theory.loss import expected_loss, loss_gradient
from tegum.theory.minima import (
    MAX_SEARCHED_FEATURES,
    SAME_LOSS,
    CriticalPoint,
    Polished,
    census,
    local_minima,
)
from tegum.theory.models import ToyModel
from tegum.theory.numerics import FloatArray

from ..diagrams import OUTCOMES
from ..judgement import AT_A_SADDLE, PAPER_RECIPE, VERDICTS, Recipe, Verdicts, judge
from .weights import WeightBatch


def weight_report(
    model: ToyModel, weights: FloatArray, bias: FloatArray, recipe: Recipe = PAPER_RECIPE
) -> list[dict[str, Any]]:
    """Return loss, gradient norm and phase of each model, and up to four features where it is among the minima.

    Args:
        model: batch shape (K,).
        weights: W, shape (K, n_hidden, n_features); models with a NaN or infinity are reported as diverged.
        bias: b, shape (K, n_features).
        recipe: how they were trained, which says how far from a minimum noise may leave them; default the paper's.

    Returns:
        Plain values for each model, by name; "verdict" is one of `VERDICTS` and judges the weights as they are,
        "outcome" is one of `OUTCOMES`, or "diverged", and says in whose basin they are.
    """
    finite = np.isfinite(weights).all(axis=(-2, -1)) & np.isfinite(bias).all(axis=-1)
    rows: list[dict[str, Any]] = [
        {"loss": None, "gradient_norm": None, "phase": None, "outcome": "diverged"} for _ in range(len(weights))
    ]
    there = np.flatnonzero(finite)
    if not len(there):
        return rows
    model, weights, bias = model.take(there), weights[there], bias[there]
    losses, gradient = expected_loss(model, weights, bias), loss_gradient(model, weights, bias)
    norms = np.sqrt(sum((part**2).reshape(len(there), -1).sum(axis=-1) for part in gradient))
    found: list[dict[str, Any]] = [
        {"loss": float(loss), "gradient_norm": float(norm), "phase": phase(w, b)}
        for loss, norm, w, b in zip(losses, norms, weights, bias, strict=True)
    ]
    # Minima are searched for in small models only.
    if model.n_features <= MAX_SEARCHED_FEATURES:
        points = _minima(model)
        verdicts = judge(model, points, weights, bias, recipe)
        for k, row in enumerate(found):
            row.update(_place(points[k], verdicts.polished, int(verdicts.ended_in[k]), k))
            row.update(_verdict(points[k], verdicts, k))
    for place, row in zip(there, found, strict=True):
        rows[place] = row
    return rows


def _minima(model: ToyModel) -> list[tuple[CriticalPoint, ...]]:
    """Return the minima of each model of a batch; models that are the same share one search."""
    parameters = np.concatenate([model.densities(), model.importances()], axis=-1)
    _, chosen, where = np.unique(parameters, axis=0, return_index=True, return_inverse=True)
    if len(chosen) == 1:
        return [local_minima(model.take(int(chosen[0])))] * len(parameters)
    found = census(model.take(chosen))
    return [found[k] for k in where.ravel()]


def _place(points: tuple[CriticalPoint, ...], below: Polished, listed: int, k: int) -> dict[str, Any]:
    """Return where model k ends on the exact loss, beside the cheapest minimum."""
    is_global = listed >= 0 and points[listed].loss <= points[0].loss + SAME_LOSS
    near = {
        "phase": phase(below.weights[k], below.bias[k]),
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


def batch_report(batch: WeightBatch, model: ToyModel) -> dict[str, Any]:
    """Return `weight_report` of every model of a batch, with its place in the batch, and the counts of the outcomes.

    Args:
        batch: weights out of a file.
        model: what they were trained for, of the batch's shape.
    """
    m, n = batch.weights.shape[-2:]
    count = int(np.prod(batch.batch_shape, dtype=int))
    places = list(np.ndindex(*batch.batch_shape))
    flat = model.take((None,)) if batch.batch_shape == () else model.take(tuple(np.transpose(places)))
    rows = weight_report(flat, batch.weights.reshape(count, m, n), batch.bias.reshape(count, n))
    densities, importances = flat.densities(), flat.importances()
    models = [
        {"index": list(place), "density": _plain(density), "importance": _plain(importance), **row}
        for place, density, importance, row in zip(places, densities, importances, rows, strict=True)
    ]
    told = {f"{name}s": dict(Counter(row[name] for row in rows if name in row)) for name in ("verdict", "outcome")}
    return {"count": count, "batch_shape": list(batch.batch_shape), **told, "models": models}


def _plain(values: FloatArray) -> float | list[float]:
    """Return the value that all features share, or all values."""
    return float(values[0]) if (values == values[0]).all() else [float(value) for value in values]
