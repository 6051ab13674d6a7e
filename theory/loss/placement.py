"""Where u* lies in each cell, with the weights of its facets, for compiled code: what `ends.py` does by arrays.

Ends of amplitudes are two numbers, or rows with an end for each coordinate where features have amplitudes of their own.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from .schedule import (
    APEX,
    DELTA,
    FIRST_SLOPE,
    HIGH_OF_FIRST,
    HIGH_OF_SECOND,
    HIGHEST,
    LOW_OF_FIRST,
    LOW_OF_SECOND,
    LOWEST,
    ORIGIN,
    SIZE,
    START,
    WEIGHTS,
)

# Intervals of z shorter than this count as a point, as in `moments.py`.
SHORTEST = 1e-300


@numba.njit(nogil=True, inline="never")
def _extent(rows: Any, cell: Any, shares: Any, rests: Any, lanes: int) -> None:
    """Fill z at the ends of one cell, and the shares of the way between them on both sides of z = 0."""
    for t in range(lanes):
        lowest = min(rows[cell[LOW_OF_FIRST], t], rows[cell[LOW_OF_SECOND], t])
        highest = max(rows[cell[HIGH_OF_FIRST], t], rows[cell[HIGH_OF_SECOND], t])
        below, above = max(-lowest, 0.0), max(highest, 0.0)
        length = below + above
        length = length if length > 0 else 1.0
        rows[cell[LOWEST], t] = lowest
        rows[cell[HIGHEST], t] = highest
        shares[t] = below / length
        rests[t] = above / length
    for t in range(lanes):
        rows[cell[START], t] = max(rows[cell[LOWEST], t], 0.0)


@numba.njit(nogil=True, inline="never")
def _dirac(rows: Any, cell: Any, width: float, t: int) -> float:
    """Return the mean of δ(z) on an edge of a width."""
    length = width * abs(rows[cell[FIRST_SLOPE], t])
    crosses = (rows[cell[LOWEST], t] <= 0) & (rows[cell[HIGHEST], t] > 0) & (length > SHORTEST)
    # The difference of the ends would have their rounding errors.
    return 1 / length if crosses else 0.0


@numba.njit(nogil=True, inline="never")
def locate(rows: Any, cells: Any, ends: Any, from_zero: bool, lanes: int) -> None:
    """Fill z at the ends of each cell, and u* with the weights of the facets; `ends.py` does the same."""
    low_end, high_end = ends
    width = high_end - low_end
    shares, rests = np.empty(lanes), np.empty(lanes)
    for k in range(cells.shape[0]):
        cell = cells[k]
        delta, size, weights, apex = cell[DELTA], cell[SIZE], cell[WEIGHTS], cell[APEX]
        _extent(rows, cell, shares, rests, lanes)
        if delta:
            for t in range(lanes):
                rows[delta, t] = _dirac(rows, cell, width, t)
        if from_zero:
            for t in range(lanes):
                _from_zero(rows, cell, low_end, high_end, t)
            continue
        for place in range(size):
            slope, at_low, at_high = cell[FIRST_SLOPE + place], weights + place, weights + size + place
            for t in range(lanes):
                up, share, rest = rows[slope, t] >= 0, shares[t], rests[t]
                rows[at_low, t] = share if up else rest
                rows[at_high, t] = rest if up else share
            if apex != weights:
                for t in range(lanes):
                    from_low, from_high = low_end + width * rows[at_low, t], high_end - width * rows[at_high, t]
                    rows[apex + place, t] = from_low if low_end >= 0 else from_high


@numba.njit(nogil=True, inline="never")
def _from_zero(rows: Any, cell: Any, low_end: float, high_end: float, t: int) -> None:
    """Place u* of one cell on the way from 0 to the corner where z has the other sign, steep coordinates first."""
    size, weights, apex, width = cell[SIZE], cell[WEIGHTS], cell[APEX], high_end - low_end
    lowest, highest, origin = rows[cell[LOWEST], t], rows[cell[HIGHEST], t], rows[cell[ORIGIN], t]
    falls = origin > 0
    largest = 0.0
    for place in range(size):
        slope = rows[cell[FIRST_SLOPE + place], t]
        largest = max(largest, abs(slope * (low_end if falls == (slope >= 0) else high_end)))
    steep = spare = 0.0
    for place in range(size):
        slope = rows[cell[FIRST_SLOPE + place], t]
        reach = abs(slope * (low_end if falls == (slope >= 0) else high_end))
        ratio = reach / (largest if largest > 0 else 1.0)
        steep += reach * ratio
        spare += reach * (1 - ratio)
    distance = abs(origin)
    left = min(max(-lowest if falls else highest, 0.0) / (spare if spare > 0 else 1.0), 1.0)
    for place in range(size):
        slope = rows[cell[FIRST_SLOPE + place], t]
        to_low = falls == (slope >= 0)
        corner = low_end if to_low else high_end
        ratio = abs(slope * corner) / (largest if largest > 0 else 1.0)
        share, rest = 1.0, 0.0
        if lowest < 0 and highest > 0:
            if distance <= steep:
                share = ratio * (min(distance, steep) / (steep if steep > 0 else 1.0))
                rest = 1 - share
            else:
                rest = (1 - ratio) * left
                share = 1 - rest
        rows[apex + place, t] = share * corner
        rows[weights + place, t] = (-low_end * rest if to_low else share * corner - low_end) / width
        rows[weights + size + place, t] = (high_end - share * corner if to_low else high_end * rest) / width


@numba.njit(nogil=True, inline="never")
def fill_ends(rows: Any, first: int, ends: Any, features: Any, count: int) -> None:
    """Fill the ends of the amplitudes of each output's coordinates, for some models.

    Args:
        rows: to fill.
        first: row of the first coordinate's low end. All low ends, then all high ends follow, and then the points that
            are nearest to 0.
        ends: by feature, shape (3, n).
        features: the feature behind each coordinate of each output, shape (n, n).
        count: models.
    """
    n = features.shape[0]
    for e in range(3):
        for i in range(n):
            for c in range(n):
                end = ends[e, features[i, c]]
                for k in range(count):
                    rows[first + e * n + c, k * n + i] = end


@numba.njit(nogil=True, inline="never")
def locate_each(rows: Any, cells: Any, ahead: int, n: int, from_zero: bool, lanes: int) -> None:
    """Fill what `locate` does where each feature has ends of its own.

    Args:
        rows: to fill.
        cells: of the schedule.
        ahead: how far behind a coordinate's slope its low end stands; the high one is n rows further.
        n: coordinates.
        from_zero: see `Schedule`.
        lanes: outputs.
    """
    shares, rests = np.empty(lanes), np.empty(lanes)
    for k in range(cells.shape[0]):
        cell = cells[k]
        delta, size, weights, apex = cell[DELTA], cell[SIZE], cell[WEIGHTS], cell[APEX]
        _extent(rows, cell, shares, rests, lanes)
        if delta:
            low = cell[FIRST_SLOPE] + ahead
            for t in range(lanes):
                rows[delta, t] = _dirac(rows, cell, rows[low + n, t] - rows[low, t], t)
        for t in range(lanes):
            if from_zero:
                _from_origin(rows, cell, ahead, n, t)
                continue
            for c in range(size):
                slope = cell[FIRST_SLOPE + c]
                up = rows[slope, t] >= 0
                at_low, at_high = (shares[t], rests[t]) if up else (rests[t], shares[t])
                low, high = rows[slope + ahead, t], rows[slope + ahead + n, t]
                rows[weights + c, t] = at_low
                rows[weights + size + c, t] = at_high
                rows[apex + c, t] = low + (high - low) * at_low if low >= 0 else high - (high - low) * at_high


@numba.njit(nogil=True, inline="never")
def _from_origin(rows: Any, cell: Any, ahead: int, n: int, t: int) -> None:
    """Place u* of one cell as `_from_zero` does, on the way from the point that is nearest to 0."""
    size, weights, apex = cell[SIZE], cell[WEIGHTS], cell[APEX]
    lowest, highest, origin = rows[cell[LOWEST], t], rows[cell[HIGHEST], t], rows[cell[ORIGIN], t]
    # Where z isn't negative anywhere u* is the lowest corner, which the way may begin at.
    falls = (origin > 0) | (lowest >= 0)
    largest = steep = spare = 0.0
    for c in range(size):
        largest = max(largest, _reach(rows, cell[FIRST_SLOPE + c], ahead, n, falls, t))
    scale = largest if largest > 0 else 1.0
    for c in range(size):
        reach = _reach(rows, cell[FIRST_SLOPE + c], ahead, n, falls, t)
        steep += reach * (reach / scale)
        spare += reach * (1 - reach / scale)
    distance = abs(origin)
    left = min(max(-lowest if falls else highest, 0.0) / (spare if spare > 0 else 1.0), 1.0)
    for c in range(size):
        slope = cell[FIRST_SLOPE + c]
        low, high, middle = rows[slope + ahead, t], rows[slope + ahead + n, t], rows[slope + ahead + 2 * n, t]
        to_low = falls == (rows[slope, t] >= 0)
        way = low - middle if to_low else high - middle
        ratio = _reach(rows, slope, ahead, n, falls, t) / scale
        share, rest = 1.0, 0.0
        if lowest < 0 and highest > 0:
            if distance <= steep:
                share = ratio * (min(distance, steep) / (steep if steep > 0 else 1.0))
                rest = 1 - share
            else:
                rest = (1 - ratio) * left
                share = 1 - rest
        place = middle + share * way
        width = high - low
        rows[apex + c, t] = place
        # A constant's two facets are the same.
        rows[weights + c, t] = ((middle - low) * rest if to_low else place - low) / width if width > 0 else 1.0
        rows[weights + size + c, t] = (high - place if to_low else (high - middle) * rest) / width if width > 0 else 0.0


@numba.njit(nogil=True, inline="never")
def _reach(rows: Any, slope: int, ahead: int, n: int, falls: bool, t: int) -> float:
    """Return by how much z changes on a coordinate's way."""
    end = slope + ahead if falls == (rows[slope, t] >= 0) else slope + ahead + n
    return abs(rows[slope, t] * (rows[end, t] - rows[slope + ahead + 2 * n, t]))  # type: ignore[no-any-return]
