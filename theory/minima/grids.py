"""The minima of all cells of a grid of models: a search in every fourth cell, and minima handed on between neighbours.

A minimum changes little from one cell to the next, so that one that is known in a cell is the best start beside it.
What is handed on is judged like what a search finds, and handed on further, until no cell learns anything new. That
none is missed isn't proved: one with a small basin that exists between searched cells only goes unseen, and `coverage`
says how far the searches can be trusted. Each minimum stands for its copies under relabellings of equal features; where
a cell has more of these than its neighbour, all that the neighbour tells apart are handed on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..models import ToyModel
from ..numerics import FloatArray, check_callable, check_count, check_flag, check_kind, check_number
from .batches import beside_saddles, examine_all
from .critical_points import CriticalPoint, snap
from .descent import descend
from .exchanges import Exchanges, Order
from .landscape import Landscape
from .local import MOST_DRAWS, check_searchable, distinct, found_minimum, unmerged
from .random_starts import FoundMinimum
from .search import Report, Search, searched
from .unseen import Coverage

# Cells from one that is searched to the next, along each axis, and the share of further starts there that may lead
# elsewhere: neighbours help each other.
STRIDE, UNSEEN = 4, 0.02
# Matrices that are spread evenly there, where there are few parameters.
SPREAD = 64
# Share of the work that searches take, as far as progress is concerned.
SEARCHING = 0.5


@dataclass(frozen=True, eq=False)
class GridMinima:
    """What `grid_minima` finds.

    Attributes:
        minima: of each cell, cheapest first, as minima[i][j].
        coverage: of the searched cell that can be trusted least.
    """

    minima: list[list[tuple[FoundMinimum, ...]]]
    coverage: Coverage


@dataclass(eq=False)
class _Cell:
    """A cell: the states that are known there, and what became of each."""

    found: Search
    group: tuple[Order, ...]
    judged: list[CriticalPoint] = field(default_factory=list)

    def minima(self, since: int = 0) -> list[FloatArray]:
        """Return the parameters of the minima among the states from a number on."""
        kept = zip(self.found.classes[since:], self.judged[since:], strict=True)
        return [one.parameters for one, point in kept if point.status != "saddle"]


def grid_minima(
    model: ToyModel,
    *,
    unseen: float = UNSEEN,
    starts: int | None = None,
    merged: bool = True,
    report: Report | None = None,
) -> GridMinima:
    """Return the local minima of every cell of a grid of models.

    Args:
        model: batch shape (X, Y); neighbours in the batch are alike.
        unseen: share of further starts that may lead elsewhere in a searched cell, as of `local_minima`.
        starts: independent starts in each searched cell, in place of this rule.
        merged: whether copies under relabellings are listed once; else each of them is.
        report: is called with the share of the work that is done.

    Raises:
        ValueError: if the batch is no grid, minima of such models aren't searched for, or an argument is out of range.

    Example:
        >>> from tegum.theory import diagram_model
        >>> model = diagram_model(4, 2, np.array([[0.1], [0.5]]), np.array([1.0, 2.0]))
        >>> [[round(cell[0].loss, 6) for cell in row] for row in grid_minima(model, starts=32).minima]
        [[0.006639, 0.008289], [0.152565, 0.180449]]
    """
    check_kind("model", model, ToyModel)
    if len(model.batch_shape) != 2 or 0 in model.batch_shape:
        raise ValueError(f"a grid of models has batch shape (X, Y), got {model.batch_shape}")
    check_searchable(model)
    unseen = check_number("unseen", unseen, above=0, most=1)
    if starts is not None:
        check_count("starts", starts, 1, MOST_DRAWS)
    check_flag("merged", merged)
    check_callable("report", report, 1, optional=True)
    told: Report = report if report is not None else lambda _: None
    width, height = model.batch_shape
    rows, columns = (index.ravel() for index in np.indices((width, height)))
    flat = model.take((rows, columns))
    whole = Landscape(flat)
    exchanges = [Exchanges(flat.take(k)) for k in range(len(rows))]
    seeds = {i * height + j for i in _strides(width) for j in _strides(height)}
    cells: list[_Cell] = []
    for k, relabellings in enumerate(exchanges):
        landscape = whole.take(k)
        if k in seeds:
            found = searched(
                landscape, unseen=unseen, most=MOST_DRAWS, seed=k, starts=starts, exchanges=relabellings, spread=SPREAD
            )
            told(SEARCHING * len([one for one in seeds if one <= k]) / len(seeds))
        else:
            found = Search(landscape, relabellings)
        cells.append(_Cell(found, tuple(relabellings.orders())))
    coverage = max((cells[k].found.coverage for k in sorted(seeds)), key=lambda one: one.unseen)
    _hand_on(whole, cells, (width, height), told)
    lists = [_listed(cell, merged=merged) for cell in cells]
    return GridMinima([lists[i * height : (i + 1) * height] for i in range(width)], coverage)


def _strides(count: int) -> list[int]:
    """Return the places along an axis that are searched: every fourth, and the last."""
    return sorted({*range(0, count, STRIDE), count - 1})


def _hand_on(whole: Landscape, cells: list[_Cell], shape: tuple[int, int], report: Report) -> None:
    """Judge what is known, and hand minima on to neighbours, until no cell learns anything new."""
    transversals = _Transversals()
    since = [0] * len(cells)
    rounds = 0
    while True:
        _judge(whole, cells)
        news = [cell.minima(start) for cell, start in zip(cells, since, strict=True)]
        since = [len(cell.judged) for cell in cells]
        owner: list[int] = []
        starts: list[FloatArray] = []
        for k, cell in enumerate(cells):
            for other in _neighbours(k, shape):
                for order in transversals.between(cells[other].group, cell.group):
                    for parameters in news[other]:
                        weights, bias = whole.split(parameters)
                        starts.append(whole.join(weights[..., order], bias[..., order]))
                        owner.append(k)
        rounds += 1
        report(1 - (1 - SEARCHING) / (1 + rounds))
        if not starts:
            return
        _enter(whole, cells, np.array(owner), np.stack(starts))


def _neighbours(k: int, shape: tuple[int, int]) -> list[int]:
    i, j = divmod(k, shape[1])
    beside = (i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)
    return [a * shape[1] + b for a, b in beside if 0 <= a < shape[0] and 0 <= b < shape[1]]


def _judge(whole: Landscape, cells: list[_Cell]) -> None:
    """Judge every state that isn't, and what lies below saddles."""
    while any(len(cell.judged) < len(cell.found.classes) for cell in cells):
        new = [[one.parameters for one in cell.found.classes[len(cell.judged) :]] for cell in cells]
        places = [np.reshape(some, (-1, whole.size)) for some in new]
        owner, starts = [], []
        for k, (points, directions) in enumerate(examine_all(whole, places)):
            cells[k].judged += points
            if points:
                beside = beside_saddles(whole, points, directions)
                owner += [k] * len(beside)
                starts += list(beside)
        if starts:
            _enter(whole, cells, np.array(owner), np.stack(starts))


def _enter(whole: Landscape, cells: list[_Cell], owner: np.ndarray, starts: FloatArray) -> None:
    """Descend from starts in their cells, all together, and enter what is reached."""
    batch = whole.take(owner)
    ends = descend(batch, starts)
    parameters, norms = snap(batch, ends.parameters, ends.gradient_norm)
    for k in np.unique(owner).tolist():
        mine = owner == k
        cells[k].found.enter(parameters[mine], ends.loss[mine], norms[mine])


def _listed(cell: _Cell, *, merged: bool) -> tuple[FoundMinimum, ...]:
    """Return the minima of a cell, cheapest first."""
    kept = zip(cell.found.classes, cell.judged, strict=True)
    points = [found_minimum(point, one, cell.found.exchanges) for one, point in kept if point.status != "saddle"]
    points = distinct(sorted(points, key=lambda point: point.loss))
    return tuple(points if merged else unmerged(points, cell.found.exchanges, cell.found.landscape.inputs))


class _Transversals:
    """Relabellings of one cell of which none is another followed by one of a second cell."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], list[list[int]]] = {}
        self._numbers: dict[tuple[Order, ...], int] = {}

    def between(self, source: tuple[Order, ...], target: tuple[Order, ...]) -> list[list[int]]:
        """Return them, the identity first."""
        key = tuple(self._numbers.setdefault(group, len(self._numbers)) for group in (source, target))
        if key not in self._known:
            chosen, covered = list[list[int]](), set[Order]()
            for order in source:
                if order not in covered:
                    chosen.append(list(order))
                    covered |= {tuple(order[place] for place in other) for other in target}
            self._known[key] = chosen  # type: ignore[index]
        return self._known[key]  # type: ignore[index]
