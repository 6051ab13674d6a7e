"""Models that are trained together on the exact loss: NumPy arrays and compiled losses on a CPU, tensors elsewhere.

Models are the last axis of all arrays, so that additions run along them. What has converged leaves the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tegum.theory.loss import ExactLoss
from tegum.theory.models import ToyModel
from tegum.theory.numerics import Array, Lbfgs

from ..runs import CONVERGED, RUNNING, Rule, Settings, TrainingState
from .group import finite_rows, settle

# Steps between looks at the stop flag and at what has converged.
BLOCK = 16


@dataclass(frozen=True, eq=False)
class _Follower:
    """Models that follow their gradients by a `Rule` with moments; the counterpart of `Lbfgs`.

    Attributes:
        rule: Adam or SGD.
        point: parameters, shape (P, R).
        moments: shape (P, R) each.
    """

    rule: Rule
    point: Array
    moments: tuple[Array, ...]

    @property
    def trial(self) -> Array:
        return self.point

    def advance(self, gradient: Array, rate: float, step: int) -> _Follower:
        return _Follower(self.rule, *self.rule.update(self.point, gradient, self.moments, rate, step))

    def where(self, mask: Array, other: _Follower) -> _Follower:
        pairs = zip((self.point, *self.moments), (other.point, *other.moments), strict=True)
        point, *moments = (_where(mask, mine, theirs) for mine, theirs in pairs)
        return _Follower(self.rule, point, tuple(moments))


def _where(mask: Array, yes: Array, no: Array) -> Array:
    return torch.where(mask, yes, no) if isinstance(mask, torch.Tensor) else np.where(mask, yes, no)


class ExactGroup:
    """Training on the exact objective, by any rule.

    Args:
        model: a flat batch.
        state: what is trained, a row for each model.
        rows: those of this group.
        size: to which the group is filled up on a device where the shape of an operation may change its rounding.
        settings: of the run.
    """

    def __init__(
        self, model: ToyModel, state: TrainingState, rows: NDArray[np.int64], size: int, settings: Settings
    ) -> None:
        """Nothing is computed yet."""
        self._model, self._state, self._rows, self._settings = model, state, rows, settings
        self._on_cpu = settings.device.type == "cpu"
        # A single column would be summed in another order.
        self._size = 2 if self._on_cpu else size
        self._engine: tuple[bytes, ExactLoss] | None = None

    def _place(self, array: NDArray[Any]) -> Array:
        kind = np.float64 if self._settings.dtype == torch.float64 else np.float32
        array = np.ascontiguousarray(array, dtype=kind)
        return array if self._on_cpu else torch.as_tensor(array, device=self._settings.device)

    def _loss(self, rows: NDArray[np.int64], like: Array) -> ExactLoss:
        """Return the loss of some models; the last ones are mostly asked for again."""
        known = rows.tobytes()
        if self._engine is None or self._engine[0] != known:
            self._engine = known, ExactLoss(self._model.take(rows), like=like)
        return self._engine[1]

    def run(self, stopped: Callable[[], bool], advance: Callable[[int], None]) -> None:
        """Train until every model is done or `stopped`."""
        state, rows, settings = self._state, self._rows, self._settings
        with np.errstate(all="ignore"):
            while (running := rows[state.outcome[rows] == RUNNING]).size and not stopped():
                step = int(state.steps[running[0]])
                taken = min(BLOCK, settings.steps_until_record(rows, step))
                self._advance(running, step, taken)
                settle(state, running, finite_rows(state, running), settings)
                settings.record(state, running)
                advance(len(running) * taken)

    def _advance(self, rows: NDArray[np.int64], step: int, taken: int) -> None:
        """Take some models, all at the same step, a few steps further."""
        state, settings = self._state, self._settings
        filled = rows if len(rows) >= self._size else np.resize(rows, self._size)
        point, memory = self._place(state.parameters[filled].T), self._place(state.memory[filled].T)
        follower: Any
        if settings.rule.kind != "lbfgs":
            moments = memory.reshape(settings.rule.moments, *point.shape)
            follower = _Follower(settings.rule, point, tuple(moments))
        elif step:
            follower = Lbfgs.unpack(memory, len(point))
        else:
            follower = Lbfgs.begin(point)
        engine = self._loss(filled, point)
        going = self._place(np.ones(len(filled))) > 0
        steps = np.full(len(filled), taken)
        losses = np.full((taken, len(filled)), np.nan)
        for k in range(taken):
            loss, gradient = self._evaluate(engine, follower.trial)
            if isinstance(follower, Lbfgs):
                after = follower.advance(loss, gradient)
                moving, loss, spent = going, after.loss, k + 1
                resting = going & self._small(after.gradient_norm)
            else:
                after = follower.advance(gradient, settings.rates[step + k], step + k + 1)
                resting = going & self._small((gradient * gradient).sum(0) ** 0.5)
                moving, spent = going & ~resting, k
            follower = after if bool(moving.all()) else after.where(moving, follower)
            losses[k] = np.where(_host(going), _host(loss), np.nan)
            steps[_host(resting)] = spent
            going = going & ~resting
            if not bool(going.any()):
                break
        self._hand_back(rows, follower, steps, losses, _host(going))

    def _small(self, norm: Array) -> Array:
        """Return which gradients have vanished."""
        tolerance = self._settings.tolerance
        return norm <= (-1.0 if tolerance is None else tolerance)

    def _evaluate(self, engine: ExactLoss, point: Array) -> tuple[Array, Array]:
        """Return losses, shape (R,), and gradients, shape (P, R), at packed parameters."""
        m, n = self._model.n_hidden, self._model.n_features
        packed = point.T if self._on_cpu else point.T.contiguous()
        weights, bias = packed[:, : m * n].reshape(-1, m, n), packed[:, m * n :]
        loss, d_weights, d_bias = engine.loss_and_gradient(weights, bias)
        if self._model.bias != "free":
            # Along what is free of the biases: the mean for one that all outputs have.
            d_bias = 0 * d_bias if self._model.bias == "none" else 0 * d_bias + d_bias.mean(-1)[:, None]
        parts = d_weights.reshape(len(packed), -1).T, d_bias.T
        return loss, np.concatenate(parts) if self._on_cpu else torch.cat(parts)

    def _hand_back(
        self,
        rows: NDArray[np.int64],
        follower: Lbfgs | _Follower,
        steps: NDArray[np.int64],
        losses: NDArray[np.float64],
        going: NDArray[np.bool_],
    ) -> None:
        state, count = self._state, len(rows)
        point = _host(follower.point)
        if isinstance(follower, Lbfgs):
            memory = _host(follower.pack())
            # From where the loss isn't finite no search leads away.
            point = np.where(np.isfinite(_host(follower.loss)), point, np.nan)
        else:
            memory = np.concatenate([_host(moment) for moment in follower.moments])
        state.parameters[rows], state.memory[rows] = point.T[:count], memory.T[:count]
        step, taken = int(state.steps[rows[0]]), len(losses)
        for place, mark in enumerate(self._settings.marks):
            if step <= mark < step + taken:
                state.history[place, rows] = losses[mark - step, :count]
        state.outcome[rows[~going[:count]]] = CONVERGED
        state.steps[rows] += steps[:count]


def _host(array: Array) -> NDArray[Any]:
    return array if isinstance(array, np.ndarray) else array.cpu().numpy()
