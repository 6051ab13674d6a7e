"""Models that are trained together, and those that run compiled on a CPU.

All groups read and write rows of one `TrainingState`: these here, `device.py` and `exact.py`. A model's
result doesn't depend on its neighbours; the compiled loops take one model at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from tegum.theory.models import ToyModel

from ..inputs import InputTable, input_table, seed_words
from ..runs import BETAS, EPSILON, RUNNING, Architecture, Settings, TrainingState
from .group import WINDOW, finite_rows, follow_losses, marks_between, penalties_of, settle

if TYPE_CHECKING:
    from ..kernels import records

# Multiply-adds that one call of the compiled loop may take: about a tenth of a second.
CALL = 1 << 31


def law_of(table: InputTable) -> records.Law:
    """Return a table as the compiled loop takes it."""
    from ..kernels import records

    return records.Law(
        stratified=int(table.stratified),
        block_of=table.block_of,
        starts=table.starts,
        members=table.members,
        low=table.low,
        high=table.high,
        first_edges=table.first_edges,
        chances=table.chances,
        masks=table.masks,
        amplitude=table.amplitude,
        hot=table.hot,
    )


def shape_of(architecture: Architecture, model: ToyModel) -> records.Shape:
    """Return which model it is as the compiled loop takes it."""
    from ..kernels import records

    return records.Shape(
        hidden_relu=architecture.hidden_relu,
        linear=not architecture.output_relu,
        tied=architecture.tied,
        absolute=architecture.absolute,
        only_active=model.targets == "active",
        common_bias=model.bias == "common",
        no_bias=model.bias == "none",
    )


class CompiledGroup:
    """Sampled training on a CPU by the steps of `kernels/cpu.py`."""

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
        self._shape = shape_of(settings.architecture, part)

    def run(self, stopped: Callable[[], bool], advance: Callable[[int], None]) -> None:
        """Train until every model is done or `stopped`."""
        from ..kernels import cpu, records

        state, rows, settings = self._state, self._rows, self._settings
        m, n, batch = self._sizes
        rule = settings.rule
        kind = records.SGD if rule.kind == "sgd" else records.ADAM
        optimiser = records.Rule(kind, float(rule.momentum), BETAS[1], EPSILON, float(rule.decay))
        samples = records.Samples(self._table.counts, self._table.masses, self._table.empty)
        parameters, size = state.parameters[rows], state.parameters.shape[1]
        moments = [np.ascontiguousarray(state.memory[rows, k * size : (k + 1) * size]) for k in range(rule.moments)]
        law = law_of(self._table)
        while (running := state.outcome[rows] == RUNNING).any() and not stopped():
            step = int(state.steps[rows[running][0]])
            most = max(1, CALL // (int(running.sum()) * batch * n * (5 * m + 8)))
            taken = min(most, WINDOW - step % WINDOW, settings.steps_until_record(rows, step))
            losses = np.zeros((len(rows), taken))
            cpu.advance(
                records.State(parameters, moments[0], moments[-1]),
                self._keys,
                running,
                step,
                settings.rates[step : step + taken],
                law,
                samples,
                self._importance,
                self._penalties,
                records.Sizes(*self._sizes),
                self._shape,
                optimiser,
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
