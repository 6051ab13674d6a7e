"""Plateaus of a recorded series, and the jumps between them: what "energy levels" during training are.

With δ = `smallest_jump` and L = `shortest`, each series is cut into plateaus of at least L records and moving records
that belong to none, at the least total cost. A plateau costs Lδ²/8 plus the sum of squares of its records about their
mean, a moving record costs δ²/4. The optimum is exact: dynamic programming over where the last piece starts, for all
series at once. Neighbouring plateaus whose levels differ by less than δ are then one, which drifts. docs/geometry.md
proves what the two prices guarantee.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tegum.theory.numerics import MOST_STEPS, FloatArray, Summarised, check_count, check_rate, reals

# Jumps smaller than this fraction of the largest value drown in the rounding of means and sums of squares.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Plateau:
    """A stretch of a series around one level.

    Attributes:
        first_step: step of its first record.
        last_step: step of its last record.
        level: mean of its records.
        spread: their root mean square distance from the level: noise, and drift.
    """

    first_step: float
    last_step: float
    level: float
    spread: float


@dataclass(frozen=True)
class Jump:
    """A change between two plateaus, over any number of records.

    Attributes:
        step_before: step of the last record of the plateau before.
        step_after: step of the first record of the plateau after.
        level_before: level that the series leaves. Where the plateau drifts, that of its end, not of the whole.
        level_after: level that it arrives at.
    """

    step_before: float
    step_after: float
    level_before: float
    level_after: float


@dataclass(frozen=True)
class Plateaus(Summarised):
    """The plateaus of one series, and the jumps between them.

    Attributes:
        plateaus: in the order of their steps.
        jumps: one between each two neighbouring plateaus.
        status: "found", "none" if the series never rests, or "too short" if it has fewer records than a plateau.
        reason: what the status rests on.
    """

    plateaus: tuple[Plateau, ...]
    jumps: tuple[Jump, ...]
    status: str
    reason: str


def _checked(steps: Any, values: Any, smallest_jump: float, shortest: int) -> tuple[NDArray[Any], FloatArray]:
    """Return steps and values as arrays, or raise `ValueError`."""
    given, values = reals("steps", steps), reals("values", values)
    # Steps that are whole numbers are told as such.
    steps = np.asarray(steps) if np.asarray(steps).dtype.kind in "iu" else given
    if steps.ndim != 1 or values.ndim < 1 or len(values) != len(steps) or len(steps) == 0:
        raise ValueError(
            f"steps must have shape (records,) and values (records, ...) with at least one record, got {steps.shape} "
            f"and {values.shape}"
        )
    if (steps[1:] <= steps[:-1]).any():
        raise ValueError("steps must increase from record to record")
    check_rate("smallest_jump", smallest_jump)
    largest = float(np.abs(values).max(initial=0.0))
    if smallest_jump <= ROUNDING * largest:
        raise ValueError(
            f"smallest_jump must be above the rounding of values as large as {largest:g}, got {smallest_jump}"
        )
    check_count("shortest", shortest, 2, MOST_STEPS)
    return steps, values


def _last_starts(values: FloatArray, shortest: int) -> NDArray[np.int64]:
    """Return where the last piece of the best cut of each beginning of each series starts, in units of δ.

    Entry t says it for the first t records: the start of a plateau that ends there, or −1 for a moving record. Of
    equally good cuts it is the one with the longest plateau.

    Args:
        values: series divided by δ, shape (records, series).
        shortest: L.

    Returns:
        Shape (records + 1, series).
    """
    records, count = values.shape
    price, moving_price = shortest / 8, 1 / 4
    best, last = np.zeros((records + 1, count)), np.full((records + 1, count), -1)
    # Mean and sum of squares about it of the records from each start up to now: Welford's update loses no digits.
    mean, squares = np.zeros((records, count)), np.zeros((records, count))
    for t in range(1, records + 1):
        size = np.arange(t, 0, -1)[:, None]
        off = values[t - 1] - mean[:t]
        mean[:t] += off / size
        squares[:t] += off * (values[t - 1] - mean[:t])
        best[t] = best[t - 1] + moving_price
        if t >= shortest:
            starts = t - shortest + 1
            costs = best[:starts] + squares[:starts] + price
            start = costs.argmin(axis=0)
            cost = np.take_along_axis(costs, start[None], axis=0)[0]
            rests = cost <= best[t]
            best[t], last[t] = np.where(rests, cost, best[t]), np.where(rests, start, -1)
    return last


def _pieces(last: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return the plateaus of one series' best cut as ranges of records, read from its end."""
    pieces = []
    end = len(last) - 1
    while end > 0:
        start = int(last[end])
        if start < 0:
            end -= 1
        else:
            pieces.append((start, end))
            end = start
    return pieces[::-1]


def _record(
    steps: NDArray[Any], series: FloatArray, pieces: list[tuple[int, int]], smallest_jump: float, shortest: int
) -> Plateaus:
    """Return the record of one series, neighbouring pieces of about one level taken together."""
    if len(steps) < shortest:
        return Plateaus((), (), "too short", f"{len(steps)} records, fewer than the {shortest} of a plateau")
    if not pieces:
        return Plateaus((), (), "none", f"any plateau of {shortest} or more records costs more than motion")
    levels = [float(series[start:end].mean()) for start, end in pieces]
    jumps = []
    groups = [[pieces[0]]]
    for before, after, left, right in zip(levels[:-1], levels[1:], pieces[:-1], pieces[1:], strict=True):
        if abs(after - before) < smallest_jump:
            groups[-1].append(right)
        else:
            groups.append([right])
            jumps.append(Jump(steps[left[1] - 1].item(), steps[right[0]].item(), before, after))
    plateaus = []
    for group in groups:
        # Excursions between pieces of one plateau belong to neither.
        rest = np.concatenate([series[start:end] for start, end in group])
        ends = steps[group[0][0]].item(), steps[group[-1][1] - 1].item()
        plateaus.append(Plateau(*ends, float(rest.mean()), float(rest.std())))
    reason = f"plateaus and moving records at the least cost: {len(plateaus)} plateaus in {len(steps)} records"
    return Plateaus(tuple(plateaus), tuple(jumps), "found", reason)


def plateaus(steps: Any, values: Any, *, smallest_jump: float, shortest: int = 5) -> NDArray[np.object_]:
    """Return the plateaus of recorded series, and the jumps between them.

    Guarantees, with δ = `smallest_jump` and L = `shortest`:

    - A series that is constant for at least L records at a time, with steps of more than δ in between, is cut exactly
      there.
    - A series that drifts at a constant rate of less than δ / (2L + 1) a record has no jump. One that changes by δ or
      more a record doesn't rest; rates in between may be seen as a staircase.
    - Levels on both sides of a jump differ by at least δ, and every plateau has at least L records.
    - Adding a constant to a series, or multiplying it and δ by the same number, changes levels alone; reversing it
      reverses the result, but for cuts that cost the same.

    There is no guarantee under noise. With a standard deviation of σ levels are known to about σ/√L, so that jumps
    should exceed δ by a few of those, and δ should be at least 4σ, or noise looks like motion. Excursions of fewer
    than L records that return are left out. Records count, not steps: they should be about evenly spaced.

    Args:
        steps: the step of each record, increasing, shape (records,).
        values: the series, shape (records, ...), such as feature dimensionalities during training.
        smallest_jump: δ, the smallest difference between levels that counts, in units of the values.
        shortest: L, the fewest records that make a plateau, at least 2.

    Returns:
        `Plateaus` records, an object array of shape (...). Time and memory grow as records² · series and
        records · series.

    Raises:
        ValueError: if shapes don't fit, an entry isn't finite, steps don't increase, or δ or L is out of range.

    Source:
        "Energy level jumps": arXiv:2209.10652, "Superposition and Learning Dynamics"; it finds them by eye. Optimal
        partitioning by dynamic programming: Jackson et al. 2005, doi:10.1109/LSP.2001.838216.

    Example:
        >>> found = plateaus(range(0, 90, 10), [0, 0, 0, 0.2, 0.3, 0.5, 0.5, 0.5, 0.5], smallest_jump=0.2, shortest=3)
        >>> [(p.first_step, p.last_step, p.level) for p in found.item().plateaus]
        [(0, 20, 0.0), (50, 80, 0.5)]
        >>> found.item().jumps
        (Jump(step_before=20, step_after=50, level_before=0.0, level_after=0.5),)
    """
    steps, values = _checked(steps, values, smallest_jump, shortest)
    shape = values.shape[1:]
    columns = values.reshape(len(steps), int(np.prod(shape)))
    last = _last_starts((columns - columns[:1]) / smallest_jump, shortest)
    found = np.empty(columns.shape[1], dtype=object)
    for k, series in enumerate(columns.T):
        found[k] = _record(steps, series, _pieces(last[:, k]), smallest_jump, shortest)
    return found.reshape(shape)
