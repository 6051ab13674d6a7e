"""Minima by an optimiser and a loss that share no code with the search: SciPy's, on the definition of the loss."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from scipy.optimize import minimize

from tegum.theory import (
    AnticorrelatedFeatures,
    CorrelatedFeatures,
    IndependentFeatures,
    KHotFeatures,
    OneHotFeatures,
    ToyModel,
)
from tegum.theory.models import FeatureLaw

# Nodes in each active feature. Where minima of this loss lie is a little off, which basins they are in is not.
NODES = 4


class PlainLoss:
    """Σ_k w_k Σ_i I_i (x_ki − ReLU(WᵀW x_k + b)_i)² over nodes x_k of a Gauss rule for each pattern, and penalties."""

    def __init__(self, model: ToyModel) -> None:
        """Lay out the nodes."""
        n = model.n_features
        nodes, shares = np.polynomial.legendre.leggauss(NODES)
        low, high = model.features.amplitude.ends(n)
        pairs = list(zip((nodes + 1) / 2, shares / 2, strict=True))
        rules = [
            [(a, 1.0)] if a == b else [(a + (b - a) * place, share) for place, share in pairs]
            for a, b in zip(low, high, strict=True)
        ]
        inputs, weights = [], []
        for active, chance in model.features.patterns(n):
            for chosen in product(*(rules[i] for i in active)):
                x = np.zeros(n)
                x[list(active)] = [place for place, _ in chosen]
                inputs.append(x)
                weights.append(float(chance) * np.prod([share for _, share in chosen]))
        self.inputs, self.shares = np.array(inputs), np.array(weights)
        self.model, self.importances = model, model.importances()

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the loss and its gradient at packed parameters."""
        n, m = self.model.n_features, self.model.n_hidden
        weights, bias = theta[: m * n].reshape(m, n), theta[m * n :]
        hidden = self.inputs @ weights.T
        before = hidden @ weights + bias
        off = np.maximum(before, 0) - self.inputs
        slopes = 2 * self.shares[:, None] * self.importances * off
        loss = float((slopes * off).sum() / 2)
        slopes = slopes * (before > 0)
        d_weights = hidden.T @ slopes + (slopes @ weights.T).T @ self.inputs
        gram = weights.T @ weights
        apart = gram - np.diag(np.diag(gram))
        interference, decay = float(self.model.interference_penalty), float(self.model.weight_penalty)
        loss += interference * float((apart**2).sum()) + decay * float((weights**2).sum())
        d_weights = d_weights + 4 * interference * weights @ apart + 2 * decay * weights
        return loss, np.concatenate([d_weights.ravel(), slopes.sum(axis=0)])


def plain_minima(model: ToyModel, starts: int, seed: int) -> np.ndarray:
    """Return where L-BFGS ends from random starts, packed, shape (starts, P)."""
    loss, rng = PlainLoss(model), np.random.default_rng(seed)
    n, m = model.n_features, model.n_hidden
    ends = []
    for _ in range(starts):
        start = np.concatenate([rng.normal(scale=rng.choice([0.3, 0.7, 1.0]), size=m * n), np.zeros(n)])
        found: Any = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 300})
        ends.append(found.x)
    return np.array(ends)


def random_model(rng: np.random.Generator, most: int = 5) -> ToyModel:
    """Return a model of a random size, law, amplitude, penalties, and importances spread over three decades."""
    sizes = [(2, 1), (3, 1), (3, 2), (4, 1), (4, 2), (4, 3), (5, 2), (5, 3), (6, 2), (6, 3)]
    n, m = sizes[rng.integers(sum(size[0] <= most for size in sizes))]
    amplitude = "constant" if rng.random() < 0.25 else "uniform"
    density = float(10 ** rng.uniform(-2.5, -0.02))
    laws: list[FeatureLaw] = [
        IndependentFeatures(density, amplitude=amplitude),
        IndependentFeatures(10 ** rng.uniform(-2, -0.02, size=n), amplitude=amplitude),
        CorrelatedFeatures(density, [(0, 1)], amplitude=amplitude),
        AnticorrelatedFeatures(min(density, 0.45), [(0, n - 1)], amplitude=amplitude),
        OneHotFeatures(amplitude=amplitude),
        KHotFeatures(2, amplitude=amplitude),
    ]
    law = laws[rng.choice(6, p=[0.4, 0.2, 0.15, 0.1, 0.05, 0.1])]
    importance = np.ones(n) if rng.random() < 0.3 else 10 ** rng.uniform(-3, 0, size=n)
    penalty = {}
    if rng.random() < 0.2:
        penalty[str(rng.choice(["interference_penalty", "weight_penalty"]))] = float(10 ** rng.uniform(-5, -2))
    return ToyModel(n, m, law, importance, **penalty)  # type: ignore[arg-type]
