"""What training returns, and how an interrupted run is kept."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ..recording.film import Recorded

# What became of a model so far.
RUNNING, FINISHED, CONVERGED, DIVERGED = range(4)


@dataclass(frozen=True, eq=False)
class TrainedModels:
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
class BestModels:
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


@dataclass(eq=False)
class TrainingState:
    """Everything that a run needs to go on: one row for each model. Random numbers follow from seed and step.

    Attributes:
        parameters: packed weights and biases, shape (models, P).
        memory: what the optimiser remembers: Adam's first and second moments, SGD's momentum, or a packed
            `Lbfgs`, shape (models, any).
        steps: steps taken, shape (models,).
        outcome: RUNNING, FINISHED, CONVERGED or DIVERGED, shape (models,).
        window: sum of the batch losses in the present window of steps, and mean of the one before, shape (models, 2).
        history: losses recorded so far, NaN where none is yet, shape (records, models).
        recorded: what a `Film` has taken so far, NaN elsewhere, shape `Film.shape`.
    """

    parameters: NDArray[Any]
    memory: NDArray[Any]
    steps: NDArray[np.int64]
    outcome: NDArray[np.int8]
    window: NDArray[np.float64]
    history: NDArray[np.float64]
    recorded: NDArray[np.float64]

    @classmethod
    def begin(
        cls,
        parameters: NDArray[Any],
        marks: NDArray[np.int64],
        memory_size: int,
        recorded: tuple[int, int, int] = (0, 0, 0),
    ) -> TrainingState:
        """Return the state before the first step.

        Args:
            parameters: shape (models, P).
            marks: steps at which losses are recorded.
            memory_size: numbers that the optimiser remembers for each model.
            recorded: shape of what a film will take.
        """
        count = len(parameters)
        return cls(
            parameters=parameters,
            memory=np.zeros((count, memory_size), dtype=parameters.dtype),
            steps=np.zeros(count, dtype=np.int64),
            outcome=np.full(count, RUNNING, dtype=np.int8),
            window=np.tile([0.0, np.nan], (count, 1)),
            history=np.full((len(marks), count), np.nan),
            recorded=np.full(recorded, np.nan),
        )

    def save(self, path: Path, settings: dict[str, Any]) -> None:
        """Write the state and the run's settings, replacing `path` in one step."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as file:
            np.savez(file, settings=np.array(json.dumps(settings)), **vars(self))
        os.replace(partial, path)

    @classmethod
    def load(cls, path: Path, settings: dict[str, Any], fresh: TrainingState) -> TrainingState:
        """Read the state of a run with these settings.

        Args:
            path: file that `save` wrote.
            settings: those of the run that goes on.
            fresh: its state before the first step, whose shapes and types the saved one must have.

        Raises:
            ValueError: if the file can't be read or belongs to another run.
        """
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                saved = dict(json.loads(str(file["settings"])))
                state = cls(**{field.name: file[field.name] for field in fields(cls)})
        # A hostile or truncated file can fail in any way its reader knows.
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ValueError(
                f"checkpoint must be one that train saved, can't read {path}: {reason}; remove it to begin a new run"
            ) from None
        different = [name for name in settings if saved.get(name) != settings[name]]
        if different:
            name = different[0]
            raise ValueError(
                f"checkpoint {path} belongs to another run: expected {name} = {settings[name]!r}, "
                f"got {saved.get(name)!r}; remove it to begin a new run"
            )
        for name, expected in vars(fresh).items():
            found = getattr(state, name)
            if (found.shape, found.dtype) != (expected.shape, expected.dtype):
                raise ValueError(
                    f"checkpoint must be one that train saved: expected {name} of shape {expected.shape} and type "
                    f"{expected.dtype} in {path}, got {found.shape} and {found.dtype}; remove it to begin a new run"
                )
        return state
