"""Compiled moments of one output among three features, by a recurrence whose terms are all positive.

For z = t + Σ a_j u_j with u_j independent and uniform on [0, 1], a_j ≥ 0, and D(t; A) = E[max(z, 0)], homogeneity and
integration by parts give, for any τ with Σ τ_j a_j = −t,

    (n + 1) D(t; A) = Σ_j [ (1 − τ_j) D(t + a_j; A∖a_j) + τ_j D(t; A∖a_j) ],

and where z changes sign there are such τ in [0, 1] (docs/proofs-three.md). The same holds for U(t; s, A), the mean of
u max(z, 0) for the feature u of slope s, with n + 2 instead of n + 1 for n slopes and other terms for u itself. Nothing
is divided by a slope that may be small, and nothing cancels. This is what certificates are checked with; the search
integrates in another way (`proofs.triples`).
"""

from __future__ import annotations

import numba

# A bound for the error of each function below, without over- or underflow, is ROUNDING times the sum of the sizes of
# slopes and bias. The density may be one that is rounded to the nearest float64.
ROUNDING = 2.0**-47


@numba.njit(nogil=True, error_model="numpy")
def _line(t: float, a: float) -> float:
    """Return D(t; a)."""
    top = t + a
    if top <= 0:
        return 0.0
    if t >= 0:
        return t + a / 2
    return top * (top / a) / 2


@numba.njit(nogil=True, error_model="numpy")
def _own_line(t: float, s: float) -> float:
    """Return U(t; s)."""
    top = t + s
    if top <= 0:
        return 0.0
    if t >= 0:
        return t / 2 + s / 3
    return top * (top / s) * (2 - t / s) / 6


@numba.njit(nogil=True, error_model="numpy")
def _square(t: float, a: float, b: float) -> float:
    """Return D(t; a, b)."""
    if t >= 0:
        return t + (a + b) / 2
    on_a = t + a
    if on_a + b <= 0:
        return 0.0
    if on_a >= 0:
        # τ is 0 but for a.
        tau = -t / a
        return ((1 - tau) * _line(on_a, b) + tau * _line(t, b) + _line(t + b, a)) / 3
    # It is 1 for a.
    tau = -on_a / b
    return (_line(t, b) + (1 - tau) * _line(t + b, a) + tau * _line(t, a)) / 3


@numba.njit(nogil=True, error_model="numpy")
def _cube(t: float, a: float, b: float, c: float) -> float:
    """Return D(t; a, b, c)."""
    if t >= 0:
        return t + (a + b + c) / 2
    on_a = t + a
    on_ab = on_a + b
    if on_ab + c <= 0:
        return 0.0
    if on_a >= 0:
        tau = -t / a
        rest = _square(t + b, a, c) + _square(t + c, a, b)
        return ((1 - tau) * _square(on_a, b, c) + tau * _square(t, b, c) + rest) / 4
    if on_ab >= 0:
        tau = -on_a / b
        rest = _square(t, b, c) + _square(t + c, a, b)
        return ((1 - tau) * _square(t + b, a, c) + tau * _square(t, a, c) + rest) / 4
    tau = -on_ab / c
    rest = _square(t, b, c) + _square(t, a, c)
    return ((1 - tau) * _square(t + c, a, b) + tau * _square(t, a, b) + rest) / 4


@numba.njit(nogil=True, error_model="numpy")
def _own_square(t: float, s: float, b: float) -> float:
    """Return U(t; s, b)."""
    if t >= 0:
        return t / 2 + s / 3 + b / 4
    on_b = t + b
    if on_b + s <= 0:
        return 0.0
    if on_b >= 0:
        tau = -t / b
        return (_line(t + s, b) + (1 - tau) * _own_line(on_b, s) + tau * _own_line(t, s)) / 4
    tau = -on_b / s
    return (_own_line(t, s) + (1 - tau) * _line(t + s, b) + tau * _square(t, s, b)) / 4


@numba.njit(nogil=True, error_model="numpy")
def _own_cube(t: float, s: float, b: float, c: float) -> float:
    """Return U(t; s, b, c)."""
    if t >= 0:
        return t / 2 + s / 3 + (b + c) / 4
    on_b = t + b
    on_bc = on_b + c
    if on_bc + s <= 0:
        return 0.0
    if on_b >= 0:
        tau = -t / b
        rest = _square(t + s, b, c) + _own_square(t + c, s, b)
        return ((1 - tau) * _own_square(on_b, s, c) + tau * _own_square(t, s, c) + rest) / 5
    if on_bc >= 0:
        tau = -on_b / c
        rest = _square(t + s, b, c) + _own_square(t, s, c)
        return ((1 - tau) * _own_square(t + c, s, b) + tau * _own_square(t, s, b) + rest) / 5
    tau = -on_bc / s
    rest = _own_square(t, s, c) + _own_square(t, s, b)
    return ((1 - tau) * _square(t + s, b, c) + tau * _cube(t, s, b, c) + rest) / 5


# Slopes of any sign: u and 1 − u have the same law.


@numba.njit(nogil=True, error_model="numpy")
def _mean_of_one(t: float, a: float) -> float:
    if a < 0:
        t, a = t + a, -a
    return _line(t, a)


@numba.njit(nogil=True, error_model="numpy")
def _mean_of_two(t: float, a: float, b: float) -> float:
    if a < 0:
        t, a = t + a, -a
    if b < 0:
        t, b = t + b, -b
    return _square(t, a, b)


@numba.njit(nogil=True, error_model="numpy")
def _mean_of_three(t: float, a: float, b: float, c: float) -> float:
    if a < 0:
        t, a = t + a, -a
    if b < 0:
        t, b = t + b, -b
    if c < 0:
        t, c = t + c, -c
    return _cube(t, a, b, c)


@numba.njit(nogil=True, error_model="numpy")
def _own_of_one(t: float, s: float) -> float:
    if s < 0:
        return _line(t + s, -s) - _own_line(t + s, -s)
    return _own_line(t, s)


@numba.njit(nogil=True, error_model="numpy")
def _own_of_two(t: float, s: float, b: float) -> float:
    if b < 0:
        t, b = t + b, -b
    if s < 0:
        return _square(t + s, -s, b) - _own_square(t + s, -s, b)
    return _own_square(t, s, b)


@numba.njit(nogil=True, error_model="numpy")
def _own_of_three(t: float, s: float, b: float, c: float) -> float:
    if b < 0:
        t, b = t + b, -b
    if c < 0:
        t, c = t + c, -c
    if s < 0:
        return _cube(t + s, -s, b, c) - _own_cube(t + s, -s, b, c)
    return _own_cube(t, s, b, c)


@numba.njit(nogil=True, error_model="numpy")
def own_product(p: float, s: float, g: float, h: float, b: float) -> float:
    """Return E[x_1 y], y = max(s x_1 + g x_2 + h x_3 + b, 0), for three independent features of density p.

    Args:
        p: density.
        s: slope of the feature that y is multiplied by.
        g: slope of the second feature.
        h: slope of the third feature.
        b: bias.
    """
    off = 1 - p
    two = _own_of_two(b, s, g) + _own_of_two(b, s, h)
    return p * (off * off * _own_of_one(b, s) + p * off * two + p * p * _own_of_three(b, s, g, h))


@numba.njit(nogil=True, error_model="numpy")
def mean_output(p: float, s: float, g: float, h: float, b: float) -> float:
    """Return E[y]; arguments as in `own_product`."""
    off = 1 - p
    one = _mean_of_one(b, s) + _mean_of_one(b, g) + _mean_of_one(b, h)
    two = _mean_of_two(b, s, g) + _mean_of_two(b, s, h) + _mean_of_two(b, g, h)
    three = _mean_of_three(b, s, g, h)
    return off * off * off * max(b, 0.0) + p * off * off * one + p * p * off * two + p * p * p * three
