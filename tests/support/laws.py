"""Input laws for tests: every kind, with features at random, and amplitudes and penalties to go with them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import chain, combinations, pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tegum.theory import (
    Amplitude,
    AnticorrelatedFeatures,
    CorrelatedFeatures,
    FeatureLaw,
    HierarchicalFeatures,
    IndependentBlocks,
    IndependentFeatures,
    KHotFeatures,
    MixtureFeatures,
    OneHotFeatures,
    TableFeatures,
    ToyModel,
)
from tegum.theory.models import as_amplitude
from tegum.theory.numerics import FloatArray

Rng = np.random.Generator

THIRDS: tuple[Any, Any] = Fraction(-1, 3), Fraction(2, 3)
AMPLITUDES: dict[str, Any] = {
    "uniform": "uniform",
    "symmetric": "symmetric",
    "constant": "constant",
    "bounded away from zero": Amplitude(0.25, 2),
    "mostly negative": Amplitude(-1, 0.5),
    "thirds": Amplitude(*THIRDS),
    "constant, negative": Amplitude(-1.5, -1.5),
}
# Of three features, all of another kind.
EACH: list[Any] = ["symmetric", Amplitude(0, 2), "constant"]


def _density(rng: Rng) -> Any:
    return rng.choice(np.array([rng.uniform(0.05, 1), rng.uniform(0.01, 0.1), 1.0, 0.5, 1e-3, 1e-9, Fraction(1, 10)]))


def _groups(rng: Rng, n: int) -> list[list[int]]:
    """Return one or two groups of features; some features may be in none."""
    order = [int(i) for i in rng.permutation(n)]
    cut, end = sorted(int(i) for i in rng.integers(1, n + 1, 2))
    return [group for group in (order[:cut], order[cut:end]) if group]


def _correlated(rng: Rng, n: int, amplitude: Any) -> FeatureLaw:
    groups = _groups(rng, n)
    density = np.array([_density(rng) for _ in range(n)], dtype=object)
    for group in groups:
        density[group] = density[group[0]]
    return CorrelatedFeatures(density, groups, amplitude=amplitude)


def _anticorrelated(rng: Rng, n: int, amplitude: Any) -> FeatureLaw:
    groups = _groups(rng, n)
    density = np.array([_density(rng) for _ in range(n)], dtype=object)
    for group in groups:
        # Sometimes one of the group is always on.
        total = (Fraction(1), Fraction(3, 4), Fraction(1, 1000))[rng.integers(3)]
        shares = [Fraction(int(share)) for share in rng.integers(1, 5, len(group))]
        density[group] = [total * share / sum(shares) for share in shares]
    return AnticorrelatedFeatures(density, groups, amplitude=amplitude)


def _table(rng: Rng, n: int, amplitude: Any) -> FeatureLaw:
    sets = list(chain.from_iterable(combinations(range(n), size) for size in range(n + 1)))
    kept = rng.permutation(len(sets))[: rng.integers(1, len(sets) + 1)]
    shares = [Fraction(int(share)) for share in rng.integers(1, 100, len(kept))]
    return TableFeatures({sets[i]: x / sum(shares) for i, x in zip(kept, shares, strict=True)}, amplitude=amplitude)


LAWS: dict[str, Callable[[Rng, int, Any], FeatureLaw]] = {
    "independent": lambda rng, n, amplitude: IndependentFeatures(
        [_density(rng) for _ in range(n)] if rng.random() < 0.5 else _density(rng), amplitude=amplitude
    ),
    "correlated": _correlated,
    "anticorrelated": _anticorrelated,
    "one hot": lambda _, __, amplitude: OneHotFeatures(amplitude=amplitude),
    "k hot": lambda rng, n, amplitude: KHotFeatures(int(rng.integers(1, n + 1)), amplitude=amplitude),
    "table": _table,
}


def _any(rng: Rng, n: int, amplitude: Any) -> FeatureLaw:
    return LAWS[str(rng.choice(list(LAWS)))](rng, n, amplitude)


def _blocks(rng: Rng, n: int, amplitude: Any) -> FeatureLaw:
    """Return parts whose features are in any order."""
    order = [int(i) for i in rng.permutation(n)]
    cuts = sorted({0, n, *(int(i) for i in rng.integers(0, n + 1, 2))})
    groups = [order[begin:end] for begin, end in pairwise(cuts)]
    each = as_amplitude(amplitude)
    return IndependentBlocks([(group, _any(rng, len(group), each.at(group))) for group in groups])


def _mixture(rng: Rng, n: int, amplitude: Any) -> FeatureLaw:
    shares = [Fraction(int(share)) for share in rng.integers(0, 5, 2)] + [Fraction(1)]
    return MixtureFeatures([share / sum(shares) for share in shares], [_any(rng, n, amplitude) for _ in shares])


def _hierarchy(rng: Rng, n: int, amplitude: Any) -> FeatureLaw:
    order = [int(i) for i in rng.permutation(n)]
    parents: list[int | None] = [None] * n
    density = np.array([_density(rng) for _ in range(n)], dtype=object)
    for place, i in enumerate(order):
        above = int(rng.integers(-1, place)) if place else -1
        if above >= 0:
            parents[i] = order[above]
            density[i] = min(density[i], density[order[above]])
    return HierarchicalFeatures(density, parents, amplitude=amplitude)


# Laws that are made of others, and trees: engines are held to fewer cases of them.
COMPOSED: dict[str, Callable[[Rng, int, Any], FeatureLaw]] = {
    "blocks": _blocks,
    "mixture": _mixture,
    "hierarchy": _hierarchy,
}
EVERY_LAW = LAWS | COMPOSED

PENALTIES: dict[str, dict[str, Any]] = {
    "no penalty": {},
    "interference": {"interference_penalty": 0.3},
    "decay": {"weight_penalty": 0.01},
    "activation": {"activation_penalty": Fraction(1, 20)},
    "all penalties": {"interference_penalty": 0.05, "weight_penalty": 1e-3, "activation_penalty": 0.2},
}


def examples(n: int, amplitude: Any = "uniform") -> dict[str, FeatureLaw]:
    """Return one law of each kind for at least three features, the same in every test that asks for it.

    Which features outside of a block of neighbours are on depends on the block in all of them but the independent ones.
    """
    last = n - 1
    pairs = [(0, n // 2), (1, last)] if n > 3 else [(0, last)]
    sets = [on for size in range(n + 1) for on in combinations(range(n), size)]
    total = len(sets) * (len(sets) + 1) / 2
    return {
        "independent": IndependentFeatures(np.linspace(0.1, 0.9, n), amplitude=amplitude),
        "certain": IndependentFeatures(np.where(np.arange(n) % 2, 0.5, 1.0), amplitude=amplitude),
        "correlated": CorrelatedFeatures(0.3, pairs, amplitude=amplitude),
        "anticorrelated": AnticorrelatedFeatures(
            0.1 + 0.2 * (np.arange(n) % 2), [(0, 2, *range(5, n)), (1, *range(3, min(n, 5)))], amplitude=amplitude
        ),
        "one hot": OneHotFeatures(amplitude=amplitude),
        "two hot": KHotFeatures(2, amplitude=amplitude),
        "table": TableFeatures({on: (k + 1) / total for k, on in enumerate(sets)}, amplitude=amplitude),
    }


def composed_examples(n: int, amplitude: Any = "uniform") -> dict[str, FeatureLaw]:
    """Return one law of each kind that is made of others, or a tree, for at least four features."""
    half = (n + 1) // 2
    return {
        "blocks": IndependentBlocks(
            [
                (range(0, n, 2), AnticorrelatedFeatures(0.6 / n, [range((n + 1) // 2)], amplitude=amplitude)),
                (range(1, n, 2), KHotFeatures(1, amplitude=amplitude)),
            ]
        ),
        "mixture": MixtureFeatures(
            [0.25, 0.75],
            [
                CorrelatedFeatures(0.3, [range(n)], amplitude=amplitude),
                IndependentFeatures(np.linspace(0.1, 0.5, n), amplitude=amplitude),
            ],
        ),
        "hierarchy": HierarchicalFeatures(
            [0.8 / (1 + i) for i in range(half)] + [0.7 / (1 + i) for i in range(n - half)],
            [None if i in (0, half) else (i - 1 if i < half else half) for i in range(n)],
            amplitude=amplitude,
        ),
    }


def independent(n_features: int, n_hidden: int, density: ArrayLike = 0.3, importance: ArrayLike = 1.0) -> ToyModel:
    """Return a model of independent features."""
    return ToyModel(n_features, n_hidden, IndependentFeatures(density), importance)


def densities(model: ToyModel) -> FloatArray:
    """Return P(x_i ≠ 0) of a single model, shape (n,)."""
    assert model.batch_shape == ()
    return model.densities()
