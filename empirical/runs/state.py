"""Where a run stands: weights, moments and status of every model, between two steps."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tegum.theory.numerics import Summarised
from tegum.theory.storage import SHA256, Destination, digest_of, json_of, read_npz, warn_unverified

# What became of a model so far.
RUNNING, FINISHED, CONVERGED, DIVERGED = range(4)


@dataclass(eq=False)
class TrainingState(Summarised):
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
        """Write the state and the run's settings, replacing `path` in one step.

        Raises:
            MovedError: if it can't be written there; it is elsewhere then.
        """
        with Destination(path) as place:
            place.save(lambda new: self.write(new, settings))

    def write(self, path: Path, settings: dict[str, Any]) -> None:
        """Write them to a new file."""
        arrays: dict[str, Any] = {"settings": np.array(json.dumps(settings)), **vars(self)}
        arrays[SHA256] = np.array(digest_of({}, arrays))
        with path.open("wb") as file:
            np.savez(file, **arrays)

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
            arrays = read_npz(path)
            written = arrays.pop(SHA256, None)
            if written is None:
                warn_unverified(path, "the checkpoint")
            elif digest_of({}, arrays) != str(written):
                raise ValueError("its checksum differs")
            saved = dict(json_of(str(arrays.pop("settings"))))
            state = cls(**{field.name: arrays[field.name] for field in fields(cls)})
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
