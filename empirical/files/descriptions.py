"""What a file says of the models that were trained: densities and importances as arrays, law and penalties as words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tegum.theory.models import PENALTIES, Amplitude, IndependentFeatures, ToyModel

from ..runs import TrainedModels

# Names of the arrays, beside those of the record.
MODEL_NAMES = ("feature_density", "feature_importance", "active_probability")


def model_arrays(trained: TrainedModels, model: ToyModel | None) -> dict[str, NDArray[Any]]:
    """Return a model's densities and importances, shape (*batch, n_features)."""
    if model is None:
        return {}
    batch, (m, n) = trained.loss.shape[:-1], trained.weights.shape[-2:]
    if (model.n_features, model.n_hidden, model.batch_shape) != (n, m, batch):
        raise ValueError(
            f"expected the model that was trained: n_features={n}, n_hidden={m}, batch shape {batch}; got "
            f"n_features={model.n_features}, n_hidden={model.n_hidden}, batch shape {model.batch_shape}"
        )
    # Only a law that the density says all about may be read as one.
    density = "feature_density" if _is_plain(model) else "active_probability"
    return {density: model.densities(), "feature_importance": model.importances()}


def _is_plain(model: ToyModel) -> bool:
    """Whether densities and importances say all about a model: independent features, uniform on [0, 1]."""
    law = model.features
    return isinstance(law, IndependentFeatures) and law.amplitude == Amplitude(0, 1) and not model.has_penalty


def described(model: ToyModel) -> dict[str, Any]:
    """Return a model's law and penalties as plain values."""
    law = model.features
    words: dict[str, Any] = {
        "law": type(law).__name__,
        "amplitude": [float(law.amplitude.low), float(law.amplitude.high)],
    }
    if hasattr(law, "groups"):
        words["groups"] = [list(map(int, group)) for group in law.groups]
    if hasattr(law, "active"):
        words["active"] = int(law.active)
    if hasattr(law, "table"):
        words["table"] = [[list(map(int, on)), np.asarray(p, float).tolist()] for on, p in law.table.items()]
    for name in PENALTIES:
        words[name] = np.asarray(getattr(model, name)).tolist()
    return words
