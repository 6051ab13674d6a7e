"""Bounds over boxes hold every point's exact value, in ball arithmetic and compiled, and exclude no minimiser."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

import pytest
from flint import arb, ctx, fmpq
from hypothesis import given
from hypothesis import strategies as st

from tegum.theory import CriticalPoint, IndependentFeatures, ToyModel, enclosure, local_minima
from tegum.theory.proofs.floats import Chances, OutputBox, Span, product, size, squared
from tests.support.internals import internals

# Behind the face: bounds against exact rationals, layer by layer; the enclosure of one box.
balls, box_balls = internals("proofs.balls.moments"), internals("enclosures.boxes")
bounds, bends, boxes_of = (
    # Behind the face: bounds against exact rationals, layer by layer.
    internals("proofs.balls.bounds"),
    # Behind the face: bounds against exact rationals, layer by layer.
    internals("proofs.balls.curvature"),
    # Behind the face: bounds against exact rationals, layer by layer.
    internals("proofs.balls.boxes"),
)
# Behind the face: rounding against exact rationals, layer by layer.
slopes, curved = internals("proofs.floats.slopes"), internals("proofs.floats.curvature")
# Behind the face: bounds against exact rationals, layer by layer; how one box is settled.
exclusion, squares = internals("proofs.balls.exclusion"), internals("proofs.pairs.squares")

GRID = 2**16
# Moments by the order of the ReLU and the features that multiply it: y is R_1, y² is 2 R_2.
MOMENTS: dict[str, tuple[tuple[int, ...], int]] = {
    "y": ((), 1), "x": ((0,), 0), "xy": ((0,), 1), "yy": ((), 2), "vy": ((1,), 1), "xx": ((0, 0), 0),
    "xv": ((0, 1), 0), "on": ((), 0), "v": ((1,), 0), "vv": ((1, 1), 0),
}  # fmt: skip

sizes = st.integers(0, 2 * GRID)
numbers = st.integers(-2 * GRID, 2 * GRID) | st.sampled_from([0, 1, -1, GRID, -GRID])
widths = st.sampled_from([0, 1, 2**6, 2**12, 2**15])
shares = st.integers(0, 8)
chances = st.integers(1, 64).map(lambda k: fmpq(k, 64))
rationals = st.fractions(-3, 3, max_denominator=50)


def exact(value: Fraction) -> fmpq:
    return fmpq(value.numerator, value.denominator)


def laws(p: fmpq) -> Chances:
    """Return the probabilities of the sets of active features; exact for multiples of 1/64."""
    density = float(Fraction(int(p.p), int(p.q)))
    return Chances((1 - density) ** 2, density * (1 - density), density**2)


# --- Intervals ---------------------------------------------------------------------------------------------------


@given(rationals, rationals, rationals, rationals, st.fractions(0, 1), st.fractions(0, 1))
def test_products_and_squares_are_in_their_ranges(
    a: Fraction, b: Fraction, c: Fraction, d: Fraction, share: Fraction, other: Fraction
) -> None:
    one, two = boxes_of.Range(*map(exact, sorted((a, b)))), boxes_of.Range(*map(exact, sorted((c, d))))
    x = one.low + exact(share) * one.width
    y = two.low + exact(other) * two.width
    product, square = one.times(two), one.squared()
    assert product.low <= x * y <= product.high
    assert square.low <= x * x <= square.high
    assert abs(x) <= one.size
    assert any(half.low <= x <= half.high for half in one.halves())
    assert one.ball().contains(arb(x))
    # Each end is reached.
    corners = [p * q for p in one for q in two]
    assert {product.low, product.high} <= set(corners)
    assert square.high in {p * p for p in one}


@given(numbers, widths, numbers, widths, shares, shares)
def test_compiled_products_and_squares_are_too(a: int, wide: int, c: int, high: int, i: int, j: int) -> None:
    x, y = a + wide * i / 8, c + high * j / 8
    first, second = Span(a / GRID, (a + wide) / GRID), Span(c / GRID, (c + high) / GRID)
    products, squares = product(first, second), squared(first)
    assert products.low <= x / GRID * (y / GRID) <= products.high
    assert squares.low <= (x / GRID) ** 2 <= squares.high
    assert abs(x / GRID) <= size(first)


# --- Moments -----------------------------------------------------------------------------------------------------


def by_signed_sums(name: str, p: fmpq, s: fmpq, g: fmpq, beta: fmpq) -> arb:
    """Return a moment pattern by pattern from `balls`, which integrates over any number of features."""
    features, order = MOMENTS[name]
    total = arb(0)
    for active, chance in (((), (1 - p) ** 2), ((0,), p * (1 - p)), ((1,), p * (1 - p)), ((0, 1), p * p)):
        if set(features) <= set(active):
            box = box_balls.Box.of_unit({j: (s, g)[j] for j in active}, beta)
            total += arb(chance) * box.moments([(features, order)])[0] * (2 if order == 2 else 1)
    return total


@given(chances, sizes, numbers, numbers, st.booleans())
def test_moments_are_those_of_the_general_code(p: fmpq, s: int, g: int, beta: int, corner: bool) -> None:
    # A corner of the square on z = 0.
    point = fmpq(s, GRID), fmpq(g, GRID), fmpq(-s - g if corner else beta, GRID)
    found = balls.pair_moments_in_balls(p, *point)
    with ctx.workprec(400):
        for name in MOMENTS:
            assert getattr(found, name).overlaps(by_signed_sums(name, p, *point))
    assert all(ball.rad() < balls.NARROW for ball in found)


@given(chances, sizes, numbers, numbers, numbers)
def test_two_outputs_make_the_loss(p: fmpq, w1: int, w2: int, b1: int, b2: int) -> None:
    model = ToyModel(2, 1, IndependentFeatures(Fraction(int(p.p), int(p.q))), interference_penalty=Fraction(1, 7))
    weights, bias = [Fraction(w1, GRID), Fraction(w2, GRID)], [Fraction(b1, GRID), Fraction(b2, GRID)]
    loss = enclosure(model, [weights], bias).loss
    u, v = map(exact, weights)
    output = bounds.OutputBounds(p)
    total = output.value(u * u, u * v, exact(bias[0])) + output.value(v * v, u * v, exact(bias[1]))
    total += arb(2 * (u * v) ** 2) / 7
    ends = arb(exact(loss.lower)).union(arb(exact(loss.upper)))
    assert total.overlaps(ends)


Boxes = tuple[Any, Any, Any, tuple[fmpq, fmpq, fmpq]]


@st.composite
def boxes(draw: st.DrawFn) -> Boxes:
    """Draw ranges of s, g and β with s > 0, and a point inside of them."""
    ranges, point = [], []
    for start in (st.integers(1, 2 * GRID), numbers, numbers):
        low, width, share = draw(start), draw(widths), draw(shares)
        ranges.append(boxes_of.Range(fmpq(low, GRID), fmpq(low + width, GRID)))
        point.append(fmpq(8 * low + share * width, 8 * GRID))
    return ranges[0], ranges[1], ranges[2], (point[0], point[1], point[2])


def spans(*ranges: Any) -> list[Span]:
    return [Span(*(float(Fraction(int(end.p), int(end.q))) for end in side)) for side in ranges]


@given(chances, boxes())
def test_slopes_over_a_box_hold_those_at_its_points(p: fmpq, drawn: Boxes) -> None:
    s, g, beta, point = drawn
    output = bounds.OutputBounds(p)
    at = output.at(*point)
    inside = 2 * (at.xy - at.xx), 2 * (at.vy - at.xv)
    for over, value in zip(output.slopes(s, g, beta), inside, strict=True):
        assert over.overlaps(value)
    found = slopes.slope_ranges(OutputBox(*spans(s, g, beta)), laws(p))
    for over, value in ((found.s, inside[0]), (found.g, inside[1])):
        assert not arb(over.low) > value
        assert not arb(over.high) < value


@given(chances, boxes())
def test_curvature_over_a_box_holds_that_at_its_points(p: fmpq, drawn: Boxes) -> None:
    s, g, beta, point = drawn
    if g.low <= 0 <= g.high or point[2] == 0:
        return
    output = bounds.OutputBounds(p)
    at = bends.curvature(output, *(boxes_of.Range(x, x) for x in point))
    over = bends.curvature(output, s, g, beta)
    low, high = curved.curvature_bounds(OutputBox(*spans(s, g, beta)), laws(p))
    for k, (value, wide) in enumerate(zip(at, over, strict=True)):
        assert wide.overlaps(value)
        assert not arb(float(low[k])) > value
        assert not arb(float(high[k])) < value


STEP = fmpq(1, 2**40)


@given(chances, boxes())
def test_curvature_is_the_derivative_of_slopes(p: fmpq, drawn: Boxes) -> None:
    *_, (s, g, beta) = drawn
    if g == 0 or beta == 0:
        return
    output = bounds.OutputBounds(p)
    over = bends.curvature(
        output, boxes_of.Range(s, s + STEP), boxes_of.Range(g, g + STEP), boxes_of.Range(beta, beta + STEP)
    )
    here = output.at(s, g, beta)
    first = 2 * (here.xy - here.xx), 2 * (here.vy - here.xv), 2 * (here.y - here.x)
    for move, row in (((1, 0, 0), "ss sg sb"), ((0, 1, 0), "sg gg gb"), ((0, 0, 1), "sb gb bb")):
        moved = [x + STEP * k for x, k in zip((s, g, beta), move, strict=True)]
        there = output.at(*moved)
        second = 2 * (there.xy - there.xx), 2 * (there.vy - there.xv), 2 * (there.y - there.x)
        for name, a, b in zip(row.split(), first, second, strict=True):
            # A range that holds β = 0 holds both sides of the jump: the mean of a derivative lies in its range.
            assert ((b - a) / arb(STEP)).overlaps(getattr(over, name))


@given(chances, boxes())
def test_no_optimal_bias_is_left_out(p: fmpq, drawn: Boxes) -> None:
    s, g, _, point = drawn
    output = bounds.OutputBounds(p)
    found = output.bias_range(s, g)
    low, high = slopes.bias_range(*spans(s, g), laws(p), 2.0**-10)
    everything = output.biases(s, g)
    inside = bounds.BiasSearch(output, *point[:2])
    least = inside.lower(arb(fmpq(1, 2**40)))
    assert not least > inside.upper
    for k in range(65):
        beta = everything.low + everything.width * k / 64
        value = output.value(*point[:2], beta)
        assert not value < least
        if value.overlaps(inside.upper) and value.upper() < inside.upper.lower() + arb(fmpq(1, 2**60)):
            # As good as the best one.
            assert found.low <= beta <= found.high or found.low - beta < STEP
            assert low <= float(arb(beta)) + 2.0**-30
            assert high >= float(arb(beta)) - 2.0**-30


# --- Nothing that might be a minimiser is excluded ---------------------------------------------------------------

PLACES = [(0.05, 1.0), (0.1, 0.3), (0.3, 0.25), (0.5, 1.0), (0.9, 1.02), (1.0, 0.7)]


@cache
def minima_at(density: float, importance: float) -> tuple[CriticalPoint, ...]:
    found = local_minima(ToyModel(2, 1, IndependentFeatures(density), (1.0, importance)))
    return tuple(point for point in found if not point.dead)


@given(st.sampled_from(PLACES), st.integers(0, 3), st.integers(2, 14), st.integers(1, 15), st.integers(1, 15))
def test_boxes_around_minima_are_not_excluded(
    place: tuple[float, float], number: int, level: int, i: int, j: int
) -> None:
    density, importance = place
    points = minima_at(*place)
    point = points[number % len(points)]
    side = 2.0**-level
    # A box on the grid of its level that holds the minimum, at a place that is drawn.
    w = point.weights.ravel()
    corner = [round((x - side * k / 16) * 2**20) / 2**20 for x, k in zip(w, (i, j), strict=True)]
    threshold = point.loss * (1 + 1e-9)
    square = squares.Square(*(Span(x, x + side) for x in corner))
    found = squares.settle(square, squares.Problem(1.0, importance, 0.0, threshold, density))
    assert found.argument == squares.OPEN
    assert found.lower <= threshold
    box = boxes_of.WeightBox(*(boxes_of.Range(exact(Fraction(x)), exact(Fraction(x) + Fraction(side))) for x in corner))
    model = boxes_of.Pair(exact(Fraction(density)), (fmpq(1), exact(Fraction(importance))), fmpq(0))
    assert not exclusion.excluded(bounds.PairBounds(model), box, exact(Fraction(threshold)))


@given(st.sampled_from(PLACES), st.integers(-64, 64), st.integers(-64, 64), st.integers(1, 10), st.integers(0, 4))
def test_a_box_is_above_only_what_its_points_cost(
    place: tuple[float, float], i: int, j: int, level: int, share: int
) -> None:
    density, importance = place
    side, model = (
        Fraction(1, 2**level),
        boxes_of.Pair(exact(Fraction(place[0])), (fmpq(1), exact(Fraction(place[1]))), fmpq(1, 10)),
    )
    pair = bounds.PairBounds(model)
    ranges = [boxes_of.Range(exact(Fraction(k, 32)), exact(Fraction(k, 32) + side)) for k in (i, j)]
    box = boxes_of.WeightBox(*ranges)
    u, v = (side.low + side.width * share / 4 for side in ranges)
    upper = 2 * arb(model.penalty * (u * v) ** 2)
    for w, weight in zip((u, v), model.importance, strict=True):
        upper += arb(weight) * bounds.BiasSearch(pair.output, w * w, u * v).upper
    # The threshold is no less than what one of its points costs.
    threshold = Fraction(float(upper.upper())) * (1 + Fraction(1, 2**40))
    assert not pair.above(box, exact(threshold))
    found = squares.settle(
        squares.Square(*spans(*ranges)), squares.Problem(1.0, importance, 0.1, float(threshold), density)
    )
    assert found.argument not in (squares.ABOVE, squares.FAR)
    if found.argument == squares.OPEN:
        assert found.lower <= threshold


@pytest.mark.parametrize("square", [1.0, 1.5, 4.0, 100.0])
def test_the_bound_by_the_own_weight_is_reached(square: float) -> None:
    # For p → 1 and without the other feature f is p A(s) at the best bias: (s − 1)²/3(s + 1)².
    output = bounds.OutputBounds(fmpq(1))
    s = exact(Fraction(square))
    found = bounds.BiasSearch(output, s, fmpq(0))
    share = (s - 1) / (s + 1)
    assert found.lower(arb(fmpq(1, 2**30))) <= arb(share * share / 3)
    assert found.upper.overlaps(arb(share * share / 3)) or found.upper > share * share / 3
    assert found.upper - share * share / 3 < arb(fmpq(1, 2**8))
