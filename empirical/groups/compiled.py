"""Models that are trained together, and those that run compiled on a CPU.

All groups read and write rows of one `TrainingState`: these here, `device_group.py` and `exact_group.py`. A model's
result doesn't depend on its neighbours; the compiled loops take one model at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from tegum.theory import ToyModel

from ..inputs.draws import seed_words
from ..runs.architectures import Architecture
from ..runs.optimisers import BETAS, EPSILON, Rule
from ..runs.results import CONVERGED, DIVERGED, FINISHED, RUNNING, TrainingState
from ..inputs.tables import InputTable, input_table

if TYPE_CHECKING:
    from ..recording.film import Film

# Steps whose losses are averaged to see whether a sampled run still gets better.
WINDOW = 200
# Multiply-adds that one call of the compiled loop may take: about a tenth of a second.
CALL = 1 << 31


@dataclass(frozen=True)
class Settings:
    """How to train; the arguments of `train` once they are checked."""

    architecture: Architecture
    objective: str
    steps: int
    batch_size: int
    rates: NDArray[np.float64]
    rule: Rule
    stratified: bool
    exact_zeros: bool
    tolerance: float | None
    dtype: torch.dtype
    device: torch.device
    marks: NDArray[np.int64]
    film: Film | None = None

    def steps_until_record(self, rows: NDArray[np.int64], step: int) -> int:
        """Return how many steps some rows may take at once; all of a group's are recorded at the same steps."""
        left = self.steps - step
        return left if self.film is None else min(left, self.film.steps_until_record(rows, step))

    def record(self, state: TrainingState, rows: NDArray[np.int64]) -> None:
        """Record those of some rows that are at a step to be recorded."""
        if self.film is not None:
            self.film.take(state, rows)


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


def table_arrays(table: InputTable) -> tuple[Any, ...]:
    """Return a table as the compiled loop takes it."""
    return (
        int(table.stratified),
        table.block_of,
        table.starts,
        table.members,
        table.low,
        table.high,
        table.first_edges,
        table.chances,
        table.masks,
        table.amplitude,
        table.hot,
    )


def penalties_of(model: ToyModel) -> NDArray[np.float64]:
    """Return λ_I, λ_W, λ_A of a flat batch, shape (R, 3)."""
    given = (model.interference_penalty, model.weight_decay, model.activation_penalty)
    return np.stack([np.broadcast_to(value, model.batch_shape) for value in given], axis=-1).astype(np.float64)


class CompiledGroup:
    """Sampled training on a CPU by `kernels.advance`."""

    def __init__(
        self,
        model: ToyModel,
        seeds: NDArray[np.int64],
        state: TrainingState,
        rows: NDArray[np.int64],
        settings: Settings,
    ) -> None:
        """Look up what the rows need."""
        self._state, self._rows, self._settings = state, rows, settings
        part = model.take(rows)
        self._table = input_table(
            part, batch_size=settings.batch_size, stratified=settings.stratified, exact_zeros=settings.exact_zeros
        )
        self._keys = seed_words(seeds[rows])
        self._kind = np.float64 if settings.dtype == torch.float64 else np.float32
        self._importance = np.array(part.importances(), dtype=self._kind)
        self._penalties = penalties_of(part)
        self._sizes = part.n_hidden, part.n_features, settings.batch_size
        shape = settings.architecture
        self._shape = shape.hidden_relu, not shape.output_relu, shape.tied, shape.absolute

    def run(self, stopped: Callable[[], bool], advance: Callable[[int], None]) -> None:
        """Train until every model is done or `stopped`."""
        from ..kernels import cpu as kernels

        state, rows, settings = self._state, self._rows, self._settings
        m, n, batch = self._sizes
        rule = settings.rule
        packed = (
            kernels.SGD if rule.kind == "sgd" else kernels.ADAM,
            float(rule.momentum),
            BETAS[1],
            EPSILON,
            float(rule.decay),
        )
        parameters, size = state.parameters[rows], state.parameters.shape[1]
        moments = [np.ascontiguousarray(state.memory[rows, k * size : (k + 1) * size]) for k in range(rule.moments)]
        law = table_arrays(self._table)
        while (running := state.outcome[rows] == RUNNING).any() and not stopped():
            step = int(state.steps[rows[running][0]])
            most = max(1, CALL // (int(running.sum()) * batch * n * (5 * m + 8)))
            taken = min(most, WINDOW - step % WINDOW, settings.steps_until_record(rows, step))
            losses = np.zeros((len(rows), taken))
            kernels.advance(
                parameters,
                moments[0],
                moments[-1],
                self._keys,
                running,
                step,
                settings.rates[step : step + taken],
                law,
                self._table.counts,
                self._table.masses,
                self._table.empty,
                self._importance,
                self._penalties,
                self._sizes,
                self._shape,
                packed,
                losses,
            )
            mine = rows[running]
            state.parameters[mine] = parameters[running]
            state.memory[mine] = np.concatenate([moment[running] for moment in moments], axis=1)
            _, at = marks_between(settings, step, taken)
            follow_losses(state, mine, taken, losses[running][:, at], losses[running].sum(axis=1), settings)
            state.steps[mine] += taken
            settle(state, mine, finite_rows(state, mine), settings)
            settings.record(state, mine)
            advance(len(mine) * taken)
