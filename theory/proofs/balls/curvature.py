"""Second derivatives for n = 2, m = 1 over boxes of weights and biases, in ball arithmetic.

Differentiating ∂f/∂β = 2 E[(y − x) 1] once more gives 2 E[1] − 2 E[x δ(z)], and likewise with factors x and v for s
and g. The first part increases in s, g and β. The second is an integral along {z = 0}, on which x is a monotone
function of the parameters: docs/proofs.md. Where neither s nor g is 0 only E[1] can jump, at β = 0; a box with β = 0
inside gets both sides, and one that ends there only its own.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from flint import arb, fmpq, fmpq_poly

from ...numerics import ZERO, Range, between
from .bounds import OutputBounds, PairBounds
from .boxes import WeightBox

POWERS = ((1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (1, 2))


class Curvature(NamedTuple):
    """Second derivatives of one output's loss in (s, g, β)."""

    ss: arb
    sg: arb
    sb: arb
    gg: arb
    gb: arb
    bb: arb


class Symmetric(NamedTuple):
    """A symmetric matrix of two rows."""

    first: arb
    mixed: arb
    second: arb

    def smallest(self) -> arb:
        """Return a lower bound of the smallest eigenvalue, which is at least det/trace; not positive if unproved."""
        determinant = self.first * self.second - self.mixed * self.mixed
        if not (determinant > 0 and self.first > 0 and self.second > 0):
            return arb(-1)
        return (determinant / (self.first + self.second)).lower()


def _integral(line: tuple[fmpq, fmpq], power: int, other: int, low: fmpq, high: fmpq) -> fmpq:
    """Return ∫ (c + d v)^power v^other dv."""
    antiderivative = (fmpq_poly(list(line)) ** power * fmpq_poly([0, 1]) ** other).integral()
    return antiderivative(high) - antiderivative(low)


def edge_moments(density: fmpq, s: Range, g: Range, beta: Range) -> dict[tuple[int, int], arb]:
    """Enclose E[x^a v^b δ(z)] over a box with s > 0, for the powers (a, b) in `POWERS`."""
    one, two = density * (1 - density), density * density
    # On {z = 0}, x = −(g v + β)/s lies between these lines wherever they aren't negative.
    least = (-beta.high / s.high, -g.high / s.high)
    most = (-beta.low / s.low, -g.low / s.low)
    cuts = {ZERO, fmpq(1)}
    for c, d in (least, most):
        cuts |= {cut for level in (0, 1) if d != 0 for cut in [(level - c) / d] if 0 < cut < 1}
    places = sorted(cuts)
    found = {}
    for a, b in POWERS:
        low = high = ZERO
        if b == 0:
            if least[0] >= 0 and most[0] <= 1:
                low += one * least[0] ** a / s.high
            if most[0] >= 0 and least[0] <= 1:
                high += one * min(most[0], fmpq(1)) ** a / s.low
        for left, right in pairwise(places):
            middle = (left + right) / 2
            x_low, x_high = (c + d * middle for c, d in (least, most))
            if x_low >= 0 and x_high <= 1:
                low += two * _integral(least, a, b, left, right) / s.high
            if x_high >= 0 and x_low <= 1:
                line = most if x_high <= 1 else (fmpq(1), ZERO)
                high += two * _integral(line, a, b, left, right) / s.low
        found[a, b] = between(arb(low), arb(high))
    return found


def curvature(output: OutputBounds, s: Range, g: Range, beta: Range) -> Curvature:
    """Enclose the second derivatives of f over a box where s > 0 and g isn't 0."""
    low, high = output.at(s.low, g.low, beta.low), output.at(s.high, g.high, beta.high)
    edge = edge_moments(output.density, s, g, beta)
    # [z > 0] at β = 0 is 0 if no feature is active, which is right for boxes below.
    jump = arb((1 - output.density) ** 2 if beta.low == 0 < beta.high else 0)
    return Curvature(
        ss=2 * (between(low.xx, high.xx) - edge[3, 0]),
        sg=2 * (between(low.xv, high.xv) - edge[2, 1]),
        sb=2 * (between(low.x, high.x) - edge[2, 0]),
        gg=2 * (between(low.vv, high.vv) - edge[1, 2]),
        gb=2 * (between(low.v, high.v) - edge[1, 1]),
        bb=2 * (between(low.on + jump, high.on) - edge[1, 0]),
    )


def reduced_hessian(bounds: PairBounds, box: WeightBox, biases: tuple[Range, Range]) -> Symmetric | None:
    """Enclose the Hessian of L* over a box of weights, or return None where that isn't possible.

    Args:
        bounds: of the model.
        box: weights, neither of them 0 in the box.
        biases: ranges that hold the optimal biases.

    Returns:
        H_ww − Σ_i H_wi H_iw / H_ii, i being the biases, if both H_ii are positive: then optimal biases are unique in
        their ranges and smooth, and this is the Hessian of L*.
    """
    pair, (s1, s2), g = bounds.pair, bounds.squares(box), box.overlap
    if g.low <= 0 <= g.high:
        return None
    w1, w2 = box.first.ball(), box.second.ball()
    i1, i2, penalty = arb(pair.importance[0]), arb(pair.importance[1]), arb(pair.penalty)
    parts = []
    for s, beta in ((s1, biases[0]), (s2, biases[1])):
        c = curvature(bounds.output, s, g, beta)
        if not c.bb > 0:
            return None
        # Balls divide by wide balls with loss.
        inverse = between(1 / c.bb.upper(), 1 / c.bb.lower())
        parts.append(
            Symmetric(c.ss - c.sb * c.sb * inverse, c.sg - c.sb * c.gb * inverse, c.gg - c.gb * c.gb * inverse)
        )
    (a_ss, a_sg, a_gg), (b_ss, b_sg, b_gg) = parts
    (f_s1, f_g1), (f_s2, f_g2) = (bounds.output.slopes(s, g, beta) for s, beta in ((s1, biases[0]), (s2, biases[1])))
    # Rows (∂s_i/∂w, ∂g/∂w) are (2w_1, 0), (w_2, w_1) for output 1 and (0, 2w_2), (w_2, w_1) for output 2.
    first = i1 * (4 * w1 * w1 * a_ss + 4 * w1 * w2 * a_sg + w2 * w2 * a_gg + 2 * f_s1)
    first += i2 * w2 * w2 * b_gg + 4 * penalty * w2 * w2
    second = i2 * (4 * w2 * w2 * b_ss + 4 * w1 * w2 * b_sg + w1 * w1 * b_gg + 2 * f_s2)
    second += i1 * w1 * w1 * a_gg + 4 * penalty * w1 * w1
    mixed = i1 * (2 * w1 * w1 * a_sg + w1 * w2 * a_gg + f_g1) + i2 * (2 * w2 * w2 * b_sg + w1 * w2 * b_gg + f_g2)
    mixed += 8 * penalty * w1 * w2
    return Symmetric(first, mixed, second)
