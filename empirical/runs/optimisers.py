"""Optimisers over packed parameters, and the schedules of their learning rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tegum.theory.numerics import Array, Lbfgs

# Names as they are given to `train`.
Optimiser = Literal["adam", "adamw", "sgd", "lbfgs"]
Schedule = Literal["constant", "linear", "cosine"]

# The same for checks when programs run.
OPTIMISERS = ("adam", "adamw", "sgd", "lbfgs")
SCHEDULES = ("constant", "linear", "cosine")
# Decay of Adam's averages, and what its denominator is kept from zero by: torch's defaults.
BETAS = (0.9, 0.999)
EPSILON = 1e-8


@dataclass(frozen=True)
class Rule:
    """How parameters follow a gradient g.

    Adam (arXiv:1412.6980) with bias correction, and decoupled decay for AdamW (arXiv:1711.05101); or SGD with momentum,
    v ← μ v + g. L-BFGS is theory's `Lbfgs`.

    Attributes:
        kind: "adam", "sgd" or "lbfgs".
        momentum: μ for SGD, β₁ for Adam.
        decay: decoupled weight decay: parameters are multiplied by 1 − rate · decay at each step.
    """

    kind: Literal["adam", "sgd", "lbfgs"]
    momentum: float
    decay: float

    @property
    def moments(self) -> int:
        """How many numbers the rule remembers for each parameter: Adam's two moments, or SGD's momentum."""
        return {"adam": 2, "sgd": 1, "lbfgs": 0}[self.kind]

    def memory_size(self, n_parameters: int) -> int:
        """Return how many numbers the rule remembers for a model of so many parameters."""
        return Lbfgs.memory_size(n_parameters) if self.kind == "lbfgs" else self.moments * n_parameters

    def update(
        self, parameters: Array, gradient: Array, moments: tuple[Array, ...], rate: Any, step: Any
    ) -> tuple[Array, tuple[Array, ...]]:
        """Return the parameters and moments after step number `step`, counted from 1.

        Args:
            parameters: any shape.
            gradient: same shape.
            moments: as many as `moments` says, same shape, zero before the first step.
            rate: learning rate of the step, a number or a scalar tensor.
            step: its number, a number or a scalar tensor.
        """
        kept = (1 - rate * self.decay) * parameters
        if self.kind == "sgd":
            (velocity,) = moments
            velocity = self.momentum * velocity + gradient
            return kept - rate * velocity, (velocity,)
        mean, square = moments
        mean = mean + (1 - self.momentum) * (gradient - mean)
        square = BETAS[1] * square + (1 - BETAS[1]) * gradient * gradient
        deviation = (square / (1 - BETAS[1] ** step)) ** 0.5 + EPSILON
        return kept - rate / (1 - self.momentum**step) * mean / deviation, (mean, square)


def learning_rates(schedule: Schedule, rate: float, steps: int) -> NDArray[np.float64]:
    """Return the learning rate of each step, shape (steps,).

    "constant"; "linear" falls from `rate` to 0 over the run; "cosine" as (1 + cos πt)/2 (arXiv:1608.03983).
    """
    t = np.arange(steps) / max(steps, 1)
    shapes = {"constant": np.ones_like(t), "linear": 1 - t, "cosine": (1 + np.cos(np.pi * t)) / 2}
    return rate * shapes[schedule]
