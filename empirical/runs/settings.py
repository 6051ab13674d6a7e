"""What a group of runs is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from .architectures import Architecture
from .optimisers import Rule
from .recorded import Recorded
from .state import TrainingState


class Camera(Protocol):
    """What a run asks of whatever takes its records; `empirical.recording` has the one that there is."""

    @property
    def steps(self) -> NDArray[np.int64]:
        """Steps after which to record, shape (T,)."""

    @property
    def rows(self) -> NDArray[np.int64]:
        """Rows that are recorded, ascending, shape (K,)."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """What is recorded."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the records in a state."""

    def divide(self, count: int) -> list[NDArray[np.int64]]:
        """Return the rows that are recorded and the others, of so many."""

    def steps_until_record(self, rows: NDArray[np.int64], step: int) -> int:
        """Return how many steps rows at a step may take before their next record."""

    def take(self, state: TrainingState, rows: NDArray[np.int64]) -> None:
        """Record those of some rows that are at a step to be recorded."""

    def develop(self, state: TrainingState, seeds: NDArray[np.int64], shape: tuple[int, ...]) -> Recorded | None:
        """Return the series of a run, None if nothing was to be recorded."""


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
    film: Camera | None = None

    def steps_until_record(self, rows: NDArray[np.int64], step: int) -> int:
        """Return how many steps some rows may take at once; all of a group's are recorded at the same steps."""
        left = self.steps - step
        return left if self.film is None else min(left, self.film.steps_until_record(rows, step))

    def record(self, state: TrainingState, rows: NDArray[np.int64]) -> None:
        """Record those of some rows that are at a step to be recorded."""
        if self.film is not None:
            self.film.take(state, rows)
