"""Moments of one output of two features, compiled, with a proven bound on the rounding.

With z = β + s x + g v (x the output's own feature, v the other, s ≥ 0) and y = ReLU(z), an output's expected loss is
f = E[x²] − 2 E[x y] + E[y²]. Every moment here is increasing in s, g and β, so that two points bound it over a box.

For each set of active features a moment is an integral over the part of the unit square, or of an edge of it, where
z > 0. Which shape that is follows from the signs of z at the corners. The formulas for the shapes hold no division but
ratios of at most 1, and no difference of large numbers: docs/certified-diagram.md counts the roundings. The bound rests
on s, g and β being multiples of `GRID`: then z is exact at the corners.
"""

from __future__ import annotations

from ...numerics import compiled, machine_code

# s, g and β are multiples of it, and smaller than LARGEST: then sums of them are exact in float64.
GRID = 2.0**-40
LARGEST = 2.0**11
# A computed moment or loss is off by at most this times (2 + |β| + s + 2 |g|)².
ROUNDING = 64 * 2.0**-53


@compiled
def rounding(s: float, g: float, beta: float) -> float:
    """Return a bound on the rounding of a moment, and of a loss of `loss_and_slopes`."""
    size = 2 + abs(beta) + s + 2 * abs(g)
    return ROUNDING * size * size


@compiled
def _edge(t: float, a: float) -> tuple[float, float, float, float, float]:
    """Return E[y], E[y²], E[u y], E[u; on], E[u²; on] for z = t + a u, a ≥ 0, u uniform on [0, 1]."""
    end = t + a
    if end <= 0:
        return 0.0, 0.0, 0.0, 0.0, 0.0
    if t >= 0:
        return t + a / 2, t * t + t * a + a * a / 3, t / 2 + a / 3, 1 / 2, 1 / 3
    # On for the last part q of the edge.
    q = end / a
    y = q * end / 2
    return y, q * end * end / 3, y - q * q * end / 6, q - q * q / 2, q - q * q + q * q * q / 3


@compiled
def _trapezoid(
    first: float, last: float, slope: float
) -> tuple[float, float, float, float, float, float, float, float, float]:
    """Return moments where z > 0 on the last part of every line along u, `first` of it at v = 0 and `last` at v = 1.

    Returns:
        E[y], E[y²], E[u y], E[v y], E[u; on], E[u²; on], E[v; on], E[v²; on], E[u v; on], ∂z/∂u being `slope`.
    """
    mean, square = (first + last) / 2, (first * first + first * last + last * last) / 3
    cube = (first * first + last * last) * (first + last) / 4
    tilted, tilted_square = (first + 2 * last) / 6, (first * first + 2 * first * last + 3 * last * last) / 12
    return (
        square * slope / 2,
        cube * slope * slope / 3,
        square * slope / 2 - cube * slope / 6,
        tilted_square * slope / 2,
        mean - square / 2,
        mean - square + cube / 3,
        tilted,
        (first + 3 * last) / 12,
        tilted - tilted_square / 2,
    )


@compiled
def _square(t: float, a: float, c: float) -> tuple[float, float, float, float, float, float, float]:
    """Return E[y], E[y²], E[u y], E[v y], E[u; on], E[u²; on], E[u v; on] for z = t + a u + c v, with a, c ≥ 0."""
    right, top, end = t + a, t + c, t + a + c
    if end <= 0:
        return 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    if t >= 0:
        squares = t * t + a * a / 3 + c * c / 3 + t * a + t * c + a * c / 2
        y = t + a / 2 + c / 2
        return y, squares, t / 2 + a / 3 + c / 4, t / 2 + a / 4 + c / 3, 1 / 2, 1 / 3, 1 / 4
    if right <= 0 and top <= 0:
        # A triangle at the last corner, with legs q and h.
        q, h = end / a, end / c
        area = q * h
        y = area * end / 6
        return (
            y,
            area * end * end / 12,
            y - area * end * q / 24,
            y - area * end * h / 24,
            area * (1 / 2 - q / 6),
            area * (1 / 2 - q / 3 + q * q / 12),
            area * (1 / 2 - q / 6 - h / 6 + q * h / 24),
        )
    if right > 0 and top > 0:
        # All but a triangle at the first corner.
        q, h = -t / a, -t / c
        area = q * h
        squares = t * t + a * a / 3 + c * c / 3 + t * a + t * c + a * c / 2
        return (
            t + a / 2 + c / 2 - area * t / 6,
            squares - area * t * t / 12,
            t / 2 + a / 3 + c / 4 - area * t * q / 24,
            t / 2 + a / 4 + c / 3 - area * t * h / 24,
            1 / 2 - area * q / 6,
            1 / 3 - area * q * q / 12,
            1 / 4 - area * area / 24,
        )
    if top > 0:
        # On at the end of every line along v.
        y, squares, v_y, u_y, _, _, u_on, u_u_on, u_v_on = _trapezoid(top / c, end / c, c)
        return y, squares, u_y, v_y, u_on, u_u_on, u_v_on
    y, squares, u_y, v_y, u_on, u_u_on, _, _, u_v_on = _trapezoid(right / a, end / a, a)
    return y, squares, u_y, v_y, u_on, u_u_on, u_v_on


@compiled
def _both(s: float, g: float, beta: float) -> tuple[float, float, float, float, float, float, float]:
    """Return `_square` for z = β + s x + g v with g of either sign."""
    if g >= 0:
        return _square(beta, s, g)
    y, squares, x_y, v_y, x_on, x_x_on, x_v_on = _square(beta + g, s, -g)
    return y, squares, x_y, y - v_y, x_on, x_x_on, x_on - x_v_on


@compiled
def moments(
    s: float, g: float, beta: float, none: float, one: float, both: float
) -> tuple[float, float, float, float, float, float, float]:
    """Return E[y], E[y²], E[x y], E[v y], E[x; on], E[x²; on], E[x v; on].

    Args:
        s: own slope, not negative.
        g: the other feature's slope.
        beta: bias.
        none: probability that no feature is active.
        one: that the output's own feature is active alone, and that the other one is.
        both: that both are.

    Example:
        >>> moments(1.0, -1.0, 0.0, 0.81, 0.09, 0.01)[0]  # p/2 (1 − p) + p²/6
        0.0466666...
    """
    y, squares, x_y, v_y, x_on, x_x_on, x_v_on = _both(s, g, beta)
    own_y, own_squares, own_x_y, own_x_on, own_x_x_on = _edge(beta, s)
    if g >= 0:
        other_y, other_squares, other_v_y, _, _ = _edge(beta, g)
    else:
        other_y, other_squares, other_v_y, _, _ = _edge(beta + g, -g)
        other_v_y = other_y - other_v_y
    silent = max(beta, 0.0)
    return (
        none * silent + one * (own_y + other_y) + both * y,
        none * silent * silent + one * (own_squares + other_squares) + both * squares,
        one * own_x_y + both * x_y,
        one * other_v_y + both * v_y,
        one * own_x_on + both * x_on,
        one * own_x_x_on + both * x_x_on,
        both * x_v_on,
    )


def _loss_and_slopes(
    s: float, g: float, beta: float, none: float, one: float, both: float
) -> tuple[float, float, float]:
    """Return f, E[y] and E[x; on]; ∂f/∂β = 2 E[y] − 2 E[x; on] is a difference of two increasing functions of β."""
    y, squares, x_y, _, x_on, _, _ = moments(s, g, beta, none, one, both)
    return (one + both) / 3 - 2 * x_y + squares, y, x_on


loss_and_slopes = machine_code(
    _loss_and_slopes, "UniTuple(float64,3)(float64, float64, float64, float64, float64, float64)", nogil=True
)
