"""Box differences: one output's loss as a rational function, derived from the input law by machine.

With R_k(t) = max(t, 0)^k / k!, each active feature's amplitude is integrated out by one difference,

    ∫₀¹ R_k(t + a u) du   = [R_{k+1}(t + a) − R_{k+1}(t)] / a,
    ∫₀¹ u R_k(t + a u) du = R_{k+1}(t + a) / a − [R_{k+2}(t + a) − R_{k+2}(t)] / a²,

which leaves a sum over the corners c_S = b_i + Σ_{j∈S} G_ij, and in it those that are positive. docs/derivation.md
tells it at length.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import combinations, combinations_with_replacement, product
from math import factorial
from typing import Any

import sympy
from sympy.polys.fields import field as rational_functions

# SymPy carries no types.
Expression = Any
Corner = frozenset[int]

MAX_DERIVED_FEATURES = 3

# p = 1 − S, and r, the importance of a feature against the others'.
DENSITY = sympy.Symbol("p", positive=True)
RELATIVE_IMPORTANCE = sympy.Symbol("r", positive=True)
BIAS = sympy.Symbol("b", real=True)
OVERLAPS = sympy.symbols(f"G1:{MAX_DERIVED_FEATURES + 1}", real=True)


@cache
def region_loss(n: int, feature: int, live: frozenset[int], positive: frozenset[Corner]) -> Expression:
    """Return E(x_i − x'_i)² in b, G1 … Gn and p where the corners in `positive` are the positive ones."""
    return _region_fraction(n, feature, live, positive).as_expr()


def region_loss_in_weights(
    feature: int, weights: Sequence[Expression], bias: Expression, positive: frozenset[Corner]
) -> Expression:
    """Return `region_loss` for one hidden dimension, G_ij = w_i w_j, in lowest terms.

    Overlaps are monomials in the weights, so all that can cancel is a monomial: exponents are added and compared.
    """
    n = len(weights)
    fraction = _region_fraction(n, feature, frozenset(range(n)), positive)

    def exponents(powers: tuple[int, ...]) -> tuple[int, ...]:
        _, *of_overlaps, _ = powers
        return tuple(sum(of_overlaps) + e if j == feature else e for j, e in enumerate(of_overlaps))

    numerator, denominator = (
        {(powers[0], *exponents(powers), powers[-1]): number for powers, number in part.terms()}
        for part in (fraction.numer, fraction.denom)
    )
    common = tuple(map(min, zip(*numerator, *denominator, strict=True)))
    target = rational_functions([bias, *weights, DENSITY], sympy.QQ)[0].ring
    parts = (
        target.from_dict({tuple(map(int.__sub__, powers, common)): number for powers, number in part.items()})
        for part in (numerator, denominator)
    )
    above, below = (part.as_expr() for part in parts)
    return above / below


def _region_fraction(n: int, feature: int, live: frozenset[int], positive: frozenset[Corner]) -> Any:
    """Return `region_loss` as an element of the field of rational functions."""
    constant, corners = _corner_losses(n, feature, live)
    return sum((corners[corner] for corner in corners_of(live) if corner in positive), constant)


@cache
def _corner_losses(n: int, feature: int, live: frozenset[int]) -> tuple[Any, dict[Corner, Any]]:
    """Return E[x_i²], and what each corner adds to the loss while it is positive, as rational functions.

    The overlaps of features outside `live` are zero: they integrate to their amplitude's mean or to 1.
    """
    _, b, *slopes, p = rational_functions([BIAS, *OVERLAPS[:n], DENSITY], sympy.QQ)
    u = sympy.Symbol("u")
    mean, second_moment = (sympy.QQ.from_sympy(sympy.integrate(u**k, (u, 0, 1))) for k in (1, 2))
    constant, added = 0 * p, dict.fromkeys(corners_of(live), 0 * p)
    for active in corners_of(range(n)):
        probability = p ** len(active) * (1 - p) ** (n - len(active))
        # Coefficients of R_k(c_S), first of 2 R_2(z) and then of −2 x_i R_1(z).
        expectations = [(2, False, {(2, frozenset[int]()): 2 * probability})]
        if feature in active:
            constant += second_moment * probability
            expectations.append((1, True, {(1, frozenset[int]()): -2 * probability}))
        for _, weighted, terms in expectations:
            for j in active:
                own = weighted and j == feature
                if j in live:
                    terms = _box_difference(terms, j, slopes[j], own)
                elif own:
                    terms = {key: mean * coefficient for key, coefficient in terms.items()}
            for (k, corner), coefficient in terms.items():
                added[corner] += coefficient * corner_value(corner, slopes, b) ** k / factorial(k)
    return constant, added


def _box_difference(terms: dict[Any, Any], j: int, slope: Any, own: bool) -> dict[Any, Any]:
    """Integrate Σ coefficient · R_k(c_S + G_ij u), or u times that if `own`, over u in [0, 1]."""
    integral: dict[tuple[int, Corner], Any] = {}
    for (k, corner), coefficient in terms.items():
        upper = corner | {j}
        if own:
            parts = [
                (k + 1, upper, coefficient / slope),
                (k + 2, upper, -coefficient / slope**2),
                (k + 2, corner, coefficient / slope**2),
            ]
        else:
            parts = [(k + 1, upper, coefficient / slope), (k + 1, corner, -coefficient / slope)]
        for order, place, part in parts:
            integral[order, place] = integral.get((order, place), 0) + part
    return integral


def sign_regions(n: int, feature: int) -> list[frozenset[Corner]]:
    """Return the sets of corners that can be positive together, given G_ii ≥ 0.

    A set of corners of the n-cube is cut off by a plane if and only if no two corners inside have the same sum as two
    outside; that is true for n up to 8, beyond which sums of more corners are needed.
    """
    corners = corners_of(range(n))
    regions = []
    for flags in product((False, True), repeat=len(corners)):
        positive = frozenset(corner for corner, flag in zip(corners, flags, strict=True) if flag)
        sums = [
            {tuple((j in a) + (j in b) for j in range(n)) for a, b in combinations_with_replacement(side, 2)}
            for side in (positive, set(corners) - positive)
        ]
        monotone = all(corner | {feature} in positive for corner in positive)
        if monotone and not sums[0] & sums[1]:
            regions.append(positive)
    return regions


def corners_of(features: Iterable[int]) -> list[Corner]:
    """Return the subsets of `features`, smallest first."""
    members = sorted(features)
    return [frozenset(c) for size in range(len(members) + 1) for c in combinations(members, size)]


def corner_value(corner: Corner, overlaps: Sequence[Any], bias: Any) -> Any:
    """Return c_S = b_i + Σ_{j∈S} G_ij."""
    return sum((overlaps[j] for j in sorted(corner)), bias)
