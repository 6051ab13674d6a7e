"""What a group of runs is asked to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..recording import Film

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from .architectures import Architecture
from .optimisers import Rule
from .state import TrainingState


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
