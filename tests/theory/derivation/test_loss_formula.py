from __future__ import annotations

from fractions import Fraction
from functools import cache
from itertools import combinations, pairwise, product
from random import Random
from typing import Any

import numpy as np
import pytest
import sympy

from tegum.theory import derive_loss
from tegum.theory.formulas import PUBLISHED_LOSSES

# Newton-Cotes on five points is exact up to degree five; three nested integrals of a square need degree four.
BOOLE = [(Fraction(k, 4), Fraction(w, 90)) for k, w in enumerate((7, 32, 12, 32, 7))]

PAIR = derive_loss(2, 1)
W1, W2, B1, B2, P, R = PAIR.symbols
Point = tuple[tuple[tuple[Fraction, ...], ...], tuple[Fraction, ...]]


def box_integral(slopes: tuple[Fraction, ...], own: int | None, offset: Fraction, t: Fraction) -> Fraction:
    """Integrate (ReLU(z) − t)² over the amplitudes by its definition, one coordinate after the other.

    Each coordinate is cut where a corner of the remaining box has z = 0: in between the integral over those that
    remain is a polynomial.
    """
    if not slopes:
        return (max(offset, Fraction(0)) - t) ** 2
    slope, rest = slopes[0], slopes[1:]
    corners = [offset + sum(chosen) for k in range(len(rest) + 1) for chosen in combinations(rest, k)]
    kinks = {-corner / slope for corner in corners} if slope else set()
    ends = [Fraction(0), *sorted(kink for kink in kinks if 0 < kink < 1), Fraction(1)]
    remaining = None if own is None else own - 1
    total = Fraction(0)
    for low, high in pairwise(ends):
        for node, weight in BOOLE:
            u = low + (high - low) * node
            inner = box_integral(rest, remaining, offset + slope * u, u if own == 0 else t)
            total += (high - low) * weight * inner
    return total


def direct_output_loss(gram: list[list[Fraction]], bias: tuple[Fraction, ...], p: Fraction, i: int) -> Fraction:
    """Return E(x_i − x'_i)² by its definition, a sum over activity patterns."""
    n, total = len(bias), Fraction(0)
    for pattern in product((False, True), repeat=n):
        active = [j for j in range(n) if pattern[j]]
        slopes = tuple(gram[i][j] for j in active)
        own = active.index(i) if i in active else None
        total += p ** len(active) * (1 - p) ** (n - len(active)) * box_integral(slopes, own, bias[i], Fraction(0))
    return total


def overlaps(weights: tuple[tuple[Fraction, ...], ...]) -> list[list[Fraction]]:
    columns = list(zip(*weights, strict=True))
    return [[sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0)) for b in columns] for a in columns]


def direct_loss(point: Point, p: Fraction, r: Fraction) -> Fraction:
    weights, bias = point
    losses = [direct_output_loss(overlaps(weights), bias, p, i) for i in range(len(bias))]
    return sum(losses[:-1], Fraction(0)) + r * losses[-1]


def exact(number: Fraction) -> Any:
    return sympy.Rational(number.numerator, number.denominator)


def values_at(formula: Any, point: Point, p: Fraction, r: Fraction) -> dict[Any, Any]:
    numbers = [*(entry for row in point[0] for entry in row), *point[1], p, r]
    return dict(zip(formula.symbols, map(exact, numbers), strict=True))


def corner_signs(point: Point, i: int) -> tuple[frozenset[frozenset[int]], bool]:
    """Return the sets S with b_i + Σ_{j∈S} G_ij > 0, and whether no corner and no overlap is zero."""
    row, offset = overlaps(point[0])[i], point[1][i]
    subsets = [frozenset(s) for k in range(len(row) + 1) for s in combinations(range(len(row)), k)]
    corners = {subset: offset + sum(row[j] for j in subset) for subset in subsets}
    return frozenset(s for s, c in corners.items() if c > 0), all(row) and all(corners.values())


def random_fraction(random: Random, bound: int) -> Fraction:
    return Fraction(random.randint(-12 * bound, 12 * bound), random.randint(5, 12))


def random_point(random: Random, n: int, m: int) -> Point:
    weights = tuple(tuple(random_fraction(random, 1) for _ in range(n)) for _ in range(m))
    return weights, tuple(random_fraction(random, 2) for _ in range(n))


@cache
def point_in_region(feature: int, region: int) -> Point:
    wanted = PAIR.outputs[feature].regions[region].positive_corners
    random = Random(9 * feature + region)
    for _ in range(100_000):
        point = random_point(random, 2, 1)
        if corner_signs(point, feature) == (wanted, True):
            return point
    raise AssertionError(f"no random point lies in region {region} of output {feature}")


@pytest.mark.parametrize(("n", "m", "count"), [(1, 1, 3), (2, 1, 9), (2, 2, 9), (3, 1, 59), (3, 2, 59)])
def test_number_of_regions(n: int, m: int, count: int) -> None:
    assert [len(output.regions) for output in derive_loss(n, m).outputs] == [count] * n


@pytest.mark.parametrize("region", range(9))
@pytest.mark.parametrize("feature", range(2))
def test_every_region_equals_the_defining_integral(feature: int, region: int) -> None:
    point, p, r = point_in_region(feature, region), Fraction(2, 7), Fraction(5, 3)
    values = values_at(PAIR, point, p, r)
    record = PAIR.outputs[feature].regions[region]
    assert record.assumptions.xreplace(values) == sympy.true
    expected = direct_output_loss(overlaps(point[0]), point[1], p, feature)
    assert record.expression.subs(values) == exact(expected)
    assert PAIR.at(*point, p, r) == exact(direct_loss(point, p, r))
    assert PAIR.expression.subs(values) == exact(direct_loss(point, p, r))


# Vanishing overlaps, corners at zero, ties.
SPECIAL_POINTS: dict[str, tuple[list[list[Any]], list[Any]]] = {
    "nothing stored": ([[0, 0]], ["1/3", "-1/5"]),
    "nothing at all": ([[0, 0]], [0, 0]),
    "only the first": ([["2/3", 0]], ["-1/6", "1/4"]),
    "only the second": ([[0, "-3/2"]], ["1/6", "-1/4"]),
    "antipodal, no bias": ([[1, -1]], [0, 0]),
    "antipodal, corner at zero": ([[1, -1]], [1, -1]),
    "antipodal, biased": ([["9/8", "-9/8"]], ["1/7", "-1/7"]),
    "merged": ([["3/4", "3/4"]], [0, "-1/8"]),
    "dead": ([[1, -1]], [-2, -3]),
    "orthogonal": ([[1, 0], [0, 1]], ["1/9", "-1/9"]),
    "rotated orthogonal": ([["3/5", "-4/5"], ["4/5", "3/5"]], ["-1/9", 0]),
    "three, one alone": ([[1, 0, 0], [0, 1, -1]], ["1/9", 0, "1/11"]),
    "three, one dropped": ([[0, 1, "-1/2"], [0, "1/3", 1]], ["1/4", "-1/9", 0]),
    "one feature": ([["7/8"]], ["-1/10"]),
}


@pytest.mark.parametrize("name", SPECIAL_POINTS)
def test_at_is_exact_where_overlaps_vanish_and_corners_tie(name: str) -> None:
    weights, bias = SPECIAL_POINTS[name]
    point = tuple(tuple(map(Fraction, row)) for row in weights), tuple(map(Fraction, bias))
    formula, p, r = derive_loss(len(bias), len(weights)), Fraction(3, 8), Fraction(2, 3)
    value = formula.at(weights, bias, p, r)
    assert value.is_Rational
    assert value == exact(direct_loss(point, p, r))


@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 2), (3, 2)])
@pytest.mark.parametrize("seed", range(6))
def test_at_equals_the_defining_integral_for_other_sizes(n: int, m: int, seed: int) -> None:
    random = Random(seed)
    point = random_point(random, n, m)
    p, r = Fraction(random.randint(1, 9), 9), Fraction(random.randint(1, 20), 7)
    assert derive_loss(n, m).at(*point, p, r) == exact(direct_loss(point, p, r))


def test_regions_agree_where_they_meet() -> None:
    point: Point = ((Fraction(1), Fraction(-1)),), (Fraction(0), Fraction(1))
    p, r = Fraction(1, 3), Fraction(1)
    values = values_at(PAIR, point, p, r)
    for feature, output in enumerate(PAIR.outputs):
        meeting = [region for region in output.regions if region.assumptions.xreplace(values) == sympy.true]
        assert len(meeting) > 1
        expected = exact(direct_output_loss(overlaps(point[0]), point[1], p, feature))
        assert {region.expression.subs(values) for region in meeting} == {expected}


@pytest.mark.parametrize("published", PUBLISHED_LOSSES, ids=lambda published: str(published.name))
def test_published_losses_come_out_of_the_derivation(published: Any) -> None:
    values = dict(zip(PAIR.symbols[:4], (*published.weights[0], *published.bias), strict=True))
    derived = PAIR.specialise(values | {R: published.relative_importance})
    assert sympy.simplify(derived - published.loss) == 0


def test_published_antipodal_pair_is_no_critical_point() -> None:
    point = {W1: 1, W2: -1, B1: 0, B2: 0}
    for output, bias in zip(PAIR.outputs, (B1, B2), strict=True):
        slopes: dict[int, set[Any]] = {}
        for region in output.regions:
            side = 1 if frozenset() in region.positive_corners else -1
            if region.assumptions.subs(point) == sympy.true:
                slopes.setdefault(side, set()).add(sympy.cancel(sympy.diff(region.expression, bias)).subs(point))
        # From either side, to be multiplied by the importance.
        assert slopes == {1: {-(P**2) / 3}, -1: {-(P**2) / 3}}


def test_small_biases_beat_the_published_antipodal_pair() -> None:
    value = PAIR.at([[1, -1]], ["1/12", "1/12"], "1/2", 1)
    assert value == sympy.Rational(19079, 248832)
    assert value < sympy.Rational(1, 12) == PAIR.at([[1, -1]], [0, 0], "1/2", 1)


def test_specialise_uses_that_densities_are_at_most_one() -> None:
    # The first output is on for x_1 > p / 4 only because 1 − p / 4 > 0.
    loss = PAIR.specialise({"w1": 1, "w2": 0, "b1": -P / 4, "b2": P / 2})
    for density in ("1/5", 1):
        biases = [-sympy.Rational(density) / 4, sympy.Rational(density) / 2]
        assert loss.subs({P: sympy.Rational(density), R: 3}) == PAIR.at([[1, 0]], biases, density, 3)


def test_floats_are_the_binary_fractions_that_they_are() -> None:
    assert PAIR.at(np.array([[0.5, -0.25]]), [0.0, 0.125], 0.5, 1.0) == PAIR.at([["1/2", "-1/4"]], [0, "1/8"], "1/2", 1)
    assert PAIR.at([[0, 0]], [0, 0], 0.1, 1) == 2 * sympy.Rational(*(0.1).as_integer_ratio()) / 3


def test_latex_names_every_symbol() -> None:
    text = PAIR.latex()
    for symbol in PAIR.symbols:
        assert sympy.latex(symbol) in text
    assert text.count(r"\begin{cases}") == len(PAIR.outputs)


def test_assumptions_hold_what_the_expressions_need() -> None:
    assumptions = PAIR.assumptions
    assert [str(assumption) for assumption in assumptions[:3]] == ["p > 0", "r > 0", "p <= 1"]
    assert sympy.Ne(W1 * W2, 0) in assumptions
    for output in PAIR.outputs:
        for region in output.regions:
            assert region.assumptions in assumptions
            assert sympy.fraction(region.expression)[1].free_symbols <= {W1, W2}


def test_expressions_are_in_lowest_terms() -> None:
    for output in PAIR.outputs:
        for region in output.regions:
            assert sympy.cancel(region.expression) == region.expression


def test_derivation_is_cached() -> None:
    size: Any = np.int64(1)
    assert derive_loss(2, 1) is derive_loss(2, size)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((4, 1), "n_features must be an integer from 1 to 3 .* 993 regions per output.* got 4"),
        ((0, 1), "n_features must be an integer from 1 to 3"),
        ((2.0, 1), "n_features must be an integer"),
        ((2, True), "n_hidden must be an integer"),
        ((2, 3), "n_hidden must be an integer from 1 to 2"),
        (([2], 1), "n_features must be an integer"),
    ],
    ids=str,
)
def test_derive_loss_rejects_other_sizes(sizes: tuple[Any, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        derive_loss(*sizes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, -1], [0, 0], 1, 1), "must have shapes"),
        (([[1, -1], [1]], [0, 0], 1, 1), "must have shapes"),
        (([[1, -1]], [0], 1, 1), "must have shapes"),
        (([[1, -1]], [0, 0], 0, 1), "density must lie in"),
        (([[1, -1]], [0, 0], "9/8", 1), "density must lie in"),
        (([[1, -1]], [0, 0], 1, 0), "relative_importance must be positive"),
        (([[1, -1]], [0, float("nan")], 1, 1), "b2 must be real and finite"),
        (([[1, sympy.sqrt(2)]], [0, 0], 1, 1), "w2 must be rational"),
        (([[1, "two"]], [0, 0], 1, 1), "w2 must be a number"),
        (([[1, True]], [0, 0], 1, 1), "w2 must be real"),
        (([[1, "1/0"]], [0, 0], 1, 1), "w2 must be"),
        (([[1, None]], [0, 0], 1, 1), "w2 must be a number"),
    ],
    ids=str,
)
def test_at_rejects_what_is_no_rational_point(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PAIR.at(*arguments)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({W1: 1, W2: -1, B1: 0}, r"missing \['b2'\]"),
        ({W1: 1, W2: -1, B1: 0, B2: 0, "q": 1}, r"unknown \['q'\]"),
        ({W1: 1, W2: -1, B1: 0, B2: sympy.I}, "b2 must be real"),
        ({W1: 1, W2: -1, B1: 0, B2: P - sympy.Rational(1, 2)}, "sign of p - 1/2"),
        ({W1: 1, W2: P - sympy.Rational(1, 2), B1: 0, B2: 0}, "whether the overlap"),
        ({W1: 1, W2: -1, B1: 0, B2: 0, P: 2}, "density must lie in"),
    ],
    ids=str,
)
def test_specialise_rejects_what_it_cannot_decide(values: dict[Any, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PAIR.specialise(values)
