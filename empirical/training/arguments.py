"""What `train` refuses, and how it says so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tegum.theory.models import ToyModel
from tegum.theory.numerics import MOST_SIZE, check_count, shown, whole_numbers

from ..runs import ARCHITECTURES, Optimisation, Sampling


def seed_numbers(seeds: int | Sequence[int]) -> NDArray[np.int64]:
    """Return the seeds that a number of them, or a list, stands for, shape (seeds,)."""
    if isinstance(seeds, (int, np.integer)) and not isinstance(seeds, bool):
        check_count("seeds", seeds, 1, MOST_SIZE)
        return np.arange(seeds)
    try:
        chosen = whole_numbers("seeds", seeds, ("seeds",), least=0)
    except ValueError:
        chosen = np.empty(0, dtype=np.int64)
    if not len(chosen):
        raise ValueError(f"seeds must be a number of seeds or a list of non-negative integers, got {shown(seeds)}")
    if len(np.unique(chosen)) < len(chosen):
        twice = next(seed for seed in chosen.tolist() if (chosen == seed).sum() > 1)
        raise ValueError(f"seeds must not hold a seed twice, got {twice} more than once")
    return chosen


def check_together(
    model: ToyModel, architecture: str, objective: str, optimisation: Optimisation, sampling: Sampling
) -> None:
    """Raise `ValueError` for options that exclude each other."""
    if optimisation.optimiser == "lbfgs" and objective != "exact":
        raise ValueError(f"optimiser='lbfgs' needs a loss without noise: expected objective='exact', got {objective!r}")
    if objective == "exact":
        if architecture != "relu_output":
            raise ValueError(f"objective='exact' is there for architecture='relu_output', got {architecture!r}")
        if sampling != Sampling():
            raise ValueError(
                "objective='exact' draws no inputs: expected sampling='plain' and zero_inputs='sampled', got "
                f"sampling={sampling.sampling!r} and zero_inputs={sampling.zero_inputs!r}"
            )
    if not ARCHITECTURES[architecture].tied and model.interference_penalty.any():
        raise ValueError(f"an interference penalty needs tied weights, got one for architecture={architecture!r}")
