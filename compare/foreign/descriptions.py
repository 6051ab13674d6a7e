"""The models that weights were trained for: what a file says, and options where it is silent."""

from __future__ import annotations

from typing import Any

import numpy as np

from tegum.theory.models import IndependentFeatures, ToyModel
from tegum.theory.numerics import FloatArray

from .weights import WeightBatch

# Numbers of a file and of an option that agree to this, relative, are the same; files hold float32.
SAME = 1e-6


def model_of_weights(batch: WeightBatch, density: float | None = None, importance: float | None = None) -> ToyModel:
    """Return the models that weights were trained for.

    Args:
        batch: weights out of a file. If it has the models whole, they are returned.
        density: 1 − S of all features, where the file doesn't say it.
        importance: that of the last feature against the others, where the file doesn't say it; 1 if neither does.

    Returns:
        Models of the batch's shape; of independent features with amplitudes uniform on [0, 1], if the file doesn't say
        what their law is.

    Raises:
        ValueError: if neither the file nor an argument says what the density is, one is out of range, or an argument
            contradicts the file.
    """
    m, n = batch.weights.shape[-2:]
    densities, importances, law = batch.density, batch.importance, ""
    if batch.model is not None:
        densities, importances = batch.model.densities(), batch.model.importances()
        law = f", of {type(batch.model.features).__name__}"
    _check_agrees("--density", density, densities, law)
    relative = None if importances is None else importances / importances[..., :1]
    others = None if relative is None else relative[..., :-1]
    _check_agrees("--importance", importance, None if relative is None or n == 1 else relative[..., -1:], law)
    if importance is not None and others is not None and not np.allclose(others, 1, rtol=SAME, atol=0):
        raise ValueError(
            f"the file has importances of its own{law}, {_shown(importances)}: --importance is the last feature's "
            "where all others are alike; leave it out"
        )
    if batch.model is not None:
        return batch.model
    if densities is None:
        if density is None:
            raise ValueError("the file doesn't say what the feature density is: pass --density")
        densities = np.full((*batch.batch_shape, n), density)
    if importances is None:
        importances = np.ones((*batch.batch_shape, n))
        importances[..., -1] = 1.0 if importance is None else importance
    return ToyModel(n, m, IndependentFeatures(densities), importances)


def said_of_model(batch: WeightBatch) -> dict[str, Any]:
    """Return what a file says of the model of its weights, as keys of a description (docs/models.md).

    Args:
        batch: weights out of the file.

    Returns:
        All keys if the file has the models whole; else the sizes, and density and importance where it has these.
    """
    if batch.model is not None:
        return batch.model.to_plain()
    m, n = batch.weights.shape[-2:]
    said: dict[str, Any] = {"n_features": n, "n_hidden": m}
    if batch.density is not None:
        said["features"] = {"density": _shortest(batch.density)}
    if batch.importance is not None:
        said["importance"] = _shortest(batch.importance)
    return said


def _shortest(values: FloatArray) -> Any:
    """Return the values of all models and features, or those that all models share."""
    first = values.reshape(-1, values.shape[-1])[0]
    return first.tolist() if (values == first).all() else values.tolist()


def _check_agrees(option: str, given: float | None, there: FloatArray | None, law: str) -> None:
    """Raise `ValueError` if an option contradicts the file."""
    if given is None or there is None or np.allclose(there, given, rtol=SAME, atol=0):
        return
    raise ValueError(
        f"{option} {given:.10g} contradicts the file, which says {_shown(there)}{law}: leave the option out, or keep "
        "weights and their model in files that agree"
    )


def _shown(values: FloatArray | None) -> str:
    """Return numbers of a file, a few of them."""
    unique = np.unique(np.asarray(values))
    if len(unique) <= 4:
        return ", ".join(f"{x:.10g}" for x in unique)
    return f"{len(unique)} values from {unique[0]:.6g} to {unique[-1]:.6g}"
