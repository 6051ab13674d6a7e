"""Families of models along one parameter: a feature that gets denser or more important, or pairs that do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from ..numerics import (
    MOST_EXCHANGED,
    MOST_PAIRS,
    MOST_SIZE,
    FloatArray,
    Summarised,
    check_callable,
    check_count,
    check_kind,
    check_number,
    check_text,
    whole_numbers,
)
from .groups import AnticorrelatedFeatures, CorrelatedFeatures
from .laws import IndependentFeatures
from .model import ToyModel


@dataclass(frozen=True, eq=False)
class Family(Summarised):
    """Models M(t) for a parameter t > 0, which is followed in its logarithm.

    Attributes:
        parameter: name of t.
        low: smallest t.
        high: largest t.
        n_features: number of features n.
        n_hidden: number of hidden dimensions m.
        exchanges: relabellings of the features that leave every model as it is, shape (k, n), the identity first.
        at: from t, shape (K,), to models, batch shape (K,).
    """

    parameter: str
    low: float
    high: float
    n_features: int
    n_hidden: int
    exchanges: NDArray[np.int64]
    at: Callable[[FloatArray], ToyModel]

    def __post_init__(self) -> None:
        """Check sizes and range."""
        check_text("parameter", self.parameter)
        check_count("n_features", self.n_features, 2, MOST_SIZE)
        check_count("n_hidden", self.n_hidden, 1, MOST_SIZE)
        check_number("low", self.low, above=0)
        check_number("high", self.high, above=self.low)
        exchanges = whole_numbers(
            "exchanges", self.exchanges, ("k", self.n_features), least=0, most=self.n_features - 1
        )
        object.__setattr__(self, "exchanges", exchanges)
        check_callable("at", self.at, 1)

    def models(self, logarithm: FloatArray) -> ToyModel:
        """Return the models at values of log t, shape (K,); what lies outside the range is moved to its ends."""
        models = self.at(np.clip(np.exp(logarithm), self.low, self.high))
        check_kind("what at returns", models, ToyModel)
        models.check_plain("a family of models", "bias", "amplitude")
        return models


def _permuting_first(count: int, n: int) -> NDArray[np.int64]:
    """Return all relabellings of the first `count` of n features."""
    return np.array([[*order, *range(count, n)] for order in permutations(range(count))])


def one_denser(n_features: int, n_hidden: int, density: float, low: float, high: float) -> Family:
    """Return models whose last feature is t times as dense as the others.

    The setting of arXiv:2209.10652, section "non-uniform superposition".

    Args:
        n_features: number of features n.
        n_hidden: number of hidden dimensions m.
        density: p of the others.
        low: smallest t.
        high: largest t; t p may not exceed 1.

    Raises:
        ValueError: if the range is empty, or a density lies outside (0, 1].
    """
    check_count("n_features", n_features, 2, MOST_EXCHANGED)
    check_count("n_hidden", n_hidden)
    density = check_number("density", density, above=0, most=1)
    low = check_number("low", low, above=0)
    high = check_number("high", high, above=low)
    if density * high > 1 + 1e-12:
        raise ValueError(f"high times density must be at most 1, got {high} times {density}")

    def at(t: FloatArray) -> ToyModel:
        densities = np.full((len(t), n_features), density)
        densities[:, -1] = np.minimum(density * t, 1.0)
        return ToyModel(n_features, n_hidden, IndependentFeatures(densities))

    exchanges = _permuting_first(n_features - 1, n_features)
    return Family(f"relative density of feature {n_features}", low, high, n_features, n_hidden, exchanges, at)


def one_more_important(n_features: int, n_hidden: int, density: float, low: float, high: float) -> Family:
    """Return models whose last feature is t times as important as the others.

    Args:
        n_features: number of features n.
        n_hidden: number of hidden dimensions m.
        density: p of all.
        low: smallest t.
        high: largest t.

    Raises:
        ValueError: if the range is empty, or the density lies outside (0, 1].
    """
    check_count("n_features", n_features, 2, MOST_EXCHANGED)
    check_count("n_hidden", n_hidden)
    density = check_number("density", density, above=0, most=1)
    low = check_number("low", low, above=0)
    high = check_number("high", high, above=low)
    law = IndependentFeatures(density)

    def at(t: FloatArray) -> ToyModel:
        importance = np.ones((len(t), n_features))
        importance[:, -1] = t
        return ToyModel(n_features, n_hidden, law, importance)

    exchanges = _permuting_first(n_features - 1, n_features)
    return Family(f"relative importance of feature {n_features}", low, high, n_features, n_hidden, exchanges, at)


def _pairs(count: int) -> list[tuple[int, int]]:
    return [(2 * k, 2 * k + 1) for k in range(count)]


def _exchanging_pairs(count: int) -> NDArray[np.int64]:
    """Return the relabellings that permute pairs and exchange features within them."""
    pairs = _pairs(count)
    return np.array(
        [
            [i for k, turned in zip(order, turns, strict=True) for i in pairs[k][:: -1 if turned else 1]]
            for order in permutations(range(count))
            for turns in product((False, True), repeat=count)
        ]
    )


def correlated_pairs(count: int, n_hidden: int, low: float, high: float) -> Family:
    """Return models of pairs of features that are on or off together, along their density t.

    Args:
        count: of pairs.
        n_hidden: number of hidden dimensions m.
        low: smallest density.
        high: largest density, at most 1.

    Raises:
        ValueError: if the range is empty or exceeds 1.
    """
    check_count("count", count, 1, MOST_PAIRS)
    check_count("n_hidden", n_hidden)
    low = check_number("low", low, above=0)
    high = check_number("high", high, above=low, most=1)

    def at(t: FloatArray) -> ToyModel:
        return ToyModel(2 * count, n_hidden, CorrelatedFeatures(t[:, None], _pairs(count)))

    return Family("feature density 1−S", low, high, 2 * count, n_hidden, _exchanging_pairs(count), at)


def anticorrelated_pairs(count: int, n_hidden: int, low: float, high: float) -> Family:
    """Return models of pairs of features of which at most one is on, along the density t of each feature.

    Args:
        count: of pairs.
        n_hidden: number of hidden dimensions m.
        low: smallest density.
        high: largest density, at most 1/2.

    Raises:
        ValueError: if the range is empty or exceeds 1/2.
    """
    check_count("count", count, 1, MOST_PAIRS)
    check_count("n_hidden", n_hidden)
    low = check_number("low", low, above=0)
    high = check_number("high", high, above=low, most=0.5)

    def at(t: FloatArray) -> ToyModel:
        return ToyModel(2 * count, n_hidden, AnticorrelatedFeatures(t[:, None], _pairs(count)))

    return Family("feature density 1−S", low, high, 2 * count, n_hidden, _exchanging_pairs(count), at)
