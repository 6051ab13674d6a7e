"""What `train` refuses, and how it says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tegum.theory.models import ToyModel

from ..runs import ARCHITECTURES


def check_count(name: str, value: Any, least: int) -> None:
    """Raise `ValueError` unless a value is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")


def check_rate(name: str, value: float, *, zero: bool) -> None:
    """Raise `ValueError` unless a value is finite and positive, or 0 where that may be."""
    if not (np.isfinite(value) and (value > 0 or (zero and value == 0))):
        raise ValueError(f"{name} must be finite and {'not negative' if zero else 'positive'}, got {value!r}")


def seed_numbers(seeds: int | Sequence[int]) -> NDArray[np.int64]:
    """Return the seeds that a number of them, or a list, stands for, shape (seeds,)."""
    if isinstance(seeds, (int, np.integer)) and not isinstance(seeds, bool):
        check_count("seeds", seeds, 1)
        return np.arange(seeds)
    chosen = np.asarray(seeds)
    if chosen.ndim != 1 or not len(chosen) or chosen.dtype.kind not in "iu" or (chosen < 0).any():
        raise ValueError(f"seeds must be a number of seeds or a list of non-negative integers, got {seeds!r}")
    return chosen.astype(np.int64)


def check_choice(name: str, value: Any, options: Any) -> None:
    """Raise `ValueError` unless a value is one of the options."""
    if value not in options:
        raise ValueError(f"{name} must be one of {', '.join(options)}, got {value!r}")


def check_lbfgs(objective: str, *options: Any) -> None:
    """Raise `ValueError` for options that L-BFGS doesn't have."""
    if objective != "exact":
        raise ValueError(f"optimiser='lbfgs' needs a loss without noise: expected objective='exact', got {objective!r}")
    names, absent = ("schedule", "learning_rate", "momentum", "weight_decay"), ("constant", None, None, 0)
    for name, value, none in zip(names, options, absent, strict=True):
        if value != none:
            raise ValueError(
                f"optimiser='lbfgs' finds the lengths of its steps: expected no {name}, got {value!r}; a weight decay "
                "that is part of the loss belongs to the ToyModel"
            )


def check_together(model: ToyModel, architecture: str, objective: str, sampling: str, zero_inputs: str) -> None:
    """Raise `ValueError` for options that exclude each other."""
    if objective == "exact":
        if architecture != "relu_output":
            raise ValueError(f"objective='exact' is there for architecture='relu_output', got {architecture!r}")
        if sampling != "plain" or zero_inputs != "sampled":
            raise ValueError(
                "objective='exact' draws no inputs: expected sampling='plain' and zero_inputs='sampled', got "
                f"sampling={sampling!r} and zero_inputs={zero_inputs!r}"
            )
    if not ARCHITECTURES[architecture].tied and model.interference_penalty.any():
        raise ValueError(f"an interference penalty needs tied weights, got one for architecture={architecture!r}")
