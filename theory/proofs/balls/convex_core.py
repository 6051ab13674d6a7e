"""The end of a proof near a smooth minimiser: L* is strongly convex on a box of weights (docs/proofs.md).

Boxes close to a minimiser can't be excluded by values or slopes. There the Hessian of L* is enclosed, on as many parts
of the box as it takes. If it is positive definite on all of them, the box holds at most one stationary point, and a
point with a tiny gradient says how far away that can be.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

from flint import arb, ctx, fmpq

from ...numerics import Range
from .bounds import PairBounds
from .boxes import WeightBox
from .curvature import curvature, reduced_hessian

MAX_SPLITS = 2
PRECISION = 160
# Widths of enclosures to try, doubled until they hold.
FIRST_WIDTH, LAST_WIDTH = fmpq(1, 2**62), fmpq(1, 2**20)
# Denominator of points and enclosures.
GRID = 2**90


class Minimiser(NamedTuple):
    """Where a minimiser lies, one of ±w, and the least loss.

    Attributes:
        weights: ranges of w_1 and w_2.
        bias: ranges of b_1 and b_2.
        loss: range of L at the minimiser.
        phase: its label.
    """

    weights: tuple[Range, Range]
    bias: tuple[Range, Range]
    loss: Range
    phase: str


def convexity(bounds: PairBounds, box: WeightBox, splits: int = MAX_SPLITS) -> arb | None:
    """Return a lower bound of the smallest curvature of L* on a box, positive, or None if none could be proved."""
    least = _least_curvature(bounds, box)
    if least > 0:
        return least
    if splits == 0 or box.first.low * box.first.high <= 0 or box.second.low * box.second.high <= 0:
        return None
    parts = []
    for quarter in box.quarters():
        part = convexity(bounds, quarter, splits - 1)
        if part is None:
            return None
        parts.append(part)
    return min(parts, key=lambda ball: float(ball.lower()))


def _least_curvature(bounds: PairBounds, box: WeightBox) -> arb:
    """Return a lower bound over a box for biases on either side of the jump at 0; not positive if unproved."""
    found = []
    for one, two in product(*(_sides(beta) for beta in bounds.biases(box))):
        hessian = reduced_hessian(bounds, box, (one, two))
        found.append(arb(-1) if hessian is None else hessian.smallest())
        if not found[-1] > 0:
            return found[-1]
    return min(found, key=lambda ball: float(ball.lower()))


def _sides(beta: Range) -> list[Range]:
    zero = fmpq(0)
    return [Range(beta.low, zero), Range(zero, beta.high)] if beta.low < 0 < beta.high else [beta]


def convex_minimiser(
    bounds: PairBounds, box: WeightBox, point: tuple[fmpq, fmpq, fmpq, fmpq]
) -> tuple[Minimiser | None, str]:
    """Enclose the only stationary point of L* in a box.

    Args:
        bounds: of the model.
        box: weights.
        point: (w_1, w_2, b_1, b_2) close to the minimiser, w inside the box.

    Returns:
        The enclosure, and "" or why there is none.
    """
    least = convexity(bounds, box)
    if least is None:
        return None, "the Hessian isn't proved to be positive definite"
    with ctx.workprec(PRECISION):
        return _enclosed(bounds, box, point, least)


def _enclosed(
    bounds: PairBounds, box: WeightBox, point: tuple[fmpq, fmpq, fmpq, fmpq], least: arb
) -> tuple[Minimiser | None, str]:
    w = point[:2]
    here = WeightBox(Range(w[0], w[0]), Range(w[1], w[1]))
    if not here.within(box):
        return None, "the point isn't in the box"
    biases = optimal_biases(bounds, here, point[2:])
    if biases is None:
        return None, "the biases aren't optimal"
    slope = sum((x.abs_upper() ** 2 for x in bounds.slopes(here, biases)), arb(0)).sqrt().upper()
    # L* ≥ L*(w) − slope |d| + least |d|²/2, so that its minimum on the box lies within |d| ≤ 2 slope / least.
    radius = above_on_grid(2 * slope / least)
    near = WeightBox(*(Range(x - radius, x + radius) for x in w))
    inside = near.within(box) and all(a.low < b.low and b.high < a.high for a, b in zip(box, near, strict=True))
    if not inside:
        return None, "the minimiser may lie on the edge of the box"
    found = optimal_biases(bounds, near, point[2:])
    if found is None:
        return None, "the minimiser's biases can't be enclosed"
    value = arb(2 * bounds.pair.penalty) * arb(w[0] * w[1]) ** 2
    below = value
    for importance, s, beta in zip(bounds.pair.importance, bounds.squares(here), biases, strict=True):
        output, g = bounds.output, here.overlap
        low, high = output.at(s.low, g.low, beta.low), output.at(s.low, g.low, beta.high)
        below += arb(importance) * (output.square - 2 * high.xy + low.yy)
        value += arb(importance) * output.value(s.low, g.low, beta.middle)
    loss = Range(below_on_grid(below - slope * slope / (2 * least)), above_on_grid(value))
    phase = smooth_phase(bounds, near, found)
    if phase is None:
        return None, "the minimiser's phase isn't certain"
    return Minimiser((near.first, near.second), found, loss, phase), ""


def optimal_biases(bounds: PairBounds, near: WeightBox, guess: tuple[fmpq, ...]) -> tuple[Range, Range] | None:
    """Return narrow ranges of the optimal biases for all w of a small box, or None if they may not be unique."""
    found = []
    output, g = bounds.output, near.overlap
    for s, around, beta in zip(bounds.squares(near), bounds.biases(near), guess, strict=True):
        if not curvature(output, s, g, around).bb > 0:
            return None
        # Every optimal bias lies in `around`, where ∂f/∂β increases: a change of sign holds the only one.
        width = FIRST_WIDTH
        while True:
            low, high = max(beta - width, around.low), min(beta + width, around.high)
            left = output.at(s.low, g.low, low), output.at(s.high, g.high, low)
            right = output.at(s.low, g.low, high), output.at(s.high, g.high, high)
            falls = low == around.low or left[1].y - left[0].x < 0
            rises = high == around.high or right[0].y - right[1].x > 0
            if falls and rises and low <= high:
                break
            width *= 2
            if width > LAST_WIDTH:
                return None
        found.append(Range(low, high))
    return found[0], found[1]


def smooth_phase(bounds: PairBounds, near: WeightBox, biases: tuple[Range, Range]) -> str | None:
    """Return the label that holds at every point of an enclosure, or None if that isn't certain."""
    overlap = near.overlap
    alive = all(
        beta.low + s.low + max(overlap.low, fmpq(0)) > 0 for s, beta in zip(bounds.squares(near), biases, strict=True)
    )
    if not alive:
        return None
    if overlap.high < 0:
        return "digon(1,2)"
    return "merged(1,2)" if overlap.low > 0 else None


def above_on_grid(ball: arb) -> fmpq:
    """Return a rational upper bound on the grid."""
    return -below_on_grid(-ball)


def below_on_grid(ball: arb) -> fmpq:
    """Return a rational lower bound on the grid."""
    end = ball.lower().mid().fmpq()
    return fmpq(end.p * GRID // end.q, GRID)


def polished(bounds: PairBounds, point: tuple[fmpq, fmpq, fmpq, fmpq], steps: int = 3) -> tuple[fmpq, ...]:
    """Return a point closer to a stationary one, by Newton's method in the middles of balls; nothing is proved."""
    with ctx.workprec(PRECISION):
        for _ in range(steps):
            point = _newton(bounds, point)
    return point


def _newton(bounds: PairBounds, point: tuple[fmpq, ...]) -> tuple[fmpq, fmpq, fmpq, fmpq]:
    w1, w2, *biases = point
    here = WeightBox(Range(w1, w1), Range(w2, w2))
    g = here.overlap
    tuned = []
    for s, beta in zip(bounds.squares(here), biases, strict=True):
        for _ in range(3):
            found = bounds.output.at(s.low, g.low, beta)
            second = curvature(bounds.output, s, g, Range(beta, beta)).bb
            beta = _rounded(arb(beta) - 2 * (found.y - found.x) / second)
        tuned.append(Range(beta, beta))
    pair = (tuned[0], tuned[1])
    hessian = reduced_hessian(bounds, here, pair)
    if hessian is None:
        return w1, w2, tuned[0].low, tuned[1].low
    d1, d2 = bounds.slopes(here, pair)
    determinant = hessian.first * hessian.second - hessian.mixed**2
    step1 = (hessian.second * d1 - hessian.mixed * d2) / determinant
    step2 = (hessian.first * d2 - hessian.mixed * d1) / determinant
    return _rounded(arb(w1) - step1), _rounded(arb(w2) - step2), tuned[0].low, tuned[1].low


def _rounded(ball: arb) -> fmpq:
    return below_on_grid(ball.mid())
