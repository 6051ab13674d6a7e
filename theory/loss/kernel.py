"""The compiled evaluation of the exact loss: a schedule's operations, run for a few dozen outputs at a time.

Importing this module compiles, or loads what an earlier process compiled: `compiled.py` does so at the first
evaluation. Each output of each model is a lane. Lanes never mix, all of them go through the same additions and
multiplications in the same order, and nothing is contracted or reordered, so that a model's result doesn't depend on
what it is evaluated with.

There is one signature, given beforehand: two processes that compile at the same time then write the same file. The
interpreter's lock is released while a function runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import boolean, float64, int32, int64, types

from ..numerics import machine_code
from .arguments import Layout, Models, Places, Results, Steps, Tables
from .overlaps import are_small, overlaps, sum_up, sum_up_each
from .placement import fill_ends, locate, locate_each
from .schedule import BEGINS, LINEAR, ROW, SQUARE, STEP, A, B, C, D, Z

Function = Callable[..., Any]

# Numbers that the lanes of a block keep together, and most lanes: they should fit the processor's cache.
BLOCK_NUMBERS, MOST_LANES = 1 << 17, 128


def _given(dtype: Any, dimensions: int) -> Any:
    return types.Array(dtype, dimensions, "C", readonly=True)


@numba.njit(nogil=True, inline="never")
def _operate(rows: Any, operations: Any, scales: Any, lanes: int) -> None:
    """Run through the operations."""
    for k in range(operations.shape[0]):
        row, a, b, c, d = operations[k, ROW], operations[k, A], operations[k, B], operations[k, C], operations[k, D]
        scale = scales[k]
        if operations[k, BEGINS]:
            for t in range(lanes):
                rows[row, t] = (rows[a, t] * rows[b, t] + rows[c, t] * rows[d, t]) * scale
        else:
            for t in range(lanes):
                rows[row, t] = (rows[row, t] + (rows[a, t] * rows[b, t] + rows[c, t] * rows[d, t])) * scale


@numba.njit(nogil=True, inline="never")
def _at_corners(rows: Any, corners: Any, lanes: int) -> None:
    """Fill R_q(z) at corners; a corner on the cut is off."""
    for k in range(corners.shape[0]):
        z, step, linear, square = corners[k, Z], corners[k, STEP], corners[k, LINEAR], corners[k, SQUARE]
        for t in range(lanes):
            on = max(rows[z, t], 0.0)
            rows[step, t] = 1.0 if rows[z, t] > 0 else 0.0
            rows[linear, t] = on
            rows[square, t] = on * on / 2


@numba.njit(nogil=True, inline="never")
def _pull_back(weights: Any, second: Any, curvature: Any, hessian: Any, towards: Any) -> None:
    """Fill one model's Hessian in (W, b); `ChainRule` has the formula.

    Args:
        weights: W, shape (m, n).
        second: R^i, the second derivatives of each output in (G_i·, b_i), with importances, shape (n, n + 1, n + 1).
        curvature: Γ + Γᵀ, shape (n, n).
        hessian: shape (P, P).
        towards: to work in, shape (m, n, n): (R^i W_g)_k at [g, i, k].
    """
    m, n = weights.shape
    for g in range(m):
        for i in range(n):
            for k in range(n):
                total = 0.0
                for j in range(n):
                    total += second[i, k, j] * weights[g, j]
                towards[g, i, k] = total
    for h in range(m):
        for g in range(h + 1):
            for k in range(n):
                for j in range(n):
                    total = weights[h, j] * towards[g, j, k] + weights[g, k] * towards[h, k, j]
                    for i in range(n):
                        total += second[i, k, j] * (weights[h, i] * weights[g, i])
                    if k == j:
                        for i in range(n):
                            total += weights[h, i] * towards[g, k, i]
                    if h == g:
                        total += curvature[k, j]
                    hessian[h * n + k, g * n + j] = total
                    hessian[g * n + j, h * n + k] = total
        for k in range(n):
            for i in range(n):
                total = second[i, k, n] * weights[h, i]
                if k == i:
                    for j in range(n):
                        total += second[i, j, n] * weights[h, j]
                hessian[h * n + k, m * n + i] = total
                hessian[m * n + i, h * n + k] = total
    for i in range(n):
        for j in range(n):
            hessian[m * n + i, m * n + j] = second[i, n, n] if i == j else 0.0


@numba.njit(nogil=True, inline="never")
def _gram_penalty(grams: Any, k: int, interference: float, decay: float) -> float:
    """Return λ_I Σ_{i≠j} G_ij² + λ_W Σ_i G_ii of one model."""
    apart = size = 0.0
    for i in range(grams.shape[0]):
        size += grams[i, i, k]
        for j in range(grams.shape[0]):
            if i != j:
                apart += grams[i, j, k] * grams[i, j, k]
    return interference * apart + decay * size


@numba.njit(nogil=True, inline="never")
def _second_derivatives(rows: Any, row: int, t: int, features: Any, importance: float, second: Any) -> None:
    """Fill one output's second derivatives, by feature, from the upper triangle that begins at a row."""
    n = features.shape[0]
    for c in range(n + 1):
        i = features[c] if c < n else n
        for d in range(c, n + 1):
            j = features[d] if d < n else n
            bend = importance * rows[row, t]
            second[i, j] = bend
            second[j, i] = bend
            row += 1


def _tuple_of(*parts: Any) -> Any:
    return types.BaseTuple.from_types(parts)  # type: ignore[no-untyped-call]


SIGNATURE = int64(
    _tuple_of(*[int64] * len(Layout._fields)),
    _tuple_of(*(_given(int64, 1), _given(float64, 1), _given(int32, 2), _given(float64, 1)), *[_given(int64, 2)] * 3),
    *(_tuple_of(float64, float64), boolean, _given(float64, 2)),
    _tuple_of(*[_given(int64, 2)] * len(Places._fields)),
    _tuple_of(*[_given(float64, 2)] * len(Tables._fields)),
    _tuple_of(_given(float64, 3), _given(float64, 2), _given(int64, 1)),
    *(int64, int64),
    _tuple_of(float64[::1], float64[:, ::1], float64[:, :, ::1], float64[:, ::1], float64[:, :, ::1]),
)


def _evaluate(
    layout: Layout,
    steps: Steps,
    ends: tuple[float, float],
    from_zero: bool,
    own_ends: Any,
    places: Places,
    tables: Tables,
    models: Models,
    begin: int,
    end: int,
    results: Results,
) -> int:
    """Evaluate the models from `begin` to `end`. Records are given as plain tuples.

    Args:
        layout: of the schedule.
        steps: of the schedule.
        ends: see `Schedule`.
        from_zero: see there.
        own_ends: the low end, the high end and the point nearest to 0 of each feature, shape (3, n), where these differ
            between features; else nothing counts.
        places: of features and patterns.
        tables: of parameters.
        models: to evaluate.
        begin: first model.
        end: after the last model.
        results: to fill.

    Returns:
        How many models have numbers so large that their squares may overflow: their results are worth nothing.
    """
    left_out = 0
    layout, steps, places, tables = Layout(*layout), Steps(*steps), Places(*places), Tables(*tables)
    models, results = Models(*models), Results(*results)
    weights, features, importance = models.weights, places.features, tables.importance
    _, m, n = weights.shape
    n_patterns = places.pattern_columns.shape[1]
    block = max(min(BLOCK_NUMBERS // layout.n_rows, MOST_LANES) // n, 1)
    block = min(block, end - begin)
    rows = np.empty((layout.n_rows, block * n))
    for k in range(steps.constant_rows.shape[0]):
        for t in range(block * n):
            rows[steps.constant_rows[k], t] = steps.constants[k]
    grams, shorts, d_gram = np.empty((n, n, block)), np.empty((n, n, block)), np.empty((n, n))
    columns, halves, short = np.empty((m, n, block)), np.empty((m, n, block)), np.empty(block * n)
    second = np.empty((n, n + 1, n + 1) if layout.order > 1 else (0, 0, 0))
    towards = np.empty((m, n, n))
    for first in range(begin, end, block):
        count = min(block, end - first)
        lanes = count * n
        overlaps(weights, first, count, columns, halves, grams, shorts)
        for i in range(n):
            for c in range(n):
                j = features[i, c]
                for k in range(count):
                    rows[layout.slopes + c, k * n + i] = grams[i, j, k]
                    rows[layout.slopes + n + c, k * n + i] = shorts[i, j, k]
        for k in range(count):
            model, parameter = first + k, models.rows[first + k]
            left_out += not are_small(weights[model], models.bias[model])
            for i in range(n):
                t = k * n + i
                rows[layout.offset, t] = models.bias[model, i]
                for p in range(n_patterns):
                    rows[layout.chances + p, t] = tables.chances[parameter, places.pattern_columns[i, p]]
        if layout.ends:
            fill_ends(rows, layout.ends, own_ends, features, count)
            sum_up_each(rows, steps.origins, layout.slopes, layout.ends, layout.offset, n, lanes, short)
            _at_corners(rows, steps.corners, lanes)
            locate_each(rows, steps.cells, layout.ends - layout.slopes, n, from_zero, lanes)
        else:
            sum_up(rows, steps.origins, ends, layout.offset, n, lanes, short)
            _at_corners(rows, steps.corners, lanes)
            locate(rows, steps.cells, ends, from_zero, lanes)
        _operate(rows, steps.operations, steps.scales, lanes)
        for k in range(count):
            model, parameter = first + k, models.rows[first + k]
            interference, decay = tables.penalties[parameter, 0], tables.penalties[parameter, 1]
            total = 0.0
            for i in range(n):
                # Rounding may take the loss of a perfect output below zero.
                value = max(rows[layout.results, k * n + i] + tables.second_moment[parameter, i], 0.0)
                if results.output_losses.shape[0]:
                    results.output_losses[model, i] = value
                total += importance[parameter, i] * value
            if interference != 0 or decay != 0:
                total += _gram_penalty(grams, k, interference, decay)
            results.loss[model] = total
            if layout.order == 0:
                continue
            for i in range(n):
                t = k * n + i
                for c in range(n):
                    j = features[i, c]
                    slope = importance[parameter, i] * rows[layout.results + 1 + c, t]
                    d_gram[i, j] = slope + (decay if i == j else 2 * interference * grams[i, j, k])
                results.d_bias[model, i] = importance[parameter, i] * rows[layout.results + 1 + n, t]
            for i in range(n):
                for j in range(i + 1):
                    both = d_gram[i, j] + d_gram[j, i]
                    d_gram[i, j] = both
                    d_gram[j, i] = both
            for h in range(m):
                for j in range(n):
                    slope = 0.0
                    for i in range(n):
                        slope += weights[model, h, i] * d_gram[i, j]
                    results.d_weights[model, h, j] = slope
            if layout.order == 1:
                continue
            for i in range(n):
                share = importance[parameter, i]
                _second_derivatives(rows, layout.results + n + 2, k * n + i, features[i], share, second[i])
                for j in range(n):
                    if j != i:
                        second[i, j, j] += 2 * interference
            _pull_back(weights[model], second, d_gram, results.hessian[model], towards)
    return left_out


evaluate: Function = machine_code(_evaluate, SIGNATURE, nogil=True)
