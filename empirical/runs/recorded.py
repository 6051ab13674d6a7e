"""Metrics of a run by step: which there are, what was asked for, and what was recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tegum.theory.geometry import (
    dimensions_per_feature,
    feature_dimensionality,
    feature_norms,
    gram,
    neuron_polysemanticity,
    superposition,
)
from tegum.theory.numerics import FloatArray, Summarised, members, truths, whole_numbers


@dataclass(frozen=True)
class _Metric:
    """A quantity of a model: its axes, and for those of geometry its definition by W."""

    axes: tuple[str, ...]
    of_weights: Callable[[FloatArray], FloatArray] | None = None


# The quantities that can be recorded. The loss is that of `TrainedModels.loss`.
METRICS = {
    "weights": _Metric(("hidden", "feature")),
    "second": _Metric(("feature", "hidden")),
    "bias": _Metric(("feature",)),
    "loss": _Metric(()),
    "feature_norms": _Metric(("feature",), feature_norms),
    "gram": _Metric(("feature", "other_feature"), gram),
    "superposition": _Metric(("feature",), superposition),
    "feature_dimensionality": _Metric(("feature",), feature_dimensionality),
    "dimensions_per_feature": _Metric((), dimensions_per_feature),
    "neuron_polysemanticity": _Metric(("hidden",), neuron_polysemanticity),
}


@dataclass(frozen=True, eq=False)
class Recorder(Summarised):
    """What `train` is to record.

    Attributes:
        steps: numbers of optimiser steps after which to record, ascending; 0 is the start.
        metrics: names from "weights", "second" (of an untied model), "bias", "loss" (as `TrainedModels.loss`, so up to
            eight features exact), and the functions of `tegum.theory`: "feature_norms", "gram", "superposition",
            "feature_dimensionality", "dimensions_per_feature", "neuron_polysemanticity".
        models: which models, a boolean array of shape (*batch_shape, seeds); default all.

    Raises:
        ValueError: if steps don't ascend from 0 or later, a metric is unknown or named twice, or models aren't boolean.
    """

    steps: Sequence[int]
    metrics: Sequence[str] = ("feature_dimensionality",)
    models: Any = None

    def __post_init__(self) -> None:
        """Check what can be checked without the models."""
        whole_numbers("steps", self.steps, ("records",), least=0)
        if not isinstance(self.metrics, str):
            object.__setattr__(self, "metrics", members("metrics", self.metrics, str))
        steps = np.asarray(self.steps)
        whole = steps.ndim == 1 and steps.size and steps.dtype.kind in "iu"
        if not whole or (steps < 0).any() or (np.diff(steps.astype(np.int64)) <= 0).any():
            raise ValueError(f"steps to record must be whole numbers that ascend from 0 or later, got {self.steps!r}")
        names = [self.metrics] if isinstance(self.metrics, str) else list(self.metrics)
        if not names or len(set(names)) < len(names) or not set(names) <= set(METRICS):
            raise ValueError(f"metrics must be some of {', '.join(METRICS)}, each once, got {self.metrics!r}")
        if self.models is not None:
            truths("models", self.models, (..., "seeds"))
        object.__setattr__(self, "steps", tuple(map(int, steps)))
        object.__setattr__(self, "metrics", tuple(names))


@dataclass(frozen=True, eq=False)
class Recorded(Summarised):
    """Series that were recorded during training: T records of K models.

    Attributes:
        steps: optimiser steps before each record, shape (T,).
        models: place of each model in (*batch_shape, seeds), shape (K, batch dimensions + 1).
        seeds: seed of each model, shape (K,).
        series: for each metric an array of shape (T, K, ...). A model that has converged keeps its last value; NaN
            stands where a model has diverged or its training was interrupted.
    """

    steps: NDArray[np.int64]
    models: NDArray[np.int64]
    seeds: NDArray[np.int64]
    series: dict[str, FloatArray]

    def __getitem__(self, metric: str) -> FloatArray:
        """Return a metric's series, shape (T, K, ...)."""
        if metric not in self.series:
            raise ValueError(f"expected a metric that was recorded, {', '.join(self.series)}, got {metric!r}")
        return self.series[metric]

    def to_dataset(self) -> xr.Dataset:
        """Return a labelled dataset with dimensions `step`, `model`, `feature` and `hidden`."""
        import xarray as xr

        variables = {name: (("step", "model", *METRICS[name].axes), array) for name, array in self.series.items()}
        places = {f"place_{k}": ("model", column) for k, column in enumerate(self.models.T[:-1])}
        coordinates: dict[str, Any] = {"step": self.steps, "seed": ("model", self.seeds)} | places
        return xr.Dataset(variables, coords=coordinates)
