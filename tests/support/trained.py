"""Models as if they had been trained."""

from __future__ import annotations

import numpy as np

from tegum.empirical.runs import TrainedModels
from tegum.theory.numerics import FloatArray


def trained_by_hand(weights: FloatArray, bias: FloatArray, loss: FloatArray) -> TrainedModels:
    """Return models of shape (*batch_shape, seeds) as if they had been trained."""
    shape = loss.shape
    return TrainedModels(
        weights=weights,
        bias=bias,
        seeds=np.arange(shape[-1]),
        loss=loss,
        loss_error=np.zeros(shape),
        loss_history=np.zeros((1, *shape)),
        history_steps=np.zeros(1, dtype=np.int64),
        steps=np.ones(shape, dtype=np.int64),
        converged=np.zeros(shape, dtype=bool),
        diverged=np.isnan(loss),
        second=None,
        architecture="relu_output",
        status="finished",
        reason="made by hand",
    )
