"""Models that are trained together on sampled inputs on a device: in tensors (`tensor_steps.py`) or fused kernels.

A group has a fixed size; rows past the last model repeat it. That size depends on the device's memory, and operations
of another size can round differently in the last bit. Parameters stay on the device from the first step to the last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tegum.theory.models import ToyModel

from ..inputs import InputTable, input_table
from ..runs import RUNNING, Settings, TrainingState
from .group import WINDOW, follow_losses, marks_between, settle
from .tensor_steps import TensorSteps


class Steps(Protocol):
    """What takes optimiser steps on a device.

    Attributes:
        parameters: packed weights and biases, shape (models, P).
        moments: what the rule remembers, shape (models, P) each.
        block: most steps at once.
    """

    parameters: Tensor
    moments: Sequence[Tensor]
    block: int

    def take(self, step: int, count: int, active: Tensor) -> Tensor:
        """Take steps from number `step` on, and return the losses before each, shape (models, count).

        Args:
            step: number of the first.
            count: how many, at most `block` and not past a multiple of it.
            active: models that move, shape (models,).
        """


def steps_on(
    model: ToyModel,
    table: InputTable,
    seeds: NDArray[np.int64],
    parameters: Tensor,
    moments: Sequence[Tensor],
    settings: Settings,
) -> Steps:
    """Return the quickest way to take steps: fused kernels on a CUDA device where there are some, else tensors."""
    # Triton comes with torch's CUDA builds, on some platforms.
    if settings.device.type == "cuda" and settings.dtype == torch.float32 and find_spec("triton"):
        from .fused_steps import FusedSteps, fusible

        if fusible(model, table, settings):
            return FusedSteps(model, table, seeds, parameters, moments, settings)
    return TensorSteps(model, table, seeds, parameters, moments, settings)


class DeviceGroup:
    """Sampled training on any device.

    Args:
        model: a flat batch.
        seeds: one for each model.
        state: what is trained, a row for each model.
        rows: those of this group.
        size: to which the group is filled up.
        settings: of the run.
    """

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
        self._index = index = rows[np.minimum(np.arange(size), len(rows) - 1)]
        part = model.take(index)
        table = input_table(
            part, batch_size=settings.batch_size, stratified=settings.stratified, exact_zeros=settings.exact_zeros
        )
        wide = state.parameters.shape[1]

        def place(array: NDArray[Any]) -> Tensor:
            return torch.tensor(array, dtype=settings.dtype, device=settings.device)

        parameters = place(state.parameters[index])
        moments = [place(state.memory[index, k * wide : (k + 1) * wide]) for k in range(settings.rule.moments)]
        self._steps = steps_on(part, table, seeds[index], parameters, moments, settings)

    def run(self, stopped: Callable[[], bool], advance: Callable[[int], None]) -> None:
        """Train until every model is done or `stopped`."""
        state, rows, settings, steps = self._state, self._rows, self._settings, self._steps
        count = len(rows)
        moved = np.zeros(count, dtype=bool)
        try:
            # Rows that have stopped keep their steps; the others are all at the same one.
            while (running := state.outcome[rows] == RUNNING).any() and not stopped():
                mine, step = rows[running], int(state.steps[rows[running][0]])
                room = min(steps.block - step % steps.block, WINDOW - step % WINDOW)
                taken = min(room, settings.steps_until_record(rows, step))
                active = torch.as_tensor(np.isin(self._index, mine), device=settings.device)
                losses = steps.take(step, taken, active)[:count].double()
                moved |= running
                _, at = marks_between(settings, step, taken)
                marked, total = losses[:, at].cpu().numpy(), losses.sum(dim=1).cpu().numpy()
                finite = torch.isfinite(steps.parameters[:count]).all(dim=1).cpu().numpy()
                follow_losses(state, mine, taken, marked[running], total[running], settings)
                state.steps[mine] += taken
                settle(state, mine, finite[running], settings)
                if settings.film is not None:
                    self._hand_back(running)
                    settings.record(state, mine)
                advance(len(mine) * taken)
        finally:
            self._hand_back(moved)

    def _hand_back(self, some: NDArray[np.bool_]) -> None:
        """Copy some of the rows to the state."""
        here = np.flatnonzero(some)
        if not here.size:
            return
        state, mine = self._state, self._rows[here]
        state.parameters[mine] = self._steps.parameters[: len(self._rows)].cpu().numpy()[here]
        state.memory[mine] = torch.cat(list(self._steps.moments), dim=1)[: len(self._rows)].cpu().numpy()[here]
