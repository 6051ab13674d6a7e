"""Following minima from cell to cell: where does a minimum go, and where does its path break off?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ..minima import SAME, SMALL, CriticalPoint, DiagramMinima, descend
from ..numerics import FloatArray, Summarised
from .equations import Equations

# Steps from a cell to the next, and halvings of the one in which a path breaks off.
SUBSTEPS = 6
BISECTIONS = 12
# A step that moves a state further than this is checked by the way back, which has to end as close as this.
DOUBTFUL, RETURNS = 0.02, 1e-4

Cell = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Path(Summarised):
    """A minimum followed from a cell into a neighbouring one."""

    start: FloatArray
    q_start: FloatArray
    q_end: FloatArray
    whole: bool
    # The last parameters before the path broke, and where that was.
    last: FloatArray
    q_last: FloatArray

    def at(self, share: float) -> FloatArray:
        """Return interpolated parameters at this share of the way."""
        way = self.q_end - self.q_start
        reached = float((self.q_last - self.q_start) @ way / (way @ way))
        return self.start + min(share / max(reached, SMALL), 1.0) * (self.last - self.start)


def steps(diagram: DiagramMinima) -> Iterator[tuple[Cell, Cell]]:
    """Yield each cell with each of its neighbours."""
    rows, columns = len(diagram.x), len(diagram.y)
    for i in range(rows):
        for j in range(columns):
            for a, b in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
                if 0 <= a < rows and 0 <= b < columns:
                    yield (i, j), (a, b)


def _without_copies(points: Sequence[CriticalPoint], exchanges: NDArray[np.int64]) -> list[CriticalPoint]:
    """Return the strict minima, one of those that exchanges of equal features make of each other."""
    kept: list[CriticalPoint] = []
    seen: list[FloatArray] = []
    for point in points:
        if point.status != "minimum":
            continue
        gram = point.weights.T @ point.weights
        if any(np.abs(np.vstack([gram, point.bias]) - other).max() < SAME for other in seen):
            continue
        kept.append(point)
        seen += [np.vstack([gram[np.ix_(order, order)], point.bias[order]]) for order in exchanges]
    return kept


def _step(
    equations: Equations, current: FloatArray, here: FloatArray, there: FloatArray
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return where minima go from one place to another, and whether each is the same one: the way back leads back."""
    settled, kept = equations.settle(current, there)
    far = np.flatnonzero(kept & (np.abs(settled - current).max(axis=-1) > DOUBTFUL))
    if len(far):
        back, returned = equations.settle(settled[far], here[far])
        kept[far] = returned & (np.abs(back - current[far]).max(axis=-1) < RETURNS)
    return settled, kept


def follow(equations: Equations, diagram: DiagramMinima) -> dict[tuple[Cell, Cell], list[Path]]:
    """Follow every live minimum of every cell to every neighbour, all at once."""
    along_x, along_y = diagram.plane.x.position(diagram.x), diagram.plane.y.position(diagram.y)
    exchanges = diagram.plane.exchanges
    assert exchanges is not None
    keys, starts, begins, ends = [], [], [], []
    for here, there in steps(diagram):
        for point in _without_copies(diagram.live(*here), exchanges):
            keys.append((here, there))
            starts.append(point.parameters)
            begins.append((along_x[here[0]], along_y[here[1]]))
            ends.append((along_x[there[0]], along_y[there[1]]))
    start, q0, q1 = np.array(starts), np.array(begins), np.array(ends)
    current, fraction, alive = start.copy(), np.zeros(len(start)), np.ones(len(start), dtype=bool)
    for step in range(1, SUBSTEPS + 1):
        going = np.flatnonzero(alive)
        way = (q1 - q0)[going] / SUBSTEPS
        settled, kept = _step(equations, current[going], q0[going] + way * (step - 1), q0[going] + way * step)
        current[going[kept]], fraction[going[kept]] = settled[kept], step / SUBSTEPS
        alive[going[~kept]] = False
    broken = np.flatnonzero(~alive)
    low, high = fraction[broken], fraction[broken] + 1 / SUBSTEPS
    for _ in range(BISECTIONS if len(broken) else 0):
        middle = (low + high) / 2
        way = (q1 - q0)[broken]
        settled, kept = _step(
            equations, current[broken], q0[broken] + way * low[:, None], q0[broken] + way * middle[:, None]
        )
        current[broken[kept]] = settled[kept]
        low, high = np.where(kept, middle, low), np.where(kept, high, middle)
    fraction[broken] = low
    paths: dict[tuple[Cell, Cell], list[Path]] = {}
    for k, key in enumerate(keys):
        last = q0[k] + (q1[k] - q0[k]) * fraction[k]
        paths.setdefault(key, []).append(Path(start[k], q0[k], q1[k], bool(alive[k]), current[k], last))
    return paths


def cheapest_near(equations: Equations, diagram: DiagramMinima, q: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the least loss at each row of q that minima of the surrounding cells lead to, and where it is attained.

    Shapes (rows,) and (rows, P).
    """
    along_x, along_y = diagram.plane.x.position(diagram.x), diagram.plane.y.position(diagram.y)
    owner, starts = [], []
    for k, (x, y) in enumerate(q):
        i, j = int(np.searchsorted(along_x, x)), int(np.searchsorted(along_y, y))
        for a, b in product({max(i - 1, 0), min(i, len(along_x) - 1)}, {max(j - 1, 0), min(j, len(along_y) - 1)}):
            for point in diagram.live(a, b):
                owner.append(k)
                starts.append(point.parameters)
    rows = np.array(owner)
    ends = descend(equations.landscape(q[rows]), np.array(starts))
    order = np.lexsort([ends.loss, rows])
    first = order[np.searchsorted(rows[order], np.arange(len(q)))]
    return ends.loss[first], ends.parameters[first]
