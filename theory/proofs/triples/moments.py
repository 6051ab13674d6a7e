"""Compiled moments of one output among three features, with an error that is bounded beforehand.

For z = t + Σ k_j u_j with u_j independent and uniform on [0, 1] and k_j ≥ 0, the two families

    D_q(t; k) = E[R_q(z)]      and      U_q(t; k) = E[u_1 R_q(z)],      R_q(z) = max(z, 0)^q / q!,

are polynomials where z ≥ 0 throughout, 0 where z ≤ 0 throughout, and otherwise follow by integration over the steepest
coordinate. Dividing by nothing but the steepest slope keeps the error below a few hundred units of rounding, times
(|t| + Σ k_j)^q, for every slope, zeros included (docs/proofs-three.md). Sums t + Σ k_j are taken to be exact: callers
give dyadic numbers of few bits.

Importing this module compiles it, or loads what an earlier process compiled.
"""

from __future__ import annotations

import numba

# A bound for the error of `own_moment` and of each entry of `row_moments` is ROUNDING (1 + |s| + |g| + |h| + |b|).
ROUNDING = 1e-13


@numba.njit(nogil=True, error_model="numpy")
def _line(q: int, t: float, a: float) -> float:
    """Return D_q(t; a) = ∫₀¹ R_q(t + a u) du, q from 1 to 4."""
    end = t + a
    if end <= 0:
        return 0.0
    if t >= 0:
        # [(t + a)^{q+1} − t^{q+1}] / a, which is a sum of products.
        if q == 1:
            return (end + t) / 2
        if q == 2:
            return (end * (end + t) + t * t) / 6
        if q == 3:
            return (end * (end * (end + t) + t * t) + t * t * t) / 24
        return (end * (end * (end * (end + t) + t * t) + t * t * t) + t * t * t * t) / 120
    if q == 1:
        return end * end / 2 / a
    if q == 2:
        return end * end * end / 6 / a
    if q == 3:
        return end * end * end * end / 24 / a
    return end * end * end * end * end / 120 / a


@numba.njit(nogil=True, error_model="numpy")
def _square(q: int, t: float, a: float, b: float) -> float:
    """Return D_q(t; a, b), q from 1 to 3."""
    if t + a + b <= 0:
        return 0.0
    if t >= 0:
        mean, variance = t + (a + b) / 2, (a * a + b * b) / 12
        if q == 1:
            return mean
        if q == 2:
            return (mean * mean + variance) / 2
        # Third moments about the mean are 0.
        return mean * (mean * mean + 3 * variance) / 6
    if a < b:
        a, b = b, a
    return (_line(q + 1, t + a, b) - _line(q + 1, t, b)) / a


@numba.njit(nogil=True, error_model="numpy")
def _cube(q: int, t: float, a: float, b: float, c: float) -> float:
    """Return D_q(t; a, b, c), q = 1 or 2."""
    if t + a + b + c <= 0:
        return 0.0
    if t >= 0:
        mean = t + (a + b + c) / 2
        return mean if q == 1 else (mean * mean + (a * a + b * b + c * c) / 12) / 2
    if a < b:
        a, b = b, a
    if a < c:
        a, c = c, a
    return (_square(q + 1, t + a, b, c) - _square(q + 1, t, b, c)) / a


@numba.njit(nogil=True, error_model="numpy")
def _own_line(q: int, t: float, s: float) -> float:
    """Return U_q(t; s), q from 1 to 3."""
    end = t + s
    if end <= 0:
        return 0.0
    if t >= 0:
        if q == 1:
            return t / 2 + s / 3
        if q == 2:
            return (t * t / 2 + 2 * t * s / 3 + s * s / 4) / 2
        return (t * t * t / 2 + t * t * s + 3 * t * s * s / 4 + s * s * s / 5) / 6
    power = end * end / 2
    if q > 1:
        power = power * end / 3
    if q > 2:
        power = power * end / 4
    return (power - _line(q + 1, t, s)) / s


@numba.njit(nogil=True, error_model="numpy")
def _own_square(q: int, t: float, s: float, b: float) -> float:
    """Return U_q(t; s, b), q = 1 or 2."""
    if t + s + b <= 0:
        return 0.0
    if t >= 0:
        mean = t + b / 2
        if q == 1:
            return mean / 2 + s / 3
        return ((mean * mean + b * b / 12) / 2 + 2 * mean * s / 3 + s * s / 4) / 2
    if s >= b:
        return (_line(q + 1, t + s, b) - _square(q + 1, t, s, b)) / s
    return (_own_line(q + 1, t + b, s) - _own_line(q + 1, t, s)) / b


@numba.njit(nogil=True, error_model="numpy")
def _own_cube(t: float, s: float, b: float, c: float) -> float:
    """Return U_1(t; s, b, c)."""
    if t + s + b + c <= 0:
        return 0.0
    if t >= 0:
        return t / 2 + s / 3 + (b + c) / 4
    if b < c:
        b, c = c, b
    if s >= b:
        return (_square(2, t + s, b, c) - _cube(2, t, s, b, c)) / s
    return (_own_square(2, t + b, s, c) - _own_square(2, t, s, c)) / b


@numba.njit(nogil=True, error_model="numpy")
def _active(t: float, s: float, g: float, h: float) -> float:
    """Return E[u_1 R_1(t + s u_1 + g u_2 + h u_3)] for slopes of any sign."""
    if g < 0:
        t, g = t + g, -g
    if h < 0:
        t, h = t + h, -h
    if s < 0:
        # u_1 and 1 − u_1 have the same law.
        return _cube(1, t + s, -s, g, h) - _own_cube(t + s, -s, g, h)
    return _own_cube(t, s, g, h)


@numba.njit(nogil=True, error_model="numpy")
def _mean(t: float, s: float, g: float, h: float) -> float:
    """Return E[R_1(t + s u_1 + g u_2 + h u_3)] for slopes of any sign."""
    if s < 0:
        t, s = t + s, -s
    if g < 0:
        t, g = t + g, -g
    if h < 0:
        t, h = t + h, -h
    return _cube(1, t, s, g, h)


@numba.njit(nogil=True, error_model="numpy")
def own_moment(p: float, s: float, g: float, h: float, b: float) -> float:
    """Return E[x_1 y] for y = ReLU(s x_1 + g x_2 + h x_3 + b) and three independent features of density p.

    Args:
        p: density.
        s: slope of the feature that y is multiplied by.
        g: slope of the second feature.
        h: slope of the third feature.
        b: bias.
    """
    off = 1 - p
    one = _active(b, s, g, 0.0) + _active(b, s, h, 0.0)
    return p * (off * off * _active(b, s, 0.0, 0.0) + p * off * one + p * p * _active(b, s, g, h))


@numba.njit(nogil=True, error_model="numpy")
def mean_moment(p: float, s: float, g: float, h: float, b: float) -> float:
    """Return E[y]; arguments as in `own_moment`."""
    off = 1 - p
    one = _mean(b, s, 0.0, 0.0) + _mean(b, g, 0.0, 0.0) + _mean(b, h, 0.0, 0.0)
    two = _mean(b, s, g, 0.0) + _mean(b, s, h, 0.0) + _mean(b, g, h, 0.0)
    return off * off * off * max(b, 0.0) + p * off * off * one + p * p * off * two + p * p * p * _mean(b, s, g, h)


@numba.njit(nogil=True, error_model="numpy")
def row_moments(p: float, s: float, g: float, h: float, b: float) -> tuple[float, float, float, float]:
    """Return E[x_1 y], E[x_2 y], E[x_3 y], E[y]; arguments as in `own_moment`."""
    return own_moment(p, s, g, h, b), own_moment(p, g, s, h, b), own_moment(p, h, s, g, b), mean_moment(p, s, g, h, b)


@numba.njit(nogil=True, error_model="numpy")
def output_loss(p: float, s: float, g: float, h: float, b: float) -> float:
    """Return f = E(x_1 − y)²; arguments as in `own_moment`."""
    x, second, third, mean = row_moments(p, s, g, h, b)
    # E[y²] = E[y z].
    return p / 3 - 2 * x + (x * s + second * g + third * h + mean * b)
