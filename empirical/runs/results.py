"""What training returns, and how an interrupted run is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tegum.theory.numerics import Summarised

if TYPE_CHECKING:
    from .recorded import Recorded


@dataclass(frozen=True, eq=False)
class TrainedModels(Summarised):
    """A batch of trained models.

    Attributes:
        weights: W, shape (*batch_shape, seeds, n_hidden, n_features), where batch_shape is the `ToyModel`'s.
        bias: b, shape (*batch_shape, seeds, n_features).
        seeds: shape (seeds,).
        loss: expected loss of the result, penalties included, shape (*batch_shape, seeds); NaN where it diverged.
            Exact for the ReLU output model of up to 8 features, and the linear model without penalties.
        loss_error: standard error of `loss`, same shape: 0 where it is exact. Elsewhere the loss is the mean over
            65,536 inputs, the same for all seeds.
        loss_history: loss during training on the objective's own samples, shape (records, *batch_shape, seeds); NaN
            after a model has stopped.
        history_steps: the step at which each record was taken, shape (records,).
        steps: optimiser steps taken by each model, shape (*batch_shape, seeds).
        converged: whether a model stopped early because it had converged, shape (*batch_shape, seeds).
        diverged: whether its parameters are no longer finite, shape (*batch_shape, seeds).
        architecture: which model was trained.
        status: "finished" or "interrupted".
        reason: what the status rests on.
        second: W₂ of an untied model, shape (*batch_shape, seeds, n_features, n_hidden), else None.
        recorded: the series that a `Recorder` asked for, else None. Files of trained models don't hold it.
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    seeds: NDArray[np.int64]
    loss: NDArray[np.float64]
    loss_error: NDArray[np.float64]
    loss_history: NDArray[np.float64]
    history_steps: NDArray[np.int64]
    steps: NDArray[np.int64]
    converged: NDArray[np.bool_]
    diverged: NDArray[np.bool_]
    architecture: str
    status: str
    reason: str
    second: NDArray[np.float64] | None = None
    recorded: Recorded | None = None

    def best(self) -> BestModels:
        """Return, for each model of the batch, the seed with the smallest loss.

        Raises:
            ValueError: if all seeds of a model diverged.
        """
        losses = np.where(np.isnan(self.loss), np.inf, self.loss)
        lost = ~np.isfinite(losses).any(axis=-1)
        if lost.any():
            raise ValueError(f"expected a seed that hasn't diverged for each model, got none for {lost.sum()} of them")
        place = losses.argmin(axis=-1)

        def chosen(array: NDArray[Any]) -> NDArray[Any]:
            index = place.reshape(place.shape + (1,) * (array.ndim - place.ndim))
            return np.take_along_axis(array, index, axis=place.ndim).squeeze(axis=place.ndim)

        return BestModels(
            weights=chosen(self.weights),
            bias=chosen(self.bias),
            second=None if self.second is None else chosen(self.second),
            loss=chosen(self.loss),
            seed=self.seeds[place],
        )


@dataclass(frozen=True, eq=False)
class BestModels(Summarised):
    """The best of several seeds by loss, for each model of a batch.

    Attributes:
        weights: W, shape (*batch_shape, n_hidden, n_features).
        bias: b, shape (*batch_shape, n_features).
        second: W₂ of an untied model, else None.
        loss: shape (*batch_shape,).
        seed: which it is, shape (*batch_shape,).
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    second: NDArray[np.float64] | None
    loss: NDArray[np.float64]
    seed: NDArray[np.int64]
