"""What every group of models can do, whatever trains it, and the book-keeping that groups share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tegum.theory.models import PENALTIES, ToyModel

from ..runs import CONVERGED, DIVERGED, FINISHED, RUNNING, Settings, TrainingState

# Steps whose losses are averaged to see whether a sampled run still gets better.
WINDOW = 200


class Group(Protocol):
    """A few models of a run."""

    def run(self, stopped: Callable[[], bool], advance: Callable[[int], None]) -> None:
        """Train until every model is done or `stopped`, and hand the state back; `advance` hears of model-steps."""


def settle(state: TrainingState, rows: NDArray[np.int64], finite: NDArray[np.bool_], settings: Settings) -> None:
    """Note which of the models that were running have diverged or taken their last step.

    Args:
        state: of the run.
        rows: models.
        finite: whose parameters are, shape (models,).
        settings: of the run.
    """
    running = state.outcome[rows] == RUNNING
    state.outcome[rows[running & ~finite]] = DIVERGED
    rest = rows[running & finite]
    state.outcome[rest[state.steps[rest] >= settings.steps]] = FINISHED


def finite_rows(state: TrainingState, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return whose parameters are finite."""
    return np.asarray(np.isfinite(state.parameters[rows]).all(axis=1))


def marks_between(settings: Settings, begin: int, taken: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which records fall into some steps, and at which of the steps."""
    places = np.flatnonzero((settings.marks >= begin) & (settings.marks < begin + taken))
    return places, settings.marks[places] - begin


def follow_losses(
    state: TrainingState,
    rows: NDArray[np.int64],
    taken: int,
    marked: NDArray[np.float64],
    total: NDArray[np.float64],
    settings: Settings,
) -> None:
    """Record losses of running models, and note which have converged.

    A sampled run has converged if the mean of a window of losses isn't below the one before by more than a share
    `tolerance`. All rows are at the same step, and windows end between calls.

    Args:
        state: whose `steps` are those before these losses.
        rows: models.
        taken: steps.
        marked: losses at the steps that are to be recorded, shape (models, records).
        total: sum of the losses of all steps, shape (models,).
        settings: of the run.
    """
    begin = int(state.steps[rows[0]])
    places, _ = marks_between(settings, begin, taken)
    state.history[places[:, None], rows] = marked.T
    state.window[rows, 0] += total
    if (begin + taken) % WINDOW:
        return
    mean = state.window[rows, 0] / WINDOW
    before = state.window[rows, 1]
    if settings.tolerance is not None:
        done = np.isfinite(before) & (before - mean < settings.tolerance * mean)
        state.outcome[rows[done]] = CONVERGED
    state.window[rows] = np.stack([np.zeros_like(mean), mean], axis=1)


def penalties_of(model: ToyModel) -> NDArray[np.float64]:
    """Return λ_I, λ_W, λ_A of a flat batch, shape (R, 3)."""
    given = [np.broadcast_to(getattr(model, name), model.batch_shape) for name in PENALTIES]
    return np.stack(given, axis=-1).astype(np.float64)
