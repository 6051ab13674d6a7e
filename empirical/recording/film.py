"""What happens during training: chosen metrics of chosen models at chosen steps.

`train(..., record=Recorder(...))` returns the series with the models. Models that are recorded are trained in groups of
their own, so that the others never stop for them. `plateaus` finds the levels between which such a series jumps.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tegum.theory.models import ToyModel
from tegum.theory.numerics import FloatArray, Summarised

from ..runs import CONVERGED, METRICS, Architecture, Recorded, Recorder, TrainingState
from .evaluation import losses_of


@dataclass(frozen=True, eq=False)
class Film(Summarised):
    """Takes the records of a run into its `TrainingState`.

    Attributes:
        architecture: which model is trained.
        model: the flat batch, a row for each model and seed.
        steps: after which to record, shape (T,).
        metrics: what to record.
        rows: which rows, ascending, shape (K,).
    """

    architecture: Architecture | None = None
    model: ToyModel | None = None
    steps: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    metrics: tuple[str, ...] = ()
    rows: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    @classmethod
    def of(
        cls,
        recorder: Recorder,
        architecture: Architecture,
        model: ToyModel,
        shape: tuple[int, ...],
        steps: int,
    ) -> Film:
        """Return the film of a run.

        Args:
            recorder: what was asked for.
            architecture: which model is trained.
            model: the flat batch.
            shape: of the unflattened one, (*batch_shape, seeds).
            steps: that the run may take.

        Raises:
            ValueError: if a step lies beyond the last, the shape of the models is another, or a metric isn't one of
                this architecture's.
        """
        if not isinstance(recorder, Recorder):
            raise ValueError(f"record must be a Recorder, got {type(recorder).__name__}")
        if recorder.steps[-1] > steps:
            raise ValueError(f"steps to record must be at most steps = {steps}, got {recorder.steps[-1]}")
        chosen = np.ones(shape, dtype=bool) if recorder.models is None else np.asarray(recorder.models)
        if chosen.shape != shape:
            raise ValueError(f"models to record must have shape (*batch_shape, seeds) = {shape}, got {chosen.shape}")
        if architecture.tied and "second" in recorder.metrics:
            raise ValueError(f"metric 'second' needs an untied model, got architecture={architecture.name!r}")
        return cls(architecture, model, np.array(recorder.steps), tuple(recorder.metrics), np.flatnonzero(chosen))

    def _layout(self) -> list[tuple[str, tuple[int, ...]]]:
        """Return each metric's shape for one model."""
        if self.model is None:
            return []
        n, m = self.model.n_features, self.model.n_hidden
        sizes = {"feature": n, "other_feature": n, "hidden": m}
        return [(name, tuple(sizes[axis] for axis in METRICS[name].axes)) for name in self.metrics]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the records in a state: steps, rows, and the numbers of all metrics."""
        return len(self.steps), len(self.rows), sum(int(np.prod(shape, dtype=int)) for _, shape in self._layout())

    def divide(self, count: int) -> list[NDArray[np.int64]]:
        """Return the rows that are recorded and the others, of so many."""
        others = np.ones(count, dtype=bool)
        others[self.rows] = False
        return [part for part in (self.rows, np.flatnonzero(others)) if len(part)]

    def steps_until_record(self, rows: NDArray[np.int64], step: int) -> int:
        """Return how many steps rows at a step may take before their next record: more than any run if there is none.

        Args:
            rows: recorded ones or others, not both.
            step: where they are.
        """
        place = int(np.searchsorted(self.steps, step, side="right"))
        if place == len(self.steps) or rows[0] not in self.rows:
            return np.iinfo(np.int64).max
        return int(self.steps[place]) - step

    def take(self, state: TrainingState, rows: NDArray[np.int64]) -> None:
        """Record those of some rows that are at a step to be recorded."""
        if not len(self.rows):
            return
        rows = np.intersect1d(rows, self.rows)
        place = np.searchsorted(self.steps, state.steps[rows])
        there = (place < len(self.steps)) & (self.steps[np.minimum(place, len(self.steps) - 1)] == state.steps[rows])
        rows, place = rows[there], place[there]
        if len(rows):
            state.recorded[place, np.searchsorted(self.rows, rows)] = self._numbers(state, rows)

    def _numbers(self, state: TrainingState, rows: NDArray[np.int64]) -> FloatArray:
        """Return all metrics of some rows as they are, shape (rows, numbers); NaN where they aren't finite."""
        assert self.model is not None
        assert self.architecture is not None
        packed = state.parameters[rows].astype(np.float64)
        finite: NDArray[np.bool_] = np.asarray(np.isfinite(packed).all(axis=1))
        packed = np.where(finite[:, None], packed, 0)
        m, n, count = self.model.n_hidden, self.model.n_features, len(rows)
        weights, bias = packed[:, : m * n].reshape(count, m, n), packed[:, -n:]
        second = None if self.architecture.tied else packed[:, m * n : 2 * m * n].reshape(count, n, m)
        given: dict[str, Any] = {"weights": weights, "bias": bias, "second": second}
        found = []
        for name in self.metrics:
            metric = METRICS[name].of_weights
            if metric is not None:
                value = metric(weights)
            elif name == "loss":
                out = None if second is None else second[:, None]
                model, there = self.model.take(rows), finite[:, None]
                value = losses_of(self.architecture, model, weights[:, None], out, bias[:, None], there)[0]
            else:
                value = given[name]
            found.append(np.asarray(value).reshape(count, -1))
        return np.where(finite[:, None], np.concatenate(found, axis=1), np.nan)

    def develop(self, state: TrainingState, seeds: NDArray[np.int64], shape: tuple[int, ...]) -> Recorded | None:
        """Return the series of a run, None if nothing was to be recorded.

        Args:
            state: of the run.
            seeds: of each row.
            shape: (*batch_shape, seeds).
        """
        if self.model is None:
            return None
        numbers = state.recorded.copy()
        at_rest = np.flatnonzero(state.outcome[self.rows] == CONVERGED)
        if len(at_rest):
            last = self._numbers(state, self.rows[at_rest])
            after = self.steps[:, None] > state.steps[self.rows[at_rest]]
            numbers[:, at_rest] = np.where(after[..., None], last, numbers[:, at_rest])
        series, begin = {}, 0
        for name, own in self._layout():
            size = int(np.prod(own, dtype=int))
            series[name] = numbers[..., begin : begin + size].reshape(*numbers.shape[:2], *own)
            begin += size
        places = np.stack(np.unravel_index(self.rows, shape), axis=1)
        return Recorded(self.steps, places, seeds[self.rows], series)
