"""What a reader should know of how a file was read: what is missing, what wasn't used, what was taken for what."""

from __future__ import annotations

from typing import Any

import numpy as np

from tegum.theory.loss import expected_loss
from tegum.theory.minima import best_bias
from tegum.theory.models import ToyModel
from tegum.theory.numerics import check_kind

from .parts import BEST_BIAS, check_best_bias, worked_out
from .weights import WeightBatch

# Outputs whose best bias is looked for unasked, and features of a model up to which patterns are enumerated.
MOST_OUTPUTS, MOST_FEATURES = 500, 8
# Names of arrays that a sentence lists.
LISTED = 8


def reading(batch: WeightBatch, model: ToyModel) -> dict[str, Any]:
    """Return how a file was read, as plain values.

    Args:
        batch: out of the file.
        model: what the weights were trained for, of the batch's shape.

    Returns:
        "bias_given", "stored_dtype", "source" and "unused" of the batch, its `changes` among the last: they are settled
        if there is a model; "bias_assumed", whether b = 0 is assumed: there is no bias, and the models aren't ones
        without; and "left_out", what theory doesn't cover for them. If a bias is assumed, and the models aren't so many
        or so large that it would take long, also "best_bias" for these weights, "loss_without_bias" and
        "loss_with_best_bias", each with the batch's axes.

    Raises:
        ValueError: if the model doesn't fit the weights.
    """
    check_kind("batch", batch, WeightBatch)
    check_kind("model", model, ToyModel)
    left_out: list[str] = []
    assumed = not batch.bias_given and model.bias != "none"
    told: dict[str, Any] = {
        "bias_given": batch.bias_given,
        "bias_assumed": assumed,
        "left_out": left_out,
        "stored_dtype": batch.stored_dtype,
        "source": dict(batch.source),
        "unused": [*batch.unused, *batch.changes],
    }
    few = batch.bias.size <= MOST_OUTPUTS and model.n_features <= MOST_FEATURES
    if assumed:
        worked_out(BEST_BIAS, left_out, lambda: check_best_bias(model))
    if not assumed or left_out or not few or not batch.finite.all():
        return told
    bias = best_bias(model, batch.weights)
    losses = {"loss_without_bias": batch.bias, "loss_with_best_bias": bias}
    told["best_bias"] = bias.tolist()
    return told | {name: np.asarray(expected_loss(model, batch.weights, b)).tolist() for name, b in losses.items()}


def remarks(told: dict[str, Any]) -> list[str]:
    """Return sentences about what `reading` returned, none if there is nothing to say.

    Example:
        >>> told = {"bias_assumed": False, "stored_dtype": "float64", "source": {"weights": "W"}, "left_out": []}
        >>> remarks(told | {"unused": ["losses"]})
        ['Not used: losses.']
    """
    sentences = []
    if told["bias_assumed"]:
        sentences.append("The file has no bias: b = 0 is assumed." + _best(told))
    others = [f"{name} is {what}" for name, what in told["source"].items() if what.startswith(("tied to", "an "))]
    if others:
        sentences.append(f"{_listed(others)}.")
    if "hidden bias" in told["source"] and not told["source"]["hidden bias"].endswith("which is 0"):
        sentences.append(f"The bias of the hidden layer, {told['source']['hidden bias']}, is folded into the output's.")
    if told["unused"]:
        sentences.append(f"Not used: {_listed(told['unused'])}.")
    if told["stored_dtype"] != "float64":
        sentences.append(f"W is stored as {told['stored_dtype']}; losses are of these numbers, computed in float64.")
    sentences += [f"Not worked out: {text}." for text in told["left_out"]]
    return sentences


def _best(told: dict[str, Any]) -> str:
    """Return what the best bias would change."""
    if "best_bias" not in told and any(text.startswith(BEST_BIAS) for text in told["left_out"]):
        return ""
    if "best_bias" not in told:
        return " `best_bias(model, weights)` finds the best one for these weights."
    without, best = (np.ravel(told[name]) for name in ("loss_without_bias", "loss_with_best_bias"))
    if len(without) == 1:
        return f" With the best bias for these weights the loss is {best[0]:.10g}, without one {without[0]:.10g}."
    most = int((without - best).argmax())
    return (
        f" With the best bias for each model's weights the mean loss is {best.mean():.6g}, without one "
        f"{without.mean():.6g}; the largest difference is {best[most]:.6g} instead of {without[most]:.6g}."
    )


def _listed(names: list[str]) -> str:
    more = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {more} more" if more > 0 else "")
