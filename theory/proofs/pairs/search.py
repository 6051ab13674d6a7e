"""The search for squares of weights that exclude minimisers: n = 2, m = 1 at one point.

They are looked at breadth first, and cut in four until an argument of `squares` settles each (docs/proofs.md). A
certificate lists them, and `checks` does it again by other means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from ...numerics import FloatArray, Summarised, machine_code, type_of
from ..balls import WeightBox
from ..certificates import BUDGET_SPENT, Quarter
from ..floats import Span
from .squares import ABOVE, CORE, FAR, OPEN, SLOPE, Problem, Square, settle

NAMES = {FAR: "far", ABOVE: "above", SLOPE: "slope", CORE: "core"}
# Centres of smaller boxes would have squares that aren't multiples of GRID.
LEAST_SIDE = 2.0**-18


@dataclass(frozen=True)
class Searched(Summarised):
    """What a search found.

    Attributes:
        boxes: for each argument the squares that it settles.
        left: squares that none settles, at most when the budget is spent.
        lower: lower bound of L* on what is left, or None if nothing is.
        count: how many squares were looked at.
        history: numbers of squares that were looked at, and the lower bound of L* on all that wasn't settled by then.
        reason: why it stopped.
    """

    boxes: dict[str, list[Quarter]]
    left: list[Quarter]
    lower: float | None
    count: int
    history: tuple[tuple[int, float], ...]
    reason: str


def _settle_each(corners: FloatArray, side: float, asked: Problem, codes: Any, bounds: FloatArray) -> None:
    for k in range(len(corners)):
        x, y = corners[k, 0], corners[k, 1]
        found = settle(Square(Span(x, x + side), Span(y, y + side)), asked)
        codes[k], bounds[k] = found.argument, found.lower


_ASKED = type_of(Problem(0.0, 0.0, 0.0, 0.0, 0.0))
_OVER_SQUARES = numba.void(numba.float64[:, ::1], numba.float64, _ASKED, numba.int64[::1], numba.float64[::1])
_settle_all = machine_code(_settle_each, _OVER_SQUARES, nogil=True)


def search_boxes(asked: Problem, exponent: int, cores: list[WeightBox], max_boxes: int) -> Searched:
    """Settle w_1 ≥ 0 of |w_i| ≤ 2^exponent.

    Args:
        asked: what the search is for.
        exponent: of the domain's size.
        cores: boxes that needn't be settled, and their mirror images.
        max_boxes: budget.
    """
    boxes: dict[str, list[Quarter]] = {name: [] for name in NAMES.values()}
    edges = [tuple(float(x) for side in core for x in side) for box in cores for core in (box, box.mirrored())]
    todo = np.array([(0, -1), (0, 0)], dtype=np.int64)
    # What is known of L* on each, by the square that it is a part of.
    known = np.zeros(len(todo))
    history: list[tuple[int, float]] = []
    level, count = 0, 0
    while len(todo):
        side = 2.0 ** (exponent - level)
        corners: FloatArray = (todo * side).astype(np.float64)
        spent = count + len(todo) > max_boxes
        if spent or side < LEAST_SIDE:
            left = [(level, int(i), int(j)) for i, j in todo]
            reason = BUDGET_SPENT if spent else "boxes too small"
            return Searched(boxes, left, float(known.min()), count, tuple(history), reason)
        count += len(todo)
        inside = np.zeros(len(todo), dtype=bool)
        for a, b, c, d in edges:
            x, y = corners[:, 0], corners[:, 1]
            inside |= (a <= x) & (x + side <= b) & (c <= y) & (y + side <= d)
        codes, found = np.full(len(todo), CORE), np.empty((~inside).sum(), dtype=np.int64)
        bounds = np.empty(len(found))
        _settle_all(corners[~inside], side, asked, found, bounds)
        codes[~inside] = found
        known[~inside] = np.maximum(known[~inside], bounds)
        for code, name in NAMES.items():
            boxes[name] += [(level, int(i), int(j)) for i, j in todo[codes == code]]
        rest, known = todo[codes == OPEN], known[codes == OPEN]
        if len(rest):
            history.append((count, float(known.min())))
        todo = (2 * rest[:, None, :] + np.array([(0, 0), (0, 1), (1, 0), (1, 1)])).reshape(-1, 2)
        known = np.repeat(known, 4)
        level += 1
    return Searched(boxes, [], None, count, tuple(history), "every box is settled")
