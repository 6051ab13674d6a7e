r"""Integrals over the part of the unit cube where a ReLU is on, stable for every input.

For an output z(u) = b + Σ_j a_j u_j with u uniform on [0, 1]^k, every expectation that the loss, its gradient and its
Hessian need is an integral of a polynomial in u over the polytope {z > 0}, or over its facet {z = 0}. This module
builds quadrature rules that are exact for those polynomials.

The closed form of such an integral is a signed sum over the cube's corners, divided by products of the a_j
(`formulas.py`). It loses all digits where an a_j is zero or tiny, which is where the phases lie. The rule here has
positive weights and never divides by a slope that could be small against what it divides:

1. Order the slopes by size and integrate over the coordinate with the largest slope last, on the interval
   where z > 0. Its ends are linear in the other coordinates, between the places where they enter or leave [0, 1].
2. Those places are the zeros of b + a_1 u_1 + (a subset sum of the slopes further in). Split [0, 1] there; on each
   piece the inner integral is a polynomial, so Gauss-Legendre with enough points is exact.

A rounding error in z moves a split by as much as a rounding error in b would: the rule is backward stable. The number
of nodes grows as Π_j (2^{j−1} + 1)(j + 3)/2, which is 12 for two active features and 180 for three.

The namespace `xp` is NumPy's or torch's (array-api-compat); gradients flow through the nodes.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

# Arrays are NumPy's or torch's, whichever the caller brought.
Array = Any


@lru_cache
def gauss_legendre(points: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return nodes and weights of the Gauss-Legendre rule on [0, 1], exact to degree 2 points − 1."""
    nodes, weights = np.polynomial.legendre.leggauss(points)
    return tuple(((nodes + 1) / 2).tolist()), tuple((weights / 2).tolist())


def _points(level: int) -> int:
    """Gauss points that are exact in the `level`-th coordinate from inside, for polynomials of degree two in u.

    Each inner integration raises the degree by one, so degree level + 1 is needed.
    """
    return (level + 3) // 2


def _ratio(xp: Any, numerator: Array, denominator: Array) -> tuple[Array, Array]:
    """Return numerator / denominator where its size is below 1, else 0, and where that is.

    Neither overflows nor divides by zero, in value or in derivative.
    """
    inside = xp.abs(numerator) < xp.abs(denominator)
    safe = xp.where(inside, denominator, xp.ones_like(denominator))
    return xp.where(inside, numerator, xp.zeros_like(numerator)) / safe, inside


def _unit(xp: Any, t: Array) -> Array:
    zero = xp.zeros_like(t)
    return xp.minimum(xp.maximum(t, zero), zero + 1.0)


def _on_interval(xp: Any, slope: Array, offset: Array) -> tuple[Array, Array]:
    """Return the ends of {u in [0, 1] : offset + slope u > 0}; equal ends where it is empty."""
    ratio, crosses = _ratio(xp, offset, slope)
    root = _unit(xp, -ratio)
    zero, one = xp.zeros_like(root), xp.ones_like(root)
    always = xp.where(offset > 0, one, zero)
    rising = slope > 0
    low = xp.where(crosses & rising, root, zero)
    high = xp.where(crosses, xp.where(rising, one, root), always)
    return low, high


def _breakpoints(xp: Any, slopes: list[Array], offset: Array) -> list[Array]:
    """Return the ordered places in [0, 1] where the integral over the inner coordinates stops being a polynomial."""
    outer, inner = slopes[0], slopes[1:]
    corners = [offset]
    for slope in inner:
        corners = corners + [corner + slope for corner in corners]
    kinks = xp.stack([_unit(xp, -_ratio(xp, corner, outer)[0]) for corner in corners], axis=-1)
    kinks = xp.sort(kinks, axis=-1)
    zero = xp.zeros_like(offset)
    return [zero, *(kinks[..., i] for i in range(len(corners))), xp.ones_like(offset)]


def _split_nodes(xp: Any, ends: list[Array], points: int) -> tuple[Array, Array]:
    """Return Gauss nodes and weights on the consecutive intervals between `ends`, shape (..., pieces · points)."""
    x, w = gauss_legendre(points)
    nodes, weights = [], []
    for low, high in pairwise(ends):
        length = high - low
        nodes += [low + length * node for node in x]
        weights += [length * weight for weight in w]
    return xp.stack(nodes, axis=-1), xp.stack(weights, axis=-1)


def _nest(xp: Any, slopes: list[Array], offset: Array, innermost: Any) -> tuple[list[Array], Array]:
    """Return nodes (one array per coordinate, shape (..., nodes)) and weights, outermost coordinate first."""
    if len(slopes) == 1:
        nodes, weights = innermost(xp, slopes[0], offset)
        return [nodes], weights
    outer, outer_weights = _split_nodes(xp, _breakpoints(xp, slopes, offset), _points(len(slopes)))
    spread = [slope[..., None] for slope in slopes]
    inner, inner_weights = _nest(xp, spread[1:], offset[..., None] + spread[0] * outer, innermost)
    weights = outer_weights[..., None] * inner_weights
    coordinates = [outer[..., None] + xp.zeros_like(weights), *inner]
    shape = (*offset.shape, weights.shape[-2] * weights.shape[-1])
    return [xp.reshape(c, shape) for c in coordinates], xp.reshape(weights, shape)


def _innermost_volume(xp: Any, slope: Array, offset: Array) -> tuple[Array, Array]:
    return _split_nodes(xp, list(_on_interval(xp, slope, offset)), _points(1))


def _innermost_facet(xp: Any, slope: Array, offset: Array) -> tuple[Array, Array]:
    ratio, crosses = _ratio(xp, offset, slope)
    inside = crosses & (ratio <= 0)
    size = xp.where(inside, xp.abs(slope), xp.ones_like(slope))
    weight = xp.where(inside, xp.ones_like(slope), xp.zeros_like(slope)) / size
    return _unit(xp, -ratio)[..., None], weight[..., None]


def volume_rule(xp: Any, slopes: list[Array], offset: Array) -> tuple[list[Array], Array]:
    """Return a quadrature rule for {u in [0, 1]^k : offset + Σ slopes_j u_j > 0}.

    Exact for polynomials of degree at most two: Σ weights · f(nodes) = ∫_{z > 0} f(u) du.

    Args:
        xp: array namespace of the inputs.
        slopes: k ≥ 1 arrays of shape (...), ordered from the smallest size to the largest.
        offset: shape (...).

    Returns:
        Nodes, a list of k arrays of shape (..., N) in the order of `slopes`, and weights ≥ 0 of shape (..., N).
    """
    return _nest(xp, slopes, offset, _innermost_volume)


def facet_rule(xp: Any, slopes: list[Array], offset: Array) -> tuple[list[Array], Array]:
    """Return a quadrature rule for the facet {z = 0} of `volume_rule`'s polytope, as the Hessian needs it.

    Exact for polynomials of degree at most three: Σ weights · f(nodes) = ∫ f(u) δ(z(u)) du. Arguments and returns
    are those of `volume_rule`. A facet on which every slope vanishes has no area and gets no nodes.
    """
    return _nest(xp, slopes, offset, _innermost_facet)
