"""Expectations of many signed sums by inverting their Laplace transforms, to a tolerance.

The nodes of each row are doubled until its result stays; what is left is estimated from the last changes, or bounded.
Patterns in which only small slopes are active are integrated by themselves. docs/spectral.md has the reasons.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...numerics import FloatArray
from .contour import NODES, NodeSums, aliases, choose_line
from .errors import aliasing, linear_rounding, rounding, truncation
from .few import Few
from .rows import Rows, Terms, added, chosen
from .simple_patterns import SimplePatterns, simple_terms

# Patterns in which only slopes are active that are smaller than the row's largest by this are integrated by
# themselves, on their own scale, unless they are rarer than that.
SMALL = 1 / 64
RARE = 1e-14
# Derivatives converge more slowly than values and may be off by this much more.
DERIVATIVES = 100.0
# The first change counts this much more: with only one, there is no telling how fast they fall.
FIRST_CHANGE = 32.0
# Complex numbers that one array of the computation holds.
CHUNK = {"cpu": 1 << 17, "cuda": 1 << 24}


def integrate(
    rows: Rows,
    tolerance: FloatArray,
    max_nodes: int,
    place: tuple[Any, Any] = (np, None),
    *,
    proved: bool = False,
) -> tuple[Terms, FloatArray, NDArray[np.int64]]:
    """Return what rows ask for, with absolute errors and numbers of nodes.

    Args:
        rows: R signed sums.
        tolerance: absolute, shape (R,), of all but rounding.
        max_nodes: after which a row gives up.
        place: array namespace to compute in, and device, None for NumPy.
        proved: whether the errors of values are to be bounded; else all errors but rounding are estimated.

    Returns:
        "value", shape (R,), and if derivatives are asked for "bias", shape (R,), and "slopes", shape (R, n); errors of
        the value and of the derivatives, shape (R, 2), and nodes, shape (R,).
    """
    count, n = rows.slopes.shape
    low, high = rows.extent()
    terms: Terms = {"value": np.zeros(count)}
    if rows.derivatives:
        terms |= {"bias": np.zeros(count), "slopes": np.zeros((count, n))}
    error, nodes = np.zeros((count, 2)), np.zeros(count, dtype=np.int64)
    above = (low >= 0) & (high > 0)
    crossing = np.flatnonzero((low < 0) & (high > 0))
    linear = rows.take(above).linear()
    error[above] = linear_rounding(rows.take(above))
    if not rows.derivatives:
        error[above, 1] = 0
    for name, term in terms.items():
        term[above] = linear[name]
    if rows.own is None and rows.derivatives:
        # R_0(0) counts as ½ where a hidden unit is exactly zero, which the polynomial takes for 1.
        few = Few.of(rows.law, rows.slopes)
        half = np.where((low == 0) | (high == 0), few.none, 0)[:, None] * few.spectators
        terms["slopes"] += np.where(above[:, None], -half, half)
    if not len(crossing):
        return terms, error, nodes
    rows, tolerance = rows.take(crossing), tolerance[crossing]
    small = rows.small(SMALL)
    inner, mass = rows.law.restrict(small | (rows.slopes == 0))
    small_slopes = np.where(small, rows.slopes, 0)
    few = Few.of(inner, small_slopes)
    nested = (mass * (1 - few.none - few.alone.sum(axis=-1)) > RARE) & (small.sum(axis=-1) > 1)
    kind = "cpu" if place[1] is None else str(place[1]).partition(":")[0]
    # Both parts add their errors.
    tolerance = np.where(nested, tolerance / 2, tolerance)
    width = max(CHUNK.get(kind, CHUNK["cpu"]) // (n * NODES), 1)
    for deeper in (False, True):
        which = np.flatnonzero(nested == deeper)
        for begin in range(0, len(which), width):
            at = which[begin : begin + width]
            part = rows.take(at)
            if deeper:
                part = replace(part, inner=inner.take(at), mass=mass[at])
            found, *estimates = _integrate_block(part, tolerance[at], max_nodes, place, proved)
            for name, term in terms.items():
                term[crossing[at]] = found[name]
            error[crossing[at]], nodes[crossing[at]] = estimates
    at = np.flatnonzero(nested)
    if len(at):
        deep = replace(rows.take(at), law=inner.take(at), slopes=small_slopes[at])
        weight = mass[at]
        found, e, count_deep = integrate(deep, tolerance[at] / weight, max_nodes, place, proved=proved)
        for name, term in terms.items():
            term[crossing[at]] += (weight if term.ndim == 1 else weight[:, None]) * found[name]
        error[crossing[at]] += weight[:, None] * e
        nodes[crossing[at]] += count_deep
    return terms, error, nodes


def _integrate_block(
    rows: Rows, tolerance: FloatArray, max_nodes: int, place: tuple[Any, Any], proved: bool
) -> tuple[Terms, FloatArray, NDArray[np.int64]]:
    """Return what rows that cross zero ask for, doubling the nodes of each until its result stays."""
    line = choose_line(rows)
    sums = NodeSums(*place, rows, line)
    simple, known = SimplePatterns.of(rows, SMALL), simple_terms(rows, cut=True)
    alias = aliases(rows, line)
    count = len(tolerance)
    live = np.arange(count)
    error, nodes = np.full((count, 2), np.inf), np.zeros(count, dtype=np.int64)
    results: Terms = {}
    total: Terms = {}
    previous: Terms = {}
    before: Any = None
    first, last = 0, NODES
    while True:
        plain, tapered = sums.octave(first, last)
        now = added(added(tapered, total) if total else tapered, alias, -1)
        total = added(plain, total) if total else plain
        # What the nodes miss of the simplest patterns.
        missing = {name: term - now[name] for name, term in known.items()}
        result = added(simple.sum(sums.rows, missing), now)
        if previous:
            change = _changes(result, previous)
            estimate = _estimate(change, before)
            if proved:
                estimate[:, 0] = truncation(sums.rows, sums.line, last, sums.rows.small(SMALL))
                estimate[:, 0] += aliasing(sums.rows, sums.line)
            results = results or {name: np.zeros((count, *term.shape[1:])) for name, term in result.items()}
            for name, term in result.items():
                results[name][live] = term
            error[live], nodes[live] = estimate + rounding(sums.rows, sums.line, last), last
            going = np.flatnonzero(~(estimate <= tolerance[live, None] * (1, DERIVATIVES)).all(axis=-1))
            if not len(going) or 2 * last > max_nodes:
                return results, error, nodes
            if len(going) < len(live):
                live, sums, simple = live[going], sums.take(going), simple.take(going)
                known, alias, total, result = (chosen(terms, going) for terms in (known, alias, total, result))
            before = change[going]
        previous = result
        first, last = last, 2 * last


def _changes(terms: Terms, others: Terms) -> FloatArray:
    """Return by how much the values differ, and by how much at most their derivatives, shape (R, 2)."""
    changes = {name: np.abs(term - others[name]) for name, term in terms.items()}
    value = changes["value"]
    if "bias" not in changes:
        return np.stack([value, 0 * value], axis=-1)
    return np.stack([value, np.maximum(changes["bias"], changes["slopes"].max(axis=-1))], axis=-1)


def _estimate(change: FloatArray, before: FloatArray | None) -> FloatArray:
    """Return what is left after the last change, given the one before: a geometric series if changes fall slowly.

    A change can be small by accident, where two errors cancel: then the one before counts.
    """
    if before is None:
        return FIRST_CHANGE * change
    rate = np.minimum(change / np.maximum(before, 1e-300), 0.9)
    return np.asarray(np.maximum(2 * change * np.maximum(1, rate / (1 - rate)), before / 4))
