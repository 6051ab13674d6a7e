"""Moments of one output of two features, compiled, with a proven bound on the rounding.

With z = β + s x + g v (x the output's own feature, v the other, s ≥ 0) and y = ReLU(z), an output's expected loss is
f = E[x²] − 2 E[x y] + E[y²]. Every moment here is increasing in s, g and β, so that two points bound it over a box.

For each set of active features a moment is an integral over the part of the unit square, or of an edge of it, where
z > 0. Which shape that is follows from the signs of z at the corners. The formulas for the shapes hold no division but
ratios of at most 1, and no difference of large numbers: docs/certified-diagram.md counts the roundings. The bound rests
on s, g and β being multiples of `GRID`: then z is exact at the corners.
"""

from __future__ import annotations

from typing import NamedTuple

import numba

from ...numerics import compiled, machine_code, type_of

# s, g and β are multiples of it, and smaller than LARGEST: then sums of them are exact in float64.
GRID = 2.0**-40
LARGEST = 2.0**11
# A computed moment or loss is off by at most this times (2 + |β| + s + 2 |g|)².
ROUNDING = 64 * 2.0**-53


class Chances(NamedTuple):
    """Probabilities of the sets of active features.

    Attributes:
        none: that no feature is active.
        one: that a given one is active alone.
        both: that both are.
    """

    none: float
    one: float
    both: float


class Moments(NamedTuple):
    """E[y], E[y²], E[x y], E[v y], E[x; on], E[x²; on] and E[x v; on]. Each increases in s, g and β."""

    y: float
    yy: float
    xy: float
    vy: float
    x: float
    xx: float
    xv: float


class LossAndSlopes(NamedTuple):
    """The loss f, E[y] and E[x; on]; ∂f/∂β = 2 E[y] − 2 E[x; on] is a difference of two increasing functions of β."""

    loss: float
    y: float
    x: float


class _Edge(NamedTuple):
    """E[y], E[y²], E[u y], E[u; on] and E[u²; on] on an edge of the square."""

    y: float
    yy: float
    uy: float
    u: float
    uu: float


class _Trapezoid(NamedTuple):
    """The same on the square, with those of v and u v."""

    y: float
    yy: float
    uy: float
    vy: float
    u: float
    uu: float
    v: float
    vv: float
    uv: float


@compiled
def rounding(s: float, g: float, beta: float) -> float:
    """Return a bound on the rounding of a moment, and of a loss of `loss_and_slopes`."""
    size = 2 + abs(beta) + s + 2 * abs(g)
    return ROUNDING * size * size


@compiled
def _edge(t: float, a: float) -> _Edge:
    """Return the moments of z = t + a u, a ≥ 0, u uniform on [0, 1]."""
    end = t + a
    if end <= 0:
        return _Edge(0.0, 0.0, 0.0, 0.0, 0.0)
    if t >= 0:
        return _Edge(t + a / 2, t * t + t * a + a * a / 3, t / 2 + a / 3, 1 / 2, 1 / 3)
    # On for the last part q of the edge.
    q = end / a
    y = q * end / 2
    return _Edge(y, q * end * end / 3, y - q * q * end / 6, q - q * q / 2, q - q * q + q * q * q / 3)


@compiled
def _trapezoid(first: float, last: float, slope: float) -> _Trapezoid:
    """Return moments where z > 0 on the last part of every line along u, `first` of it at v = 0 and `last` at v = 1.

    Args:
        first: the part at v = 0.
        last: the part at v = 1.
        slope: ∂z/∂u.
    """
    mean, square = (first + last) / 2, (first * first + first * last + last * last) / 3
    cube = (first * first + last * last) * (first + last) / 4
    tilted, tilted_square = (first + 2 * last) / 6, (first * first + 2 * first * last + 3 * last * last) / 12
    return _Trapezoid(
        y=square * slope / 2,
        yy=cube * slope * slope / 3,
        uy=square * slope / 2 - cube * slope / 6,
        vy=tilted_square * slope / 2,
        u=mean - square / 2,
        uu=mean - square + cube / 3,
        v=tilted,
        vv=(first + 3 * last) / 12,
        uv=tilted - tilted_square / 2,
    )


@compiled
def _square(t: float, a: float, c: float) -> Moments:
    """Return the moments of z = t + a u + c v, with a, c ≥ 0, u being x."""
    right, top, end = t + a, t + c, t + a + c
    if end <= 0:
        return Moments(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    if t >= 0:
        squares = t * t + a * a / 3 + c * c / 3 + t * a + t * c + a * c / 2
        y = t + a / 2 + c / 2
        return Moments(y, squares, t / 2 + a / 3 + c / 4, t / 2 + a / 4 + c / 3, 1 / 2, 1 / 3, 1 / 4)
    if right <= 0 and top <= 0:
        # A triangle at the last corner, with legs q and h.
        q, h = end / a, end / c
        area = q * h
        y = area * end / 6
        return Moments(
            y=y,
            yy=area * end * end / 12,
            xy=y - area * end * q / 24,
            vy=y - area * end * h / 24,
            x=area * (1 / 2 - q / 6),
            xx=area * (1 / 2 - q / 3 + q * q / 12),
            xv=area * (1 / 2 - q / 6 - h / 6 + q * h / 24),
        )
    if right > 0 and top > 0:
        # All but a triangle at the first corner.
        q, h = -t / a, -t / c
        area = q * h
        squares = t * t + a * a / 3 + c * c / 3 + t * a + t * c + a * c / 2
        return Moments(
            y=t + a / 2 + c / 2 - area * t / 6,
            yy=squares - area * t * t / 12,
            xy=t / 2 + a / 3 + c / 4 - area * t * q / 24,
            vy=t / 2 + a / 4 + c / 3 - area * t * h / 24,
            x=1 / 2 - area * q / 6,
            xx=1 / 3 - area * q * q / 12,
            xv=1 / 4 - area * area / 24,
        )
    if top > 0:
        # On at the end of every line along v.
        part = _trapezoid(top / c, end / c, c)
        return Moments(y=part.y, yy=part.yy, xy=part.vy, vy=part.uy, x=part.v, xx=part.vv, xv=part.uv)
    part = _trapezoid(right / a, end / a, a)
    return Moments(y=part.y, yy=part.yy, xy=part.uy, vy=part.vy, x=part.u, xx=part.uu, xv=part.uv)


@compiled
def _both(s: float, g: float, beta: float) -> Moments:
    """Return the moments of z = β + s x + g v with g of either sign."""
    if g >= 0:
        return _square(beta, s, g)
    # v and 1 − v have the same law.
    turned = _square(beta + g, s, -g)
    return Moments(
        y=turned.y,
        yy=turned.yy,
        xy=turned.xy,
        vy=turned.y - turned.vy,
        x=turned.x,
        xx=turned.xx,
        xv=turned.x - turned.xv,
    )


@compiled
def moments(s: float, g: float, beta: float, law: Chances) -> Moments:
    """Return the moments of an output.

    Args:
        s: own slope, not negative.
        g: the other feature's slope.
        beta: bias.
        law: of the active features.

    Example:
        >>> moments(1.0, -1.0, 0.0, Chances(0.81, 0.09, 0.01)).y  # p/2 (1 − p) + p²/6
        0.0466666...
    """
    joint, own = _both(s, g, beta), _edge(beta, s)
    if g >= 0:
        other = _edge(beta, g)
        other_vy = other.uy
    else:
        other = _edge(beta + g, -g)
        other_vy = other.y - other.uy
    silent = max(beta, 0.0)
    return Moments(
        y=law.none * silent + law.one * (own.y + other.y) + law.both * joint.y,
        yy=law.none * silent * silent + law.one * (own.yy + other.yy) + law.both * joint.yy,
        xy=law.one * own.uy + law.both * joint.xy,
        vy=law.one * other_vy + law.both * joint.vy,
        x=law.one * own.u + law.both * joint.x,
        xx=law.one * own.uu + law.both * joint.xx,
        xv=law.both * joint.xv,
    )


def _loss_and_slopes(s: float, g: float, beta: float, law: Chances) -> LossAndSlopes:
    """Return the loss of an output, and what its slope in the bias is made of."""
    at = moments(s, g, beta, law)
    return LossAndSlopes((law.one + law.both) / 3 - 2 * at.xy + at.yy, at.y, at.x)


_LAW, _FOUND = (type_of(record(0.0, 0.0, 0.0)) for record in (Chances, LossAndSlopes))
loss_and_slopes = machine_code(_loss_and_slopes, _FOUND(numba.float64, numba.float64, numba.float64, _LAW), nogil=True)
