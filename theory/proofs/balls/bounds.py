"""Bounds for n = 2, m = 1 over boxes of weights, in ball arithmetic: what a certificate is checked with.

With G = wwᵀ each output's loss is one function f(s, g, β) of s = w_i², g = w_1 w_2 and its own bias, and
L*(w) = I_1 f*(w_1², g) + I_2 f*(w_2², g) + 2 λ g², f* being the least over β. docs/proofs.md derives what is used here:

- √f is Lipschitz, so that a box's centre bounds f from below on the whole box;
- every moment of one output increases in s, g and β, so that two corners enclose it over a box, and with it the
  derivatives of f, each the difference of two moments.
"""

from __future__ import annotations

from heapq import heappop, heappush

from flint import arb, fmpq

from ...numerics import HALF, THIRD, ZERO, Range, between
from .boxes import Pair, WeightBox
from .moments import Moments, pair_moments_in_balls

# How much of what is missing may be lost to the search over biases, and how often that is halved.
FIRST_SLACK, SLACK_ROUNDS, FINE_SLACK = fmpq(1, 16), 4, fmpq(1, 2**30)
# Biases are told apart down to this share of the box's own width.
RESOLUTION = 16
FIRST_PARTS = 8


class OutputBounds:
    """Bounds for one output at one density."""

    def __init__(self, density: fmpq) -> None:
        """Remember the density."""
        self.density = density

    @property
    def square(self) -> arb:
        """E[x²] = p/3, at the working precision."""
        return arb(self.density * THIRD)

    def at(self, s: fmpq, g: fmpq, beta: fmpq) -> Moments:
        """Return the moments at a point."""
        return pair_moments_in_balls(self.density, s, g, beta)

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
        step, square = all_biases.width / FIRST_PARTS, self.square
        # Stretch k is from low + k step to low + (k + 1) step; moments at both corners of (s, g) for each end.
        stretches, best = list(range(FIRST_PARTS)), square + 1
        ends: dict[int, tuple[Moments, Moments]] = {}
        while True:
            for k in {end for stretch in stretches for end in (stretch, stretch + 1)} - ends.keys():
                beta = all_biases.low + k * step
                ends[k] = self.at(s.low, g.low, beta), self.at(s.high, g.high, beta)
                above = square - 2 * ends[k][0].xy + ends[k][1].yy
                best = above if above.upper() < best.upper() else best
            stretches = [k for k in stretches if _may_hold(ends[k][0], ends[k + 1][1], best - square)]
            assert stretches, "some bias is optimal"
            if step <= resolution or step <= all_biases.width / 2**80:
                return Range(all_biases.low + stretches[0] * step, all_biases.low + (stretches[-1] + 1) * step)
            step /= 2
            ends = {2 * k: found for k, found in ends.items()}
            stretches = [part for k in stretches for part in (2 * k, 2 * k + 1)]

    def slopes(self, s: Range, g: Range, beta: Range) -> tuple[arb, arb]:
        """Enclose ∂f/∂s = 2 E[(y − x) x 1] and ∂f/∂g = 2 E[(y − x) v 1]."""
        low, high = self.at(s.low, g.low, beta.low), self.at(s.high, g.high, beta.high)
        return (
            2 * between(low.xy - high.xx, high.xy - low.xx),
            2 * between(low.vy - high.xv, high.vy - low.xv),
        )


def _may_hold(low: Moments, high: Moments, best: arb) -> bool:
    """Return whether an optimal bias may lie in a stretch, given moments at its extreme corners.

    `best` is an upper bound of f* − E[x²] on the box.
    """
    if low.y - high.x > 0 or high.y - low.x < 0:
        return False
    return not low.yy - 2 * high.xy > best


class BiasSearch:
    """Proven bounds of f* at one point (s, g), as narrow as asked."""

    def __init__(self, output: OutputBounds, s: fmpq, g: fmpq) -> None:
        """Start with all biases."""
        self._output, self._s, self._g = output, s, g
        biases = output.biases(Range(s, s), Range(g, g))
        self.upper = output.value(s, g, biases.low)
        # Stretches of biases with the moments at their ends, the one with the lowest bound first.
        self._heap: list[tuple[float, int, Range, Moments, Moments]] = []
        self._count = 0
        self._narrowest = biases.width / 2**50
        if biases.width > 0:
            step = biases.width / FIRST_PARTS
            ends = [biases.low + k * step for k in range(FIRST_PARTS + 1)]
            found = [output.at(s, g, beta) for beta in ends]
            for k in range(FIRST_PARTS):
                self._push(Range(ends[k], ends[k + 1]), found[k], found[k + 1])

    def _push(self, beta: Range, a: Moments, b: Moments) -> None:
        bound = _float_below(self._bound(beta.width, a, b))
        self._count += 1
        heappush(self._heap, (bound, self._count, beta, a, b))

    def _bound(self, width: fmpq, a: Moments, b: Moments) -> arb:
        """Return a lower bound of f on a stretch: it lies above a line from each end."""
        square = self._output.square
        at_a, at_b = (square - 2 * end.xy + end.yy for end in (a, b))
        if at_b.upper() < self.upper.upper():
            self.upper = at_b
        least, most = 2 * (a.y - b.x), 2 * (b.y - a.x)
        if least >= 0:
            return at_a
        if most <= 0:
            return at_b
        if not (most > 0 and least < 0):
            # A slope that can't be told from 0: one line will do.
            return at_a + arb(width) * min_zero(least)
        return (most * at_a - least * at_b + most * least * arb(width)) / (most - least)

    def lower(self, slack: arb) -> arb:
        """Return a lower bound of f*, at most about `slack` below the least value found."""
        while self._heap:
            bound, _, beta, a, b = self._heap[0]
            # Where f* is 0 no bound is close enough.
            if bound >= _float_below(self.upper - slack) or beta.width <= self._narrowest:
                return min_of(arb(bound), self.upper)
            heappop(self._heap)
            middle = self._output.at(self._s, self._g, beta.middle)
            one, two = beta.halves()
            self._push(one, a, middle)
            self._push(two, middle, b)
        return self.upper.lower()


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
