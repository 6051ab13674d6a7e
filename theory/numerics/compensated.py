"""Sums and products with what rounding took from them, by operations that round.

A sum or product of two numbers is exactly the rounded one plus a number of the same precision, as long as nothing
over- or underflows (T. J. Dekker, A floating-point technique for extending the available precision, 1971,
doi:10.1007/BF01397083; D. E. Knuth, The Art of Computer Programming 2, section 4.2.2). Carrying both gives results as
if computed with twice the digits (T. Ogita, S. M. Rump, S. Oishi, Accurate sum and dot product, 2005,
doi:10.1137/030601818). Nothing but +, − and × is used: the same lines serve numbers, arrays of any namespace, and
compiled code.
"""

from __future__ import annotations

from typing import Any

import array_api_compat

from .arrays import Array

# What splits a number of float64 in two of 26 digits.
SPLITTER = 2.0**27 + 1


def splitter(xp: Any, dtype: Any) -> float:
    """Return the factor that splits numbers of a floating-point type in halves."""
    digits = 1 - round(float(xp.log2(xp.asarray(xp.finfo(dtype).eps, dtype=xp.float64))))
    return float(2.0 ** ((digits + 1) // 2) + 1)


def two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """Return the rounded sum of two numbers, and exactly what it is short of.

    Example:
        >>> two_sum(1.0, 2.0**-60) == (1.0, 2.0**-60)
        True
    """
    total = a + b
    second = total - a
    return total, (a - (total - second)) + (b - second)


def split(a: Any, factor: float) -> tuple[Any, Any]:
    """Return two numbers of half the digits whose sum is a, for the `splitter` of its type.

    Example:
        >>> split(1 + 2.0**-40, SPLITTER) == (1.0, 2.0**-40)
        True
    """
    scaled = factor * a
    high = scaled - (scaled - a)
    return high, a - high


def two_product(a: Any, b: Any, factor: float) -> tuple[Any, Any]:
    """Return the rounded product of two numbers, and exactly what it is short of.

    Example:
        >>> two_product(1 + 2.0**-40, 1 - 2.0**-40, SPLITTER) == (1.0, -(2.0**-80))
        True
    """
    # `split`, written out: compiled code calls nothing that isn't compiled.
    product, a_scaled, b_scaled = a * b, factor * a, factor * b
    a_high, b_high = a_scaled - (a_scaled - a), b_scaled - (b_scaled - b)
    a_low, b_low = a - a_high, b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def precise_gram(weights: Array) -> tuple[Array, Array]:
    """Return G = WᵀW as the nearest numbers, and what they are short of, each of shape (..., n, n).

    The sum of both is off by at most about (m + 1)² u² (|W|ᵀ|W|), u being half the spacing of numbers at 1.

    Args:
        weights: W, shape (..., m, n), of any array namespace.
    """
    xp = array_api_compat.array_namespace(weights)
    factor = splitter(xp, weights.dtype)
    total = short = xp.zeros_like(weights[..., :1, :] * weights[..., 0, :, None])
    for h in range(weights.shape[-2]):
        row = weights[..., h, :]
        product, error = two_product(row[..., :, None], row[..., None, :], factor)
        total, lost = two_sum(total, product)
        short = short + (lost + error)
    return two_sum(total, short)
