"""What a file says of the models that were trained: densities and importances as arrays, law and penalties as words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tegum.theory.models import (
    PENALTIES,
    Amplitude,
    AnticorrelatedFeatures,
    CorrelatedFeatures,
    FeatureLaw,
    IndependentFeatures,
    KHotFeatures,
    OneHotFeatures,
    TableFeatures,
    ToyModel,
)

from ..runs import TrainedModels

# Names of the arrays, beside those of the record.
MODEL_NAMES = ("feature_density", "feature_importance", "active_probability")
# Those of P(x_i ≠ 0): of a law that it says all about, and of another.
DENSITIES = ("feature_density", "active_probability")


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


def described_model(attributes: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> ToyModel | None:
    """Return the model that `save_models` kept with trained models, the inverse of `described` and `model_arrays`.

    Args:
        attributes: of the file, whose "model" holds what `described` returned.
        arrays: of the file, whose densities and importances have an axis of length 1 where seeds are.

    Returns:
        The model, whose batch shape is that of the runs without their seeds; None if the file doesn't say one.

    Raises:
        ValueError: if what it says is incomplete, or no model of this version.
    """
    words = attributes.get("model")
    if words is None:
        return None
    try:
        importance = np.asarray(arrays["feature_importance"])[..., 0, :]
        density = next((np.asarray(arrays[name])[..., 0, :] for name in DENSITIES if name in arrays), None)
        penalties = {name: np.asarray(words[name]) for name in PENALTIES}
        sizes = int(attributes["n_features"]), int(attributes["n_hidden"])
        return ToyModel(*sizes, _law(words, density), importance, **penalties)
    # What a file says may be anything.
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"expected the description of a model, got one without {error}") from None


def _law(words: Mapping[str, Any], density: NDArray[Any] | None) -> FeatureLaw:
    """Return the law of a description, of these densities if it is one of densities."""
    amplitude, name = Amplitude(*words["amplitude"]), words["law"]
    grouped = {"CorrelatedFeatures": CorrelatedFeatures, "AnticorrelatedFeatures": AnticorrelatedFeatures}
    if name == "IndependentFeatures":
        return IndependentFeatures(density, amplitude=amplitude)
    if name in grouped:
        return grouped[name](density, words["groups"], amplitude=amplitude)
    if name == "KHotFeatures":
        return KHotFeatures(words["active"], amplitude=amplitude)
    if name == "OneHotFeatures":
        return OneHotFeatures(amplitude=amplitude)
    if name == "TableFeatures":
        return TableFeatures({tuple(on): np.asarray(p) for on, p in words["table"]}, amplitude=amplitude)
    raise ValueError(f"expected one of the project's laws in the description of the model, got {name!r}")
