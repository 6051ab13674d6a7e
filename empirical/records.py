"""What training returns, and how an interrupted run is kept."""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class TrainedModels:
    """A batch of trained models.

    Attributes:
        weights: W, shape (*batch_shape, seeds, n_hidden, n_features), where batch_shape is the `ToyModel`'s.
        bias: b, shape (*batch_shape, seeds, n_features).
        seeds: shape (seeds,).
        loss: exact expected loss of the result, shape (*batch_shape, seeds).
        loss_history: loss during training on the objective's own samples, shape (records, *batch_shape, seeds).
        history_steps: the step at which each record was taken, shape (records,).
        steps: optimiser steps taken by each model, shape (*batch_shape, seeds).
        status: "finished" or "interrupted".
        reason: what the status rests on.
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    seeds: NDArray[np.int64]
    loss: NDArray[np.float64]
    loss_history: NDArray[np.float64]
    history_steps: NDArray[np.int64]
    steps: NDArray[np.int64]
    status: str
    reason: str


@dataclass(eq=False)
class TrainingState:
    """Everything that a run needs to go on: one row for each model.

    Attributes:
        parameters: packed weights and biases, shape (models, P).
        mean: Adam's first moment, shape (models, P).
        square: Adam's second moment, shape (models, P).
        steps: steps taken, shape (models,).
        streams: positions of the random streams, shape (models, 4).
        history: losses recorded so far, NaN where none is yet, shape (records, models).
    """

    parameters: NDArray[Any]
    mean: NDArray[Any]
    square: NDArray[Any]
    steps: NDArray[np.int64]
    streams: NDArray[np.uint64]
    history: NDArray[np.float64]

    def save(self, path: Path, settings: dict[str, Any]) -> None:
        """Write the state and the run's settings, replacing `path` in one step."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as file:
            np.savez(file, settings=np.array(json.dumps(settings)), **vars(self))
        os.replace(partial, path)

    @classmethod
    def load(cls, path: Path, settings: dict[str, Any]) -> TrainingState:
        """Read the state of a run with these settings.

        Raises:
            ValueError: if the file can't be read or belongs to another run.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                saved = json.loads(str(file["settings"]))
                state = cls(**{name: file[name] for name in cls.__dataclass_fields__})
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise ValueError(f"checkpoint must be one that train saved, can't read {path}: {error}") from None
        different = sorted(name for name in settings if saved.get(name) != settings[name])
        if different:
            name = different[0]
            raise ValueError(
                f"checkpoint {path} belongs to another run: expected {name} = {settings[name]!r}, "
                f"got {saved.get(name)!r}"
            )
        return state
