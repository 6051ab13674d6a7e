"""Coulomb energies of many configurations and the way down from one, compiled.

A point y ≠ 0 of space stands for y / |y|, so that no constraint is left. The way down is L-BFGS with the line search of
`theory/numerics/lbfgs.py`, written out again for one configuration: starts need very different numbers of steps, and in
a batch all wait for the slowest, and threads for each other in every step (docs/thomson.md).
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from ..numerics import FloatArray, even_size, machine_code, over_slices

# Pairs of changes in points and gradient that are remembered, and the conditions of Armijo and of weak curvature.
HISTORY, DECREASE, FLATNESS = 8, 1e-4, 0.9
# Length of the first step for each point, and rounding errors of an energy.
FIRST_STEP, ROUNDING = 0.02, 4 * 2.0**-52
# Fewer pairs of points take less time than threads to begin.
THREAD_PAIRS = 1 << 16
FAST = {"reassoc", "contract", "arcp", "nsz"}


@numba.njit(nogil=True, fastmath=FAST, error_model="numpy", inline="never")
def _pair_sums(own: Any, square: Any, cube: Any, gradient: Any) -> Any:
    """Return the energy of a configuration of shape (d, n), and fill its gradient in space, likewise."""
    d, n = own.shape
    total = 0.0
    gradient[:, :] = 0.0
    for i in range(1, n):
        for j in range(i):
            square[j] = 0.0
        for k in range(d):
            here = own[k, i]
            for j in range(i):
                apart = here - own[k, j]
                square[j] += apart * apart
        for j in range(i):
            inverse = 1 / np.sqrt(square[j])
            total += inverse
            cube[j] = inverse * inverse * inverse
        for k in range(d):
            here = own[k, i]
            force = 0.0
            for j in range(i):
                push = (here - own[k, j]) * cube[j]
                force += push
                gradient[k, j] += push
            gradient[k, i] -= force
    return total


@numba.njit(nogil=True, fastmath=FAST, error_model="numpy", inline="never")
def _on_sphere(raw: Any, unit: Any, square: Any, cube: Any, gradient: Any) -> Any:
    """Return the energy of points moved onto the sphere, and fill these and the gradient in the unmoved ones."""
    d, n = raw.shape
    for i in range(n):
        length = 0.0
        for k in range(d):
            length += raw[k, i] * raw[k, i]
        inverse = 1 / np.sqrt(length)
        for k in range(d):
            unit[k, i] = raw[k, i] * inverse
    energy = _pair_sums(unit, square, cube, gradient)
    # The energy doesn't depend on lengths, so that its gradient is tangential.
    for i in range(n):
        length, along = 0.0, 0.0
        for k in range(d):
            length += raw[k, i] * unit[k, i]
            along += gradient[k, i] * unit[k, i]
        for k in range(d):
            gradient[k, i] = (gradient[k, i] - along * unit[k, i]) / length
    return energy


@numba.njit(nogil=True, fastmath=FAST, error_model="numpy", inline="never")
def _dot(a: Any, b: Any) -> Any:
    total = 0.0
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


@numba.njit(nogil=True, fastmath=FAST, error_model="numpy", inline="never")
def _direction(gradient: Any, moves: Any, turns: Any, inverses: Any, newest: int, known: int, shares: Any) -> Any:
    """Return −H g by the two-loop recursion over a ring of pairs; −g, shortened, without any."""
    left = gradient.copy()
    size = len(left)
    for back in range(known):
        row = (newest - back) % HISTORY
        shares[row] = inverses[row] * _dot(moves[row], left)
        for i in range(size):
            left[i] -= shares[row] * turns[row, i]
    scale = -1.0
    if known:
        scale = -1 / (inverses[newest] * _dot(turns[newest], turns[newest]))
    for i in range(size):
        left[i] *= scale
    for back in range(known - 1, -1, -1):
        row = (newest - back) % HISTORY
        # The sign of what is left was turned.
        share = shares[row] + inverses[row] * _dot(turns[row], left)
        for i in range(size):
            left[i] -= share * moves[row, i]
    return left


def _descend(points: Any, level: float, evaluations: int, own: int, first: Any) -> Any:
    """Return the energy at the end of a start's way down, which replaces its points, shape (d, n).

    It ends at a gradient of size `level`, after so many evaluations, or once a start before this one has done what is
    asked for: if first[0] < own.
    """
    d, n = points.shape
    size = d * n
    unit, square, cube, shares = np.empty((d, n)), np.empty(n), np.empty(n), np.empty(HISTORY)
    moves, turns, inverses = np.empty((HISTORY, size)), np.empty((HISTORY, size)), np.empty(HISTORY)
    x, trial = points.copy().reshape(size), np.empty(size)
    gradient, new = np.empty(size), np.empty(size)
    energy = _on_sphere(x.reshape((d, n)), unit, square, cube, gradient.reshape((d, n)))
    newest, known = 0, 0
    direction, fresh = gradient, True
    length, low, high, slope = 0.0, 0.0, np.inf, 0.0
    for _ in range(evaluations):
        if fresh:
            norm = np.sqrt(_dot(gradient, gradient))
            if norm <= level or first[0] < own:
                break
            direction = _direction(gradient, moves, turns, inverses, newest, known, shares)
            slope = _dot(gradient, direction)
            length, low, high, fresh = 1.0, 0.0, np.inf, False
            if known == 0:
                length = FIRST_STEP * np.sqrt(n) / norm
        for i in range(size):
            trial[i] = x[i] + length * direction[i]
        there = _on_sphere(trial.reshape((d, n)), unit, square, cube, new.reshape((d, n)))
        rise = _dot(new, direction)
        fallen = there <= energy + DECREASE * length * slope
        # Where energies differ by rounding, slopes decide. NaN is never enough.
        same = there <= energy + ROUNDING * (1 + abs(energy))
        if fallen or (same and rise <= (2 * DECREASE - 1) * slope):
            low = length
            if rise >= FLATNESS * slope:
                newest = (newest + 1) % HISTORY
                for i in range(size):
                    moves[newest, i] = trial[i] - x[i]
                    turns[newest, i] = new[i] - gradient[i]
                    x[i], gradient[i] = trial[i], new[i]
                curvature = _dot(moves[newest], turns[newest])
                if curvature > 0:
                    inverses[newest] = 1 / curvature
                    known = min(known + 1, HISTORY)
                else:
                    known = 0
                energy, fresh = there, True
                continue
        else:
            high = length
        if high == np.inf:
            length = 2 * low
        elif high - low > ROUNDING * high:
            length = (low + high) / 2
        elif known == 0:
            break
        else:
            # Nothing is left between too short and too long: begin again along the gradient.
            known, fresh = 0, True
    _on_sphere(x.reshape((d, n)), points, square, cube, new.reshape((d, n)))
    return energy


def _sum_pairs(points: Any, begin: int, end: int, energy: Any, gradient: Any) -> None:
    """Fill the energies of some configurations and their gradients in space; points have shape (R, d, n)."""
    n = points.shape[2]
    square, cube = np.empty(n), np.empty(n)
    for r in range(begin, end):
        energy[r] = _pair_sums(points[r], square, cube, gradient[r])


_summed = machine_code(_sum_pairs, "void(float64[:,:,::1], int64, int64, float64[::1], float64[:,:,::1])", nogil=True)
descend = machine_code(
    _descend, "float64(float64[:,::1], float64, int64, int64, int64[::1])", nogil=True, error_model="numpy"
)


def energies_and_gradients(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the energies of configurations and their gradients in space, on all cores.

    Args:
        points: shape (R, d, n).

    Returns:
        Shapes (R,) and (R, d, n).
    """
    count = len(points)
    energy, gradient = np.empty(count), np.empty(points.shape)
    size = even_size(count, count) if count * points.shape[2] ** 2 >= THREAD_PAIRS else max(count, 1)
    over_slices(lambda part: _summed(points, part.start, part.stop, energy, gradient), count, size)
    return energy, gradient
