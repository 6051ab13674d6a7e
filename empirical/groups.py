"""Models that are trained together on sampled inputs, compiled or in tensors.

Both read and write rows of one `TrainingState`, as does `exact_group.py`. A model's result doesn't depend on its
neighbours: compiled loops take one model at a time, and tensor groups have a fixed size (rows past the last model
repeat it). That size depends on the device's memory; operations of another size can round differently in the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tegum.theory import ToyModel

from .inputs import Inputs, seed_words
from .models import Architecture, SampledLoss
from .optimisers import BETAS, EPSILON, Rule
from .records import CONVERGED, DIVERGED, FINISHED, RUNNING, TrainingState
from .sampling import InputTable, input_table

if TYPE_CHECKING:
    from .dynamics import Film

# Steps whose losses are averaged to see whether a sampled run still gets better.
WINDOW = 200
# Multiply-adds that one call of the compiled loop may take: about a tenth of a second.
CALL = 1 << 31
# Steps of a tensor group between looks at the stop flag and at what has converged.
BLOCK = 8


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


def settle(state: TrainingState, rows: NDArray[np.int64], settings: Settings) -> None:
    """Note which of the models that were running have diverged or taken their last step."""
    running = rows[state.outcome[rows] == RUNNING]
    finite = np.isfinite(state.parameters[running]).all(axis=1)
    state.outcome[running[~finite]] = DIVERGED
    rest = running[finite]
    state.outcome[rest[state.steps[rest] >= settings.steps]] = FINISHED


def _follow_losses(
    state: TrainingState, rows: NDArray[np.int64], losses: NDArray[np.float64], settings: Settings
) -> None:
    """Record losses of running models, and note which have converged.

    A sampled run has converged if the mean of a window of losses isn't below the one before by more than a share
    `tolerance`. All rows are at the same step, and windows end between calls.

    Args:
        state: whose `steps` are those before these losses.
        rows: models.
        losses: shape (models, steps taken).
        settings: of the run.
    """
    begin, taken = int(state.steps[rows[0]]), losses.shape[1]
    for place, mark in enumerate(settings.marks):
        if begin <= mark < begin + taken:
            state.history[place, rows] = losses[:, mark - begin]
    state.window[rows, 0] += losses.sum(axis=1)
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
        from . import kernels

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
            _follow_losses(state, mine, losses[running], settings)
            state.steps[mine] += taken
            settle(state, mine, settings)
            settings.record(state, mine)
            advance(len(mine) * taken)


class TensorGroup:
    """Sampled training in tensors: any device."""

    def __init__(
        self,
        model: ToyModel,
        seeds: NDArray[np.int64],
        state: TrainingState,
        rows: NDArray[np.int64],
        size: int,
        settings: Settings,
    ) -> None:
        """Move the rows to the device, the last one repeated up to `size`."""
        self._state, self._rows, self._settings = state, rows, settings
        index = rows[np.minimum(np.arange(size), len(rows) - 1)]
        self._index = index
        device, dtype = settings.device, settings.dtype

        def place(array: NDArray[Any]) -> Tensor:
            return torch.tensor(array, dtype=dtype, device=device)

        self._parameters = place(state.parameters[index])
        wide = state.parameters.shape[1]
        self._moments = [place(state.memory[index, k * wide : (k + 1) * wide]) for k in range(settings.rule.moments)]
        part, m, n = model.take(index), model.n_hidden, model.n_features
        self._weights = self._parameters[:, : m * n].view(size, m, n)
        tied = settings.architecture.tied
        self._second = None if tied else self._parameters[:, m * n : 2 * m * n].view(size, n, m)
        self._bias = self._parameters[:, -n:]
        table = input_table(
            part, batch_size=settings.batch_size, stratified=settings.stratified, exact_zeros=settings.exact_zeros
        )
        self._inputs = Inputs(table, seeds[index], n, settings.batch_size, dtype, device)
        self._sampled = SampledLoss(
            settings.architecture,
            place(np.array(part.importances())),
            place(penalties_of(part)),
            self._inputs.weight,
            place(table.empty),
        )
        self._rates = place(settings.rates)
        self._step = torch.zeros((), dtype=torch.int64, device=device)
        self._active = torch.ones(size, 1, dtype=torch.bool, device=device)
        self._losses = torch.zeros(size, BLOCK, dtype=torch.float64, device=device)
        self._graph: Any = None

    def _advance(self) -> None:
        """Take one step. Everything happens on the device and in place, so that a CUDA graph can replay it."""
        inputs = self._inputs.draw(self._step)
        loss, d_weights, d_second, d_bias = self._sampled(self._weights, self._second, self._bias, inputs)
        gradient = torch.cat([d.flatten(1) for d in (d_weights, d_second, d_bias) if d is not None], dim=1)
        place = (self._step % BLOCK).view(1, 1).expand(len(loss), 1)
        self._losses.scatter_(1, place, loss[:, None].double())
        rate = self._rates[self._step]
        self._step += 1
        step = self._step.to(self._parameters.dtype)
        parameters, moments = self._settings.rule.update(self._parameters, gradient, tuple(self._moments), rate, step)
        for tensor, new in zip((self._parameters, *self._moments), (parameters, *moments), strict=True):
            tensor.copy_(torch.where(self._active, new, tensor))

    def _block(self, count: int) -> None:
        if self._settings.device.type != "cuda":
            for _ in range(count):
                self._advance()
            return
        if self._graph is None:
            self._capture()
        for _ in range(count):
            self._graph.replay()

    def _capture(self) -> None:
        """Record one step as a CUDA graph: a replay launches all of its kernels at once."""
        changing = self._parameters, *self._moments, self._step, self._losses
        kept = [tensor.clone() for tensor in changing]
        side: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self._advance()
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._advance()
        for tensor, before in zip(changing, kept, strict=True):
            tensor.copy_(before)

    def run(self, stopped: Callable[[], bool], advance: Callable[[int], None]) -> None:
        """Train until every model is done or `stopped`."""
        state, rows, settings = self._state, self._rows, self._settings
        # Rows that have stopped keep their steps; the others are all at the same one.
        while (running := state.outcome[rows] == RUNNING).any() and not stopped():
            step = int(state.steps[rows[running][0]])
            taken = min(BLOCK - step % BLOCK, settings.steps_until_record(rows, step))
            on = np.isin(self._index, rows[running])
            self._active.copy_(torch.as_tensor(on[:, None]))
            self._step.fill_(step)
            self._block(taken)
            mine, here = rows[running], np.flatnonzero(running)
            state.parameters[mine] = self._parameters[: len(rows)].cpu().numpy()[here]
            state.memory[mine] = torch.cat(self._moments, dim=1)[: len(rows)].cpu().numpy()[here]
            columns = slice(step % BLOCK, step % BLOCK + taken)
            losses = self._losses[: len(rows)].cpu().numpy()[here, columns]
            _follow_losses(state, mine, losses, settings)
            state.steps[mine] += taken
            settle(state, mine, settings)
            settings.record(state, mine)
            advance(len(mine) * taken)
