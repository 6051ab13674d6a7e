"""What `train` can be asked for beside its most used arguments, in groups that belong together."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from tegum.theory.numerics import check_callable, check_choice, check_flag, check_number, check_rate, shown
from tegum.theory.storage import check_path

from .optimisers import BETAS, OPTIMISERS, SCHEDULES, Optimiser, Rule, Schedule, learning_rates

# Of the first step, by default.
LEARNING_RATE = 1e-3
Draw = Literal["plain", "stratified"]
ZeroInputs = Literal["sampled", "exact"]


@dataclass(frozen=True)
class Optimisation:
    """How weights are optimised: where they begin, how they follow the gradient, and when they have converged.

    Attributes:
        optimiser: "adam", "adamw", "sgd", or for the exact objective "lbfgs", which evaluates the loss once a step.
            Adam with a `weight_decay` is AdamW.
        schedule: course of the learning rate: "constant", "linear" (to zero) or "cosine".
        momentum: SGD's μ, default 0.9; Adam's β₁, default 0.9.
        weight_decay: decoupled, as in AdamW; 0 as the theory has none (`ToyModel.weight_penalty` is in the loss). A
            negative one lets weights grow, as in a published study of superposition.
        initial_scale: factor on the initial weights.
        tolerance: stop a model early when it has converged. On the exact objective: its gradient norm is at most this.
            On samples: the mean loss of 200 steps has fallen by less than this share against the 200 before.
        dtype: torch.float32 or torch.float64; default float32 for the sampled and float64 for the exact objective.

    Raises:
        ValueError: if one is out of range, or L-BFGS, which finds the lengths of its steps, is given a schedule, a
            momentum or a decay.

    Example:
        >>> Optimisation("sgd", momentum=0.5).rule
        Rule(kind='sgd', momentum=0.5, decay=0.0)
    """

    optimiser: Optimiser = "adam"
    schedule: Schedule = "constant"
    momentum: float | None = None
    weight_decay: float = 0.0
    initial_scale: float = 1.0
    tolerance: float | None = None
    dtype: torch.dtype | None = None

    def __post_init__(self) -> None:
        """Check them."""
        # Options are kept as JSON, which has no numbers of NumPy's.
        if self.momentum is not None:
            object.__setattr__(self, "momentum", check_number("momentum", self.momentum, least=0, below=1))
        check_choice("optimiser", self.optimiser, OPTIMISERS)
        check_choice("schedule", self.schedule, SCHEDULES)
        if self.optimiser == "lbfgs":
            unused = {"schedule": "constant", "momentum": None, "weight_decay": 0}
            for name, none in unused.items():
                if getattr(self, name) != none:
                    raise _no_step_lengths(name, getattr(self, name))
        object.__setattr__(self, "weight_decay", check_number("weight_decay", self.weight_decay))
        object.__setattr__(self, "initial_scale", check_rate("initial_scale", self.initial_scale, zero=True))
        if self.tolerance is not None:
            object.__setattr__(self, "tolerance", check_rate("tolerance", self.tolerance, zero=False))
        if not (self.dtype is None or self.dtype is torch.float32 or self.dtype is torch.float64):
            raise ValueError(f"dtype must be torch.float32 or torch.float64, got {shown(self.dtype)}")

    @property
    def rule(self) -> Rule:
        """How parameters follow a gradient."""
        kind = "adam" if self.optimiser == "adamw" else self.optimiser
        return Rule(kind, BETAS[0] if self.momentum is None else self.momentum, self.weight_decay)

    def rates(self, learning_rate: float | None, steps: int) -> NDArray[np.float64]:
        """Return the learning rate of each step, shape (steps,).

        Args:
            learning_rate: at the first step, default 1e-3; L-BFGS has none.
            steps: how many there are.

        Raises:
            ValueError: if it is out of range, or L-BFGS is given one.
        """
        if self.optimiser == "lbfgs" and learning_rate is not None:
            raise _no_step_lengths("learning_rate", learning_rate)
        rate = LEARNING_RATE if learning_rate is None else learning_rate
        check_rate("learning_rate", rate, zero=False)
        return learning_rates(self.schedule, rate, steps)


def _no_step_lengths(name: str, value: object) -> ValueError:
    """Return the error about an option of the lengths of steps, which L-BFGS doesn't have."""
    return ValueError(
        f"optimiser='lbfgs' finds the lengths of its steps: expected no {name}, got {value!r}; a weight decay "
        "that is part of the loss belongs to the ToyModel"
    )


@dataclass(frozen=True)
class Sampling:
    """How the inputs of the sampled objective are drawn.

    Attributes:
        sampling: "plain", or "stratified" by activity pattern with exact weights: unbiased, with less variance.
        zero_inputs: "sampled", or "exact": the input x = 0 isn't drawn, its loss is added exactly.

    Raises:
        ValueError: if one isn't a choice.

    Example:
        >>> Sampling("stratified")
        Sampling(sampling='stratified', zero_inputs='sampled')
    """

    sampling: Draw = "plain"
    zero_inputs: ZeroInputs = "sampled"

    def __post_init__(self) -> None:
        """Check them."""
        check_choice("sampling", self.sampling, get_args(Draw))
        check_choice("zero_inputs", self.zero_inputs, get_args(ZeroInputs))


@dataclass(frozen=True)
class Session:
    """What is kept of a run that is interrupted, and how it says how far it is; nothing that changes its result.

    Attributes:
        checkpoint: file that an interrupted run is saved to, and continued from where it exists.
        progress: whether to show a progress bar on standard error.
        on_progress: called now and then with the model-steps done and to be done.
        keep: whether the checkpoint holds also a run that has come to its end, so that its result isn't lost while it
            is used and saved. Whoever asks for that removes it then; otherwise it is removed at the end.

    Raises:
        ValueError: if the checkpoint isn't a path, what is to be called can't be, or a flag is none.

    Example:
        >>> Session("run.checkpoint").progress
        False
    """

    checkpoint: str | os.PathLike[str] | None = None
    progress: bool = False
    on_progress: Callable[[int, int], None] | None = None
    keep: bool = False

    def __post_init__(self) -> None:
        """Check them."""
        if self.checkpoint is not None:
            check_path("checkpoint", self.checkpoint, new=True)
        check_flag("progress", self.progress)
        check_flag("keep", self.keep)
        check_callable("on_progress", self.on_progress, 2, optional=True)
