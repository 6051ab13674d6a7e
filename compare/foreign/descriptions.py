"""The models that weights were trained for: what a file says, and options where it is silent."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from tegum.theory.models import IndependentFeatures, ToyModel, values_told
from tegum.theory.numerics import FloatArray, check_kind, check_number

from .inputs import UNITS
from .weights import WeightBatch

# What a rounding or a few of float64 leave of a number whose stored type isn't known.
SAME = UNITS * float(np.finfo(np.float64).eps)
# How parameters of a model are written as options; all others as they are called.
WRITTEN = {"density": "--density NUMBER", "importance": "--importance NUMBER"}


def model_of_weights(batch: WeightBatch, density: float | None = None, importance: float | None = None) -> ToyModel:
    """Return the models that weights were trained for.

    Args:
        batch: weights out of a file. If it has the models whole, they are returned.
        density: 1 − S of all features, where the file doesn't say it, or says it to the precision of the type that it
            is stored in; this number is used then.
        importance: that of the last feature against the others, likewise; 1 if neither says it.

    Returns:
        Models of the batch's shape; of independent features with amplitudes uniform on [0, 1], if the file doesn't say
        what their law is.

    Raises:
        ValueError: if neither the file nor an argument says what the density is, one is out of range, or an argument
            contradicts the file; or if the file says that it is another model, of `changes`.
    """
    check_kind("batch", batch, WeightBatch)
    if density is not None:
        check_number("density", density, above=0, most=1)
    if importance is not None:
        check_number("importance", importance, above=0)
    said = {"density": density, "importance": importance}
    _check_changes(batch, {name: value for name, value in said.items() if value is not None})
    m, n = batch.weights.shape[-2:]
    densities, importances, law = batch.density, batch.importance, ""
    if batch.model is not None:
        densities, importances = batch.model.densities(), batch.model.importances()
        law = f", of {type(batch.model.features).__name__}"
    _check_agrees(batch, "density", density, densities, law)
    relative = None if importances is None else importances / importances[..., :1]
    others = None if relative is None else relative[..., :-1]
    last = None if relative is None or n == 1 else relative[..., -1:]
    _check_agrees(batch, "importance", importance, last, law)
    if importance is not None and others is not None and not _agrees(batch, "importance", 1.0, others):
        raise ValueError(
            f"the file has importances of its own{law}, {values_told(importances)}: --importance is the last feature's "
            "where all others are alike; leave it out"
        )
    if batch.model is not None:
        return batch.model
    if densities is None and density is None:
        raise ValueError("the file doesn't say what the feature density is: pass --density")
    if density is not None:
        densities = np.full((*batch.batch_shape, n), density)
    if importances is None or importance is not None:
        importances = np.ones((*batch.batch_shape, n))
        importances[..., -1] = 1.0 if importance is None else importance
    return ToyModel(n, m, IndependentFeatures(densities), importances, bias="none" if batch.no_bias else "free")


def said_of_model(batch: WeightBatch, settled: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what a file says of the model of its weights, as keys of a description (docs/models.md).

    Args:
        batch: weights out of the file.
        settled: what is said elsewhere, likewise, with the keys of the law beside the others. A density or importance
            that agrees with the file's, to the precision of the type which that is stored in, stands for it.

    Returns:
        All keys if the file has the models whole; else the sizes, "bias" if the file says that there is none, and
        density and importance where it has these and they aren't settled.

    Raises:
        ValueError: if the file says that it is another model and that isn't settled, or has a single bias for all
            outputs and "bias" isn't "common".
    """
    settled = settled or {}
    if batch.model is not None:
        return batch.model.to_plain()
    _check_changes(batch, settled)
    m, n = batch.weights.shape[-2:]
    said: dict[str, Any] = {"n_features": n, "n_hidden": m}
    if batch.no_bias and "bias" not in settled:
        said["bias"] = "none"
    if batch.density is not None and not _agrees(batch, "density", settled.get("density"), batch.density):
        said["features"] = {"density": _shortest(batch.density)}
    if batch.importance is not None and not _agrees(batch, "importance", settled.get("importance"), batch.importance):
        said["importance"] = _shortest(batch.importance)
    return said


def _shortest(values: FloatArray) -> Any:
    """Return the values of all models and features, or those that all models share."""
    first = values.reshape(-1, values.shape[-1])[0]
    return first.tolist() if (values == first).all() else values.tolist()


def _agrees(batch: WeightBatch, name: str, given: Any, there: FloatArray) -> bool:
    """Whether what is said of a parameter is what the file has, to the precision of its type."""
    if given is None:
        return False
    values = np.vectorize(lambda value: float(Fraction(value)), otypes=[np.float64])(np.array(given, dtype=object))
    try:
        values = np.broadcast_to(values, there.shape)
    except ValueError:
        return False
    relative = max(batch.precision.get(f"{name} relative", 0.0), SAME)
    return np.allclose(there, values, rtol=relative, atol=batch.precision.get(name, 0.0))


def _check_agrees(batch: WeightBatch, name: str, given: float | None, there: FloatArray | None, law: str) -> None:
    """Raise `ValueError` if an option contradicts the file."""
    if given is None or there is None or _agrees(batch, name, given, there):
        return
    raise ValueError(
        f"--{name} {given} contradicts the file, which says {values_told(there)}{law}: leave the option out, or keep "
        "weights and their model in files that agree"
    )


def _check_changes(batch: WeightBatch, settled: Mapping[str, Any]) -> None:
    """Raise `ValueError` if a file says that its model is another one, and nothing else says which."""
    if batch.common_bias and not batch.no_bias and settled.get("bias") != "common":
        raise ValueError(
            f"expected a bias for each output, got the single number {batch.source.get('bias', 'b')}: say that all "
            "outputs have it with --bias common, or save one for each"
        )
    for what, parameters in batch.changes.items():
        if not any(name in settled for name in parameters):
            options = " or ".join(WRITTEN.get(name, f"--{name.replace('_', '-')}") for name in parameters)
            raise ValueError(
                f"the file says {what}, which would be another model than one of independent features on [0, 1] and a "
                f"plain loss: say which it is with {options} or --model FILE (docs/models.md), or take the key out of "
                "the file"
            )
