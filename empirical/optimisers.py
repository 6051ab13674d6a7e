"""Optimisers over packed parameters, and the schedules of their learning rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Optimiser = Literal["adam", "adamw", "sgd"]
Schedule = Literal["constant", "linear", "cosine"]

OPTIMISERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "linear", "cosine")
BETAS = (0.9, 0.999)
EPSILON = 1e-8


@dataclass(frozen=True)
class Rule:
    """How parameters follow a gradient g.

    Adam (arXiv:1412.6980) with bias correction, and decoupled decay for AdamW (arXiv:1711.05101); or SGD with momentum,
    v ← μ v + g.

    Attributes:
        kind: "adam" or "sgd".
        momentum: μ for SGD, β₁ for Adam.
        decay: decoupled weight decay: parameters are multiplied by 1 − rate · decay at each step.
    """

    kind: Literal["adam", "sgd"]
    momentum: float
    decay: float

    def update(
        self, parameters: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, rate: Tensor, step: Tensor
    ) -> None:
        """Take step number `step`, counted from 1, in place. All but `rate` and `step` have shape (models, P)."""
        parameters.mul_(1 - rate * self.decay)
        if self.kind == "sgd":
            mean.mul_(self.momentum).add_(gradient)
            parameters.sub_(rate * mean)
            return
        step = step.to(parameters.dtype)
        mean.lerp_(gradient, 1 - self.momentum)
        square.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        deviation = (square / (1 - BETAS[1] ** step)).sqrt_().add_(EPSILON)
        parameters.sub_(rate / (1 - self.momentum**step) * mean / deviation)


def learning_rates(schedule: Schedule, rate: float, steps: int) -> NDArray[np.float64]:
    """Return the learning rate of each step, shape (steps,).

    "constant"; "linear" falls from `rate` to 0 over the run; "cosine" as (1 + cos πt)/2 (arXiv:1608.03983).
    """
    t = np.arange(steps) / max(steps, 1)
    shapes = {"constant": np.ones_like(t), "linear": 1 - t, "cosine": (1 + np.cos(np.pi * t)) / 2}
    return rate * shapes[schedule]
