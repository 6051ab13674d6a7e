"""How runs were trained, as far as that says how far from a minimum their noise leaves them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tegum.empirical.runs import Optimisation, Sampling
from tegum.theory.models import ToyModel
from tegum.theory.noise import OptimiserRule, spreads_after
from tegum.theory.numerics import MOST_SAMPLES, FloatArray, check_choice, check_count, check_kind, check_rate


@dataclass(frozen=True)
class Recipe:
    """A recipe of training.

    Attributes:
        learning_rate: at the first step.
        steps: how many.
        batch_size: inputs of a step.
        objective: "sampled", or "exact", which has no noise.
        optimisation: optimiser and schedule.
        sampling: how inputs are drawn.
    """

    learning_rate: float
    steps: int
    batch_size: int
    objective: str = "sampled"
    optimisation: Optimisation = field(default_factory=Optimisation)
    sampling: Sampling = field(default_factory=Sampling)

    def __post_init__(self) -> None:
        """Raise `ValueError` for what isn't a recipe."""
        object.__setattr__(self, "learning_rate", check_rate("learning_rate", self.learning_rate, zero=True))
        check_count("steps", self.steps, 0)
        check_count("batch_size", self.batch_size, 1, MOST_SAMPLES)
        check_choice("objective", self.objective, ("sampled", "exact"))
        check_kind("optimisation", self.optimisation, Optimisation)
        check_kind("sampling", self.sampling, Sampling)

    def noise(self, model: ToyModel, weights: FloatArray, bias: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return what the noise of sampled inputs leaves of runs at minima, to leading order.

        Args:
            model: batch shape (K,).
            weights: W of the minima, shape (K, n_hidden, n_features).
            bias: b, shape (K, n_features).

        Returns:
            The mean excess loss, and the mean squared distance in (WᵀW, b), each shape (K,). Zero for the exact
            objective and without steps.

        Raises:
            ValueError: if the optimiser isn't SGD or Adam without decay.
        """
        if self.objective == "exact" or not self.steps or not len(weights):
            return np.zeros(len(weights)), np.zeros(len(weights))
        rule = self.optimisation.rule
        if rule.kind == "lbfgs" or rule.decay:
            raise ValueError(f"noise is predicted for SGD and Adam without weight decay, got {self.optimisation}")
        rates = self.optimisation.rates(self.learning_rate, self.steps)
        excess, spread = spreads_after(
            model,
            weights,
            bias,
            rates,
            OptimiserRule(rule.kind == "adam", rule.momentum),
            self.batch_size,
            sampling=self.sampling.sampling,
            zero_inputs=self.sampling.zero_inputs,
        )
        turn = _overlaps_and_biases(weights)
        return excess, np.einsum("kap,kpq,kaq->k", turn, spread, turn)


# The paper's (arXiv:2209.10652, its notebook): what runs of unknown origin are taken to be trained by.
PAPER_RECIPE = Recipe(learning_rate=1e-3, steps=10_000, batch_size=1024)


def _overlaps_and_biases(weights: FloatArray) -> FloatArray:
    """Return the derivatives of (WᵀW, b) in (W, b), shape (K, n² + n, P)."""
    count, m, n = weights.shape
    units = np.eye((m + 1) * n)
    moved = units[:, : m * n].reshape(-1, m, n)
    change = np.einsum("kai,paj->kpij", weights, moved)
    change = (change + change.mT).reshape(count, len(units), n * n)
    biases = np.broadcast_to(units[:, m * n :], (count, len(units), n))
    return np.concatenate([change, biases], axis=-1).mT
