"""Overlaps and pre-activations at corners with twice the digits, for compiled code.

`precise_gram` and `Moments` do the same by array operations. Many models are done at once, each operation a short loop
over them that the compiler turns into vector instructions.
"""

from __future__ import annotations

from typing import Any

import numba

from ..numerics import SPLITTER, split, two_product, two_sum
from .large import LIMITS
from .schedule import FIRST_TERM, ORIGIN_ROW, TERMS

# From here on numbers are scaled before they are squared.
LARGE_WEIGHT, LARGE_BIAS, _ = LIMITS["float64"]
add, multiply, halve = (numba.njit(nogil=True)(part) for part in (two_sum, two_product, split))


@numba.njit(nogil=True, inline="never")
def overlaps(weights: Any, first: int, count: int, columns: Any, halves: Any, grams: Any, shorts: Any) -> None:
    """Fill G = WᵀW of some models, and what it is short of; see `precise_gram`.

    Args:
        weights: W, shape (models, m, n).
        first: of the models.
        count: how many.
        columns: to work in, shape (m, n, block).
        halves: to work in, shape (m, n, block): the upper half of each weight's digits.
        grams: G, shape (n, n, block).
        shorts: what it is short of, same shape.
    """
    _, m, n = weights.shape
    for h in range(m):
        for i in range(n):
            for k in range(count):
                columns[h, i, k] = weights[first + k, h, i]
                halves[h, i, k] = halve(columns[h, i, k], SPLITTER)[0]
    for i in range(n):
        for j in range(i + 1):
            total, short = grams[i, j], shorts[i, j]
            for k in range(count):
                total[k] = short[k] = 0.0
            for h in range(m):
                a, b, a_half, b_half = columns[h, i], columns[h, j], halves[h, i], halves[h, j]
                for k in range(count):
                    product, a_rest, b_rest = a[k] * b[k], a[k] - a_half[k], b[k] - b_half[k]
                    error = (
                        (a_half[k] * b_half[k] - product) + a_half[k] * b_rest + a_rest * b_half[k]
                    ) + a_rest * b_rest
                    total[k], lost = add(total[k], product)
                    short[k] += lost + error
            for k in range(count):
                total[k], short[k] = add(total[k], short[k])
                grams[j, i, k] = total[k]
                shorts[j, i, k] = short[k]


@numba.njit(nogil=True, inline="never")
def sum_up(rows: Any, origins: Any, ends: Any, offset: int, n: int, lanes: int, short: Any) -> None:
    """Fill z where free coordinates are 0, summed up with twice the digits."""
    for k in range(origins.shape[0]):
        row, count = origins[k, ORIGIN_ROW], origins[k, TERMS]
        for t in range(lanes):
            rows[row, t] = rows[offset, t]
            short[t] = 0.0
        for term in range(count):
            slope, end = origins[k, FIRST_TERM + 2 * term], ends[origins[k, FIRST_TERM + 1 + 2 * term]]
            if end == 1:
                for t in range(lanes):
                    total, lost = add(rows[row, t], rows[slope, t])
                    rows[row, t] = total
                    short[t] += lost + rows[slope + n, t]
            else:
                for t in range(lanes):
                    product, error = multiply(rows[slope, t], end, SPLITTER)
                    total, lost = add(rows[row, t], product)
                    rows[row, t] = total
                    short[t] += lost + (error + rows[slope + n, t] * end)
        for t in range(lanes):
            rows[row, t] += short[t]


@numba.njit(nogil=True, inline="never")
def sum_up_each(rows: Any, origins: Any, slopes: int, ends: int, offset: int, n: int, lanes: int, short: Any) -> None:
    """Fill z as `sum_up` does, where the ends of each coordinate stand in rows; see `placement.fill_ends`."""
    for k in range(origins.shape[0]):
        row = origins[k, ORIGIN_ROW]
        for t in range(lanes):
            rows[row, t] = rows[offset, t]
            short[t] = 0.0
        for term in range(origins[k, TERMS]):
            slope = origins[k, FIRST_TERM + 2 * term]
            end = ends + n * origins[k, FIRST_TERM + 1 + 2 * term] + slope - slopes
            for t in range(lanes):
                product, error = multiply(rows[slope, t], rows[end, t], SPLITTER)
                total, lost = add(rows[row, t], product)
                rows[row, t] = total
                short[t] += lost + (error + rows[slope + n, t] * rows[end, t])
        for t in range(lanes):
            rows[row, t] += short[t]


@numba.njit(nogil=True, inline="never")
def are_small(weights: Any, bias: Any) -> bool:
    """Return whether no square of these numbers can overflow (`large.py`)."""
    for h in range(weights.shape[0]):
        for i in range(weights.shape[1]):
            if not abs(weights[h, i]) < LARGE_WEIGHT:
                return False
    for i in range(bias.shape[0]):  # noqa: SIM110 (compiled code has no generators)
        if not abs(bias[i]) < LARGE_BIAS:
            return False
    return True
