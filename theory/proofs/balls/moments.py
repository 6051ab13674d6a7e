"""Moments of one output of two features in one dimension, in ball arithmetic.

With x this output's own feature and v the other one, z = s x + g v + β and y = ReLU(z), everything that a proof about
n = 2, m = 1 needs are expectations over {z > 0}: docs/proofs.md. Each is a signed sum over the corners of a line or a
square (docs/enclosure.md, equation 2), written out here for at most two active features. Corners and their signs are
rational and exact; only the sums are rounded, in balls that hold every rounding error.
"""

from __future__ import annotations

from typing import NamedTuple

from flint import arb, ctx, fmpq

FIRST_PRECISION, LAST_PRECISION = 96, 6144
# Balls that are wider are computed again with more bits.
NARROW = arb(fmpq(1, 2**66))


class Moments(NamedTuple):
    """Expectations over the input; 1 stands for [z > 0], and y = z·1. Each increases in s, g and β.

    The first four are those of the gradient in β and the loss, the last three only enter second derivatives.
    """

    y: arb
    x: arb
    xy: arb
    yy: arb
    vy: arb
    xx: arb
    xv: arb
    on: arb
    v: arb
    vv: arb


class _Line(NamedTuple):
    """E[1], E[u 1], E[u² 1], E[y], E[u y] and E[y²] for z = a u + c, u uniform on [0, 1]."""

    on: arb
    u: arb
    uu: arb
    y: arb
    uy: arb
    yy: arb


def _powers(t: fmpq) -> tuple[arb, arb, arb, arb]:
    """Return t₊^k / k! for k = 1, 2, 3, 4."""
    if not t > 0:
        nothing = arb(0)
        return nothing, nothing, nothing, nothing
    first = arb(t)
    second = first * first / 2
    third = second * first / 3
    return first, second, third, third * first / 4


def _line(slope: fmpq, offset: fmpq) -> _Line:
    if slope == 0:
        on = arb(1 if offset > 0 else 0)
        y = arb(offset) * on
        return _Line(on, on / 2, on / 3, y, y / 2, y * y)
    low, high = _powers(offset), _powers(offset + slope)
    a = 1 / arb(slope)
    second, third = (high[1] - low[1]) * a, (high[2] - low[2]) * a
    # ∫ u 1, ∫ u y: by parts, the integrated factor lives at u = 1 only.
    return _Line(
        on=(high[0] - low[0]) * a,
        u=(high[0] - second) * a,
        uu=(high[0] - 2 * a * (high[1] - third)) * a,
        y=second,
        uy=(high[1] - third) * a,
        yy=2 * third,
    )


def _square(s: fmpq, g: fmpq, beta: fmpq) -> Moments:
    """Return the moments for z = s u + g v + β with u and v independent and uniform on [0, 1]."""
    if g == 0:
        line = _line(s, beta)
        return Moments(
            line.y, line.u, line.uy, line.yy, line.y / 2, line.uu, line.u / 2, line.on, line.on / 2, line.on / 3
        )
    if s == 0:
        line = _line(g, beta)
        return Moments(
            line.y, line.on / 2, line.y / 2, line.yy, line.uy, line.on / 3, line.u / 2, line.on, line.u, line.uu
        )
    _, p2, p3, p4 = _powers(beta)
    _, u2, u3, u4 = _powers(beta + s)
    _, v2, v3, v4 = _powers(beta + g)
    _, c2, c3, c4 = _powers(beta + s + g)
    a, b = 1 / arb(s), 1 / arb(g)
    ab = a * b
    # Sums over all corners, over those with u = 1, and over those with v = 1.
    all2, all3, all4 = c2 - u2 - v2 + p2, c3 - u3 - v3 + p3, c4 - u4 - v4 + p4
    u_2, u_3, v_2, v_3 = c2 - u2, c3 - u3, c2 - v2, c3 - v3
    return Moments(
        y=ab * all3,
        x=ab * (u_2 - a * all3),
        xy=ab * (u_3 - a * all4),
        yy=2 * ab * all4,
        vy=ab * (v_3 - b * all4),
        xx=ab * (u_2 - 2 * a * (u_3 - a * all4)),
        xv=ab * (c2 - a * v_3 - b * u_3 + ab * all4),
        on=ab * all2,
        v=ab * (v_2 - b * all3),
        vv=ab * (v_2 - 2 * b * (v_3 - b * all4)),
    )


def _mixed(density: fmpq, s: fmpq, g: fmpq, beta: fmpq) -> Moments:
    """Return the expectation over the four activity patterns."""
    none, one, two = arb((1 - density) ** 2), arb(density * (1 - density)), arb(density * density)
    own, other, both = _line(s, beta), _line(g, beta), _square(s, g, beta)
    on, level = (arb(1), arb(beta)) if beta > 0 else (arb(0), arb(0))
    return Moments(
        y=none * level + one * (own.y + other.y) + two * both.y,
        x=one * own.u + two * both.x,
        xy=one * own.uy + two * both.xy,
        yy=none * level * level + one * (own.yy + other.yy) + two * both.yy,
        vy=one * other.uy + two * both.vy,
        xx=one * own.uu + two * both.xx,
        xv=two * both.xv,
        on=none * on + one * (own.on + other.on) + two * both.on,
        v=one * other.u + two * both.v,
        vv=one * other.uu + two * both.vv,
    )


def pair_moments_in_balls(density: fmpq, s: fmpq, g: fmpq, beta: fmpq) -> Moments:
    """Return balls around the moments of one output, no wider than `NARROW` unless that takes too many bits.

    Args:
        density: P(x ≠ 0) = P(v ≠ 0) in (0, 1].
        s: weight of the own feature, ≥ 0.
        g: weight of the other one.
        beta: bias.

    Returns:
        The moments, with [z > 0] = 0 at z = 0.
    """
    precision = FIRST_PRECISION
    while True:
        with ctx.workprec(precision):
            found = _mixed(density, s, g, beta)
        if precision >= LAST_PRECISION or all(ball.rad() < NARROW for ball in found):
            return found
        precision *= 2
