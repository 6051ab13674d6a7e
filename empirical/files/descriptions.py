"""What a file says of the models that were trained: a description (docs/models.md), and densities as arrays beside it.

The arrays are labelled variables of a dataset, and all that earlier versions of tegum read of a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tegum.theory.models import PENALTIES, Amplitude, IndependentFeatures, ToyModel, law_from_plain
from tegum.theory.numerics import check_kind

from ..runs import TrainedModels

# Names of the arrays, beside those of the record.
MODEL_NAMES = ("feature_density", "feature_importance", "active_probability")
# Those of P(x_i ≠ 0): of a law that it says all about, and of another.
DENSITIES = ("feature_density", "active_probability")
# What laws and penalties were called before descriptions had a format of their own.
FORMER_LAWS = {
    "IndependentFeatures": "independent",
    "CorrelatedFeatures": "correlated",
    "AnticorrelatedFeatures": "anticorrelated",
    "OneHotFeatures": "one-hot",
    "KHotFeatures": "k-hot",
    "TableFeatures": "table",
}
FORMER_PENALTIES = {"weight_penalty": "weight_decay"}
OF_DENSITY, OF_GROUPS = ("independent", "correlated", "anticorrelated"), ("correlated", "anticorrelated")


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
    density = DENSITIES[not _is_plain(model)]
    return {density: model.densities(), "feature_importance": model.importances()}


def _is_plain(model: ToyModel) -> bool:
    """Whether densities and importances say all about a model: independent features, uniform on [0, 1]."""
    law = model.features
    return isinstance(law, IndependentFeatures) and law.amplitude == Amplitude(0, 1) and not model.has_penalty


def described_model(attributes: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> ToyModel | None:
    """Return the model that a file of trained models describes.

    Args:
        attributes: of the file, as plain values.
        arrays: of the file. Those of `MODEL_NAMES` have an axis of length 1 where seeds are; a file of today's format
            isn't asked for them.

    Returns:
        The model, whose batch shape is that of the runs without their seeds; None if the file doesn't say.

    Raises:
        ValueError: if what it says is incomplete, or no model of this version.
    """
    for name, given in (("attributes", attributes), ("arrays", arrays)):
        check_kind(name, given, Mapping)
    words = attributes.get("model")
    if words is None:
        return None
    if isinstance(words, Mapping) and "format" in words:
        return ToyModel.from_plain(words)
    try:
        return _former_model(attributes, words, arrays)
    # What a file says may be anything.
    except (KeyError, IndexError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"expected the description of a model, got one without {error}") from None


def _former_model(
    attributes: Mapping[str, Any], words: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> ToyModel:
    """Return the model of the words and arrays that were kept before descriptions had a format of their own."""
    kind = FORMER_LAWS[words["law"]]
    plain: dict[str, Any] = {"law": kind, "amplitude": list(words["amplitude"])}
    if kind in OF_DENSITY:
        (density,) = (arrays[name] for name in DENSITIES if name in arrays)
        plain["density"] = np.asarray(density)[..., 0, :].tolist()
    plain |= {"groups": words["groups"]} if kind in OF_GROUPS else {}
    plain |= {"active": words["active"]} if kind == "k-hot" else {}
    plain |= {"table": words["table"]} if kind == "table" else {}
    penalties: dict[str, Any] = {
        name: np.asarray(words[name] if name in words else words[FORMER_PENALTIES[name]]) for name in PENALTIES
    }
    importance = np.asarray(arrays["feature_importance"])[..., 0, :]
    sizes = int(attributes["n_features"]), int(attributes["n_hidden"])
    return ToyModel(*sizes, law_from_plain(plain), importance, **penalties)
