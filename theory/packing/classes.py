"""Packing features of several importances: factors that keep to a class, factors that mix them, and a linear program.

A factor's best loss scales with a common importance and is a concave function of its features' importances, being the
least of linear ones. So a polytope that is used in several classes costs no more if each copy holds features of all of
them in the same shares (docs/packing.md). Which mixed factors there are is found by global minimisation of small
models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from scipy.optimize import linprog

from ..minima import MAX_LISTED_FEATURES, global_minimum
from ..models import IndependentFeatures, ToyModel, one_amplitude
from ..numerics import FloatArray, Summarised, check_count, check_kind, check_number, members, reals
from .best import BestPacking

# Classes of importance: mixtures of them are listed.
MOST_CLASSES = 8
# Importances of which products and sums are numbers yet.
LEAST_IMPORTANCE, MOST_IMPORTANCE = 1e-100, 1e100
# Copies per dimension below this are rounding.
NONE = 1e-9


@dataclass(frozen=True, eq=False)
class Factor(Summarised):
    """A tegum factor that a packing may use.

    Attributes:
        name: of its shape; "of class c" is added if there are several classes, and the counts if it mixes them.
        counts: features of each class.
        weights: W, shape (d, k), features class by class.
        bias: b, shape (k,).
        saved: Σ_i I_i ℓ₀ − loss.
    """

    name: str
    counts: tuple[int, ...]
    weights: FloatArray
    bias: FloatArray
    saved: float

    @property
    def dim(self) -> int:
        """Dimensions d."""
        return int(self.weights.shape[0])

    @property
    def mixed(self) -> bool:
        """Whether it holds features of several classes."""
        return sum(count > 0 for count in self.counts) > 1


@dataclass(frozen=True, eq=False)
class SharedPacking(Summarised):
    """The best use of dimensions for classes of features, many of each.

    Attributes:
        copies: of each factor for each dimension, by name, those that occur.
        stored: features of each class that are represented, for each dimension.
        saved: Σ_i I_i ℓ₀ − loss for each dimension.
        dimension_price: what another dimension would save.
        feature_prices: what another feature of each class would save, beside its own ℓ₀ being paid for.
        mixed: whether a mixed factor occurs.
        status: "optimal", or what the solver says.
    """

    copies: dict[str, float]
    stored: tuple[float, ...]
    saved: float
    dimension_price: float
    feature_prices: tuple[float, ...]
    mixed: bool
    status: str


def class_factors(packing: BestPacking, importance: Sequence[float]) -> tuple[Factor, ...]:
    """Return each polytope of an atlas for each class: its loss is that of equal features times their importance.

    Args:
        packing: the polytopes at one density.
        importance: of each class.

    Raises:
        ValueError: if an importance isn't from 1e-100 to 1e100, or there is none.
    """
    check_kind("packing", packing, BestPacking)
    sizes = checked_classes(importance)
    found = []
    for number, weight in enumerate(sizes):
        where = f" of class {number + 1}" if len(sizes) > 1 else ""
        for one in packing.polytopes:
            counts = tuple(one.corners if c == number else 0 for c in range(len(sizes)))
            bias = np.full(one.corners, one.bias)
            found.append(Factor(one.name + where, counts, one.weights, bias, weight * max(one.gain, 0.0) * one.dim))
    return tuple(found)


def mixed_factors(
    density: float, importance: Sequence[float], *, most: int = 3, amplitude: Any = "uniform"
) -> tuple[Factor, ...]:
    """Return the factors of few features of several classes that are the global minimum of their own model.

    Args:
        density: 1 − S in (0, 1).
        importance: of each class.
        most: features of a factor, from 2 to 4. Three take seconds, four a minute or more.
        amplitude: as in the input laws.

    Returns:
        Those that don't fall apart: their phase is one tegum factor, and no feature is dropped.

    Raises:
        ValueError: if a number isn't one of these.

    Example:
        >>> [(one.name, one.counts) for one in mixed_factors(0.2, (1.0, 0.5), most=2)]
        [('digon of 1 + 1', (1, 1))]
    """
    density = check_number("density", density, above=0, below=1)
    check_count("most", most, 2, MAX_LISTED_FEATURES)
    sizes = checked_classes(importance)
    law = IndependentFeatures(density, amplitude=one_amplitude("packing", amplitude))
    square = density * float(law.amplitude.second_moment)
    dropped = square - (density * float(law.amplitude.mean)) ** 2
    found = []
    for counts in product(range(most + 1), repeat=len(sizes)):
        k = sum(counts)
        if not 2 <= k <= most or sum(count > 0 for count in counts) < 2:
            continue
        weights = tuple(np.repeat(sizes, counts))
        for dim in range(1, k):
            best = global_minimum(ToyModel(k, dim, law, weights))
            shape, _, features = best.phase.partition("(")
            if "+" in best.phase or features.count(",") + 1 < k:
                continue
            name = f"{shape} of {' + '.join(str(count) for count in counts)}"
            saved = sum(weights) * dropped - best.loss
            found.append(Factor(name, counts, np.asarray(best.weights), np.asarray(best.bias), saved))
    return tuple(found)


def shared_packing(
    packing: BestPacking,
    importance: Sequence[float],
    per_dimension: Sequence[float],
    *,
    mixed: Sequence[Factor] = (),
) -> SharedPacking:
    """Return the best tegum product for classes of features, n and m → ∞ in given ratios: a linear program.

    With x_f copies of factor f for each dimension, Σ x_f saved_f is largest under Σ x_f d_f ≤ 1 and, for each class,
    Σ x_f k_fc ≤ n_c / m.

    Args:
        packing: polytopes of equal features at one density.
        importance: of each class.
        per_dimension: features of each class for each dimension, n_c / m.
        mixed: further factors, such as those of `mixed_factors`.

    Raises:
        ValueError: if numbers of classes differ, an importance isn't from 1e-100 to 1e100, a ratio isn't positive, or
            exactly one feature is on.

    Example:
        >>> from tegum.theory import best_packing
        >>> atlas = best_packing(0.2, among=("axis", "digon", "pentagon"))
        >>> shared_packing(atlas, (1.0, 0.01), (0.5, 9.0)).copies
        {'axis of class 1': 0.5, 'pentagon of class 2': 0.25}
    """
    check_kind("packing", packing, BestPacking)
    mixed = members("mixed", mixed, Factor)
    sizes = checked_classes(importance)
    amounts = reals("per_dimension", per_dimension, (len(sizes),), above=0)
    factors = all_factors(packing, sizes, mixed)
    saved = np.array([one.saved for one in factors])
    sides = np.array([[one.dim for one in factors], *np.array([one.counts for one in factors]).T])
    found = linprog(-saved, A_ub=sides, b_ub=[1.0, *amounts], bounds=(0, None), method="highs")
    if found.x is None:
        nothing = float("nan")
        unknown = (nothing,) * len(sizes)
        return SharedPacking({}, unknown, nothing, nothing, unknown, False, str(found.message))
    used = [(one, float(x)) for one, x in zip(factors, found.x, strict=True) if x > NONE]
    stored = tuple(float(x) for x in sides[1:] @ found.x)
    prices = -np.asarray(found.ineqlin.marginals)
    return SharedPacking(
        {one.name: x for one, x in used},
        stored,
        float(saved @ found.x),
        float(prices[0]),
        tuple(float(x) for x in prices[1:]),
        any(one.mixed for one, _ in used),
        "optimal" if found.status == 0 else str(found.message),
    )


def all_factors(packing: BestPacking, importance: Sequence[float], mixed: Sequence[Factor]) -> tuple[Factor, ...]:
    """Return the factors of an atlas for each class, and the mixed ones."""
    if packing.density is None:
        raise ValueError("factors of given sizes need a density, got the limit of one feature on")
    for one in mixed:
        if len(one.counts) != len(importance):
            raise ValueError(f"expected factors of {len(importance)} classes, got {one.name!r} of {len(one.counts)}")
    return (*class_factors(packing, importance), *mixed)


def checked_classes(importance: Sequence[float]) -> tuple[float, ...]:
    """Return the importances of classes, or raise `ValueError` unless they are some in the range that is covered."""
    sizes = reals("importance", importance, ("classes",), least=LEAST_IMPORTANCE, most=MOST_IMPORTANCE)
    if not 1 <= len(sizes) <= MOST_CLASSES:
        raise ValueError(f"importance must be that of 1 to {MOST_CLASSES} classes, got {len(sizes)}")
    return tuple(sizes.tolist())
