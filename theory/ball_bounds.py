"""Bounds for n = 2, m = 1 over boxes of weights, in ball arithmetic: what a certificate is checked with.

With G = wwᵀ each output's loss is one function f(s, g, β) of s = w_i², g = w_1 w_2 and its own bias, and
L*(w) = I_1 f*(w_1², g) + I_2 f*(w_2², g) + 2 λ g², f* being the least over β. docs/proofs.md derives what is used here:

- √f is Lipschitz, so that a box's centre bounds f from below on the whole box;
- every moment of one output increases in s, g and β, so that two corners enclose it over a box, and with it the
  derivatives of f, each the difference of two moments.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from flint import arb, fmpq

from .pair_balls import HALF, THIRD, ZERO, Moments, pair_moments_in_balls

# How much of what is missing may be lost to the search over biases, and how often that is halved.
FIRST_SLACK, SLACK_ROUNDS, FINE_SLACK = fmpq(1, 16), 4, fmpq(1, 2**30)
# Biases are told apart down to this share of the box's own width.
RESOLUTION = 16
FIRST_PARTS = 8


class Range(NamedTuple):
    """A closed interval with rational ends."""

    low: fmpq
    high: fmpq

    @property
    def width(self) -> fmpq:
        """Its length."""
        return self.high - self.low

    @property
    def middle(self) -> fmpq:
        """Its middle."""
        return (self.low + self.high) / 2

    def halves(self) -> tuple[Range, Range]:
        """Cut it in the middle."""
        return Range(self.low, self.middle), Range(self.middle, self.high)

    def times(self, other: Range) -> Range:
        """Return the range of products."""
        ends = [a * b for a in self for b in other]
        return Range(min(ends), max(ends))

    def squared(self) -> Range:
        """Return the range of squares."""
        ends = (self.low * self.low, self.high * self.high)
        return Range(ZERO if self.low <= 0 <= self.high else min(ends), max(ends))

    def ball(self) -> arb:
        """Return a ball around it."""
        return between(arb(self.low), arb(self.high))

    def within(self, other: Range) -> bool:
        """Return whether it lies inside another."""
        return bool(other.low <= self.low and self.high <= other.high)

    @property
    def size(self) -> fmpq:
        """The largest absolute value."""
        return max(abs(self.low), abs(self.high))


def between(low: arb, high: arb) -> arb:
    """Return a ball that holds everything from a lower to an upper bound."""
    return low.union(high)


class WeightBox(NamedTuple):
    """A box of weights w = (w_1, w_2)."""

    first: Range
    second: Range

    def quarters(self) -> list[WeightBox]:
        """Cut both sides in the middle."""
        return [WeightBox(a, b) for a in self.first.halves() for b in self.second.halves()]

    def within(self, other: WeightBox) -> bool:
        """Return whether it lies inside another."""
        return self.first.within(other.first) and self.second.within(other.second)

    @property
    def overlap(self) -> Range:
        """Range of g = w_1 w_2."""
        return self.first.times(self.second)

    def mirrored(self) -> WeightBox:
        """Return the box of −w."""
        return WeightBox(Range(-self.first.high, -self.first.low), Range(-self.second.high, -self.second.low))


@dataclass(frozen=True)
class Pair:
    """The model, as exact rationals.

    Attributes:
        density: P(x_i ≠ 0).
        importance: I_1 and I_2.
        penalty: λ, on 2 w_1² w_2².
    """

    density: fmpq
    importance: tuple[fmpq, fmpq]
    penalty: fmpq

    @property
    def dropped(self) -> fmpq:
        """Cost p/3 − p²/4 of a feature that isn't stored, at importance 1."""
        return self.density * THIRD - self.density * self.density / 4


class OutputBounds:
    """Bounds for one output at one density. Corners are remembered: neighbouring intervals share them."""

    def __init__(self, density: fmpq) -> None:
        """Start without memory."""
        self.density = density
        self._known: dict[tuple[fmpq, fmpq, fmpq], Moments] = {}

    @property
    def square(self) -> arb:
        """E[x²] = p/3, at the working precision."""
        return arb(self.density * THIRD)

    def at(self, s: fmpq, g: fmpq, beta: fmpq) -> Moments:
        """Return the moments at a point."""
        key = (s, g, beta)
        if key not in self._known:
            if len(self._known) > 4096:
                self._known.clear()
            self._known[key] = pair_moments_in_balls(self.density, s, g, beta)
        return self._known[key]

    def value(self, s: fmpq, g: fmpq, beta: fmpq) -> arb:
        """Return f = E x² − 2 E[x y] + E[y²]."""
        found = self.at(s, g, beta)
        return self.square - 2 * found.xy + found.yy

    def biases(self, s: Range, g: Range) -> Range:
        """Return a range outside of which no bias is better than those inside, its lower end included.

        Up to −(s + g₊) the output is off and f constant. Beyond p (1 − s − g)/2, E[y] ≥ E[z] > E[x], so that f grows.
        """
        low = -(s.high + max(g.high, ZERO))
        high = self.density * HALF * (1 - s.low - g.low)
        return Range(low, max(low, high))

    def distance(self, s: fmpq, g: fmpq) -> arb:
        """Return an upper bound of ‖s x + g v‖ for changes of at most these sizes."""
        p = arb(self.density)
        return (p * (arb(s) ** 2 + arb(g) ** 2) / 3 + p * p * arb(s) * arb(g) / 2).sqrt()

    def bias_range(self, s: Range, g: Range, resolution: fmpq | None = None) -> Range:
        """Return a range that holds every bias that is optimal for some (s, g) of a box.

        A stretch of biases is left out if ∂f/∂β can't vanish on it, or if f is larger there than f* can be. Stretches
        are halved down to `resolution`, default a share of the box's width.
        """
        all_biases = self.biases(s, g)
        if all_biases.width == 0:
            return all_biases
        if resolution is None:
            resolution = (s.width + g.width) / RESOLUTION
        best: arb | None = None
        step = all_biases.width / FIRST_PARTS
        stretches = [Range(all_biases.low + k * step, all_biases.low + (k + 1) * step) for k in range(FIRST_PARTS)]
        while True:
            for beta in {end for stretch in stretches for end in stretch}:
                above = self.square - 2 * self.at(s.low, g.low, beta).xy + self.at(s.high, g.high, beta).yy
                best = above if best is None or above.upper() < best.upper() else best
            assert best is not None
            stretches = [stretch for stretch in stretches if self._may_hold(s, g, stretch, best)]
            assert stretches, "some bias is optimal"
            hull = Range(min(x.low for x in stretches), max(x.high for x in stretches))
            if stretches[0].width <= resolution or stretches[0].width <= all_biases.width / 2**80:
                return hull
            stretches = [half for stretch in stretches for half in stretch.halves()]

    def _may_hold(self, s: Range, g: Range, beta: Range, best: arb) -> bool:
        """Return whether an optimal bias may lie in a stretch, `best` being an upper bound of f* on the box."""
        low, high = self.at(s.low, g.low, beta.low), self.at(s.high, g.high, beta.high)
        if low.y - high.x > 0 or high.y - low.x < 0:
            return False
        return not self.square - 2 * high.xy + low.yy > best

    def slopes(self, s: Range, g: Range, beta: Range) -> tuple[arb, arb]:
        """Enclose ∂f/∂s = 2 E[(y − x) x 1] and ∂f/∂g = 2 E[(y − x) v 1]."""
        low, high = self.at(s.low, g.low, beta.low), self.at(s.high, g.high, beta.high)
        return (
            2 * between(low.xy - high.xx, high.xy - low.xx),
            2 * between(low.vy - high.xv, high.vy - low.xv),
        )


class BiasSearch:
    """Proven bounds of f* at one point (s, g), as narrow as asked."""

    def __init__(self, output: OutputBounds, s: fmpq, g: fmpq) -> None:
        """Start with all biases."""
        self._output, self._s, self._g = output, s, g
        biases = output.biases(Range(s, s), Range(g, g))
        self.upper = output.value(s, g, biases.low)
        self._heap = [(float("-inf"), 0, biases)]
        if biases.width > 0:
            step = biases.width / FIRST_PARTS
            parts = [Range(biases.low + k * step, biases.low + (k + 1) * step) for k in range(FIRST_PARTS)]
            self._heap = []
            for part in parts:
                self._push(part)
            heapify(self._heap)

    def _push(self, beta: Range) -> None:
        bound = self._bound(beta)
        heappush(self._heap, (_float_below(bound), len(self._heap), beta))

    def _bound(self, beta: Range) -> arb:
        """Return a lower bound of f on a stretch: it lies above a line from each end."""
        output, s, g = self._output, self._s, self._g
        a, b = output.at(s, g, beta.low), output.at(s, g, beta.high)
        at_a, at_b = (output.square - 2 * end.xy + end.yy for end in (a, b))
        if at_b.upper() < self.upper.upper():
            self.upper = at_b
        least, most = 2 * (a.y - b.x), 2 * (b.y - a.x)
        if least >= 0:
            return at_a
        if most <= 0:
            return at_b
        if not (most > 0 and least < 0):
            # A slope that can't be told from 0: one line will do.
            return at_a + arb(beta.width) * min_zero(least)
        return (most * at_a - least * at_b + most * least * arb(beta.width)) / (most - least)

    def lower(self, slack: arb) -> arb:
        """Return a lower bound of f*, at most about `slack` below the least value found."""
        while True:
            bound, _, beta = self._heap[0]
            if bound >= _float_below(self.upper - slack) or beta.width == 0:
                return min_of(arb(bound), self.upper) if beta.width > 0 else self.upper.lower()
            heappop(self._heap)
            for half in beta.halves():
                self._push(half)


def _float_below(ball: arb) -> float:
    """Return a float64 number below everything in a ball."""
    middle = float(ball.lower())
    return middle - abs(middle) * 2.0**-50 - 2.0**-1000


def min_zero(ball: arb) -> arb:
    """Return a lower bound of min(x, 0)."""
    low = ball.lower()
    return low if low < 0 else arb(0)


def min_of(a: arb, b: arb) -> arb:
    """Return a lower bound of the smaller of two numbers."""
    low, other = a.lower(), b.lower()
    return low if low < other else other


class PairBounds:
    """What can be proved about L* on a box of weights."""

    def __init__(self, pair: Pair) -> None:
        """Remember the model."""
        self.pair = pair
        self.output = OutputBounds(pair.density)

    def squares(self, box: WeightBox) -> tuple[Range, Range]:
        """Return the ranges of s for both outputs."""
        return box.first.squared(), box.second.squared()

    def biases(self, box: WeightBox) -> tuple[Range, Range]:
        """Return ranges that hold every optimal bias of both outputs, for every w of the box."""
        one, two = (self.output.bias_range(s, box.overlap) for s in self.squares(box))
        return one, two

    def far(self, square: fmpq, feature: int, threshold: fmpq) -> bool:
        """Return whether L > threshold wherever w_i² ≥ `square`: L ≥ I_i p A(w_i²), A(s) = ((s − 1)/(s + 1))²/3."""
        if square < 1:
            return False
        ratio = (square - 1) / (square + 1)
        return bool(self.pair.importance[feature] * self.pair.density * ratio * ratio / 3 > threshold)

    def above(self, box: WeightBox, threshold: fmpq) -> bool:
        """Return whether L* > threshold is proved on a box, from its centre."""
        centre = box.first.middle, box.second.middle
        g, overlap = centre[0] * centre[1], box.overlap
        far_g = max(overlap.high - g, g - overlap.low)
        penalty = 2 * arb(self.pair.penalty * overlap.squared().low)
        searches, radii = [], []
        for w, square in zip(centre, self.squares(box), strict=True):
            searches.append(BiasSearch(self.output, w * w, g))
            radii.append(self.output.distance(max(square.high - w * w, w * w - square.low), far_g))
        slack = arb(FIRST_SLACK)
        for _ in range(SLACK_ROUNDS):
            lowers = [search.lower(slack * search.upper) for search in searches]
            if penalty + self._total(lowers, radii) > threshold:
                return True
            if not penalty + self._total([search.upper for search in searches], radii) > threshold:
                return False
            slack = slack / 4
        return False

    def least(self, w1: fmpq, w2: fmpq) -> arb:
        """Return a lower bound of L* at a point, off by a small share of it."""
        lowers = []
        for w in (w1, w2):
            search = BiasSearch(self.output, w * w, w1 * w2)
            lowers.append(search.lower(search.upper * FINE_SLACK))
        return 2 * arb(self.pair.penalty * (w1 * w2) ** 2) + self._total(lowers, [arb(0), arb(0)])

    def _total(self, values: list[arb], radii: list[arb]) -> arb:
        """Return a lower bound of Σ I_i f_i where f_i ≥ (√value − radius)₊²."""
        total = arb(0)
        for importance, value, radius in zip(self.pair.importance, values, radii, strict=True):
            low = value.lower()
            if not low > 0:
                continue
            root = (low.sqrt() - radius).lower()
            if root > 0:
                total += arb(importance) * root * root
        return total

    def slopes(self, box: WeightBox, biases: tuple[Range, Range]) -> tuple[arb, arb]:
        """Enclose ∂L/∂w_1 and ∂L/∂w_2 over a box of weights and biases."""
        w1, w2 = box.first.ball(), box.second.ball()
        i1, i2 = (arb(x) for x in self.pair.importance)
        (s1, g1), (s2, g2) = (
            self.output.slopes(s, box.overlap, b) for s, b in zip(self.squares(box), biases, strict=True)
        )
        overlap = i1 * g1 + i2 * g2 + 4 * arb(self.pair.penalty) * box.overlap.ball()
        return 2 * i1 * s1 * w1 + overlap * w2, 2 * i2 * s2 * w2 + overlap * w1
