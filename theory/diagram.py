"""The theory side of a phase diagram: the minima of every cell of a grid over density and relative importance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .critical_points import CriticalPoint
from .descent import pack
from .features import FloatArray
from .minima import census
from .model import ToyModel, diagram_model

# Weight matrices to start from in each cell. Few, because neighbours hand on their minima.
CELL_STARTS = 64


@dataclass(frozen=True, eq=False)
class DiagramMinima:
    """All local minima over a grid of the (density, relative importance) plane.

    Attributes:
        n_features: number of features n.
        n_hidden: number of hidden dimensions m.
        density: ascending, shape (D,).
        importance: relative importance r of the last feature, ascending, shape (R,).
        minima: minima of cell (i, j), cheapest first, as minima[i][j].
    """

    n_features: int
    n_hidden: int
    density: FloatArray
    importance: FloatArray
    minima: list[list[tuple[CriticalPoint, ...]]]

    @property
    def model(self) -> ToyModel:
        """The models of all cells, batch shape (D, R)."""
        return diagram_model(self.n_features, self.n_hidden, self.density[:, None], self.importance)

    def live(self, i: int, j: int) -> tuple[CriticalPoint, ...]:
        """Return the minima of a cell in which every output can be switched on."""
        return tuple(point for point in self.minima[i][j] if not point.dead)


def _axis(name: str, values: ArrayLike) -> FloatArray:
    axis = np.asarray(values, dtype=np.float64)
    if axis.ndim != 1 or len(axis) == 0 or not (np.diff(axis) > 0).all():
        raise ValueError(f"{name} must be a one-dimensional ascending grid, got shape {axis.shape}: {values!r}")
    return axis


def check_superposition(n_features: int, n_hidden: int) -> None:
    """Raise `ValueError` unless there are more features than hidden dimensions."""
    if not 1 <= n_hidden < n_features:
        raise ValueError(
            "a phase diagram needs fewer hidden dimensions than features, got "
            f"n_hidden={n_hidden}, n_features={n_features}"
        )


def diagram_minima(
    density: ArrayLike,
    importance: ArrayLike,
    *,
    n_features: int = 2,
    n_hidden: int = 1,
    starts: int = CELL_STARTS,
) -> DiagramMinima:
    """Find all local minima in every cell of a phase diagram.

    Each cell gets a census of its own; then minima of neighbouring cells that it doesn't list are followed into it,
    from cell to cell as far as they go, so that a minimum with a small basin needs to be found only once.

    Args:
        density: grid of 1 − S in (0, 1], ascending.
        importance: grid of the last feature's importance against the others', ascending.
        n_features: number of features n.
        n_hidden: number of hidden dimensions m < n.
        starts: weight matrices to start from in each cell, a power of two.

    Returns:
        The minima of all cells.

    Raises:
        ValueError: if a grid isn't ascending, a value is out of range, or n_hidden ≥ n_features.
    """
    check_superposition(n_features, n_hidden)
    density, importance = _axis("density", density), _axis("importance", importance)
    shape = len(density), len(importance)
    grid = diagram_model(n_features, n_hidden, density[:, None], importance)
    model = grid.take(np.unravel_index(np.arange(shape[0] * shape[1]), shape))
    found = census(model, starts=starts)
    news = [True] * len(found)
    while any(news):
        extra = [_from_neighbours(found, news, k, shape) for k in range(len(found))]
        before = [len(points) for points in found]
        found = census(model, starts=0, extra=extra, known=found)
        news = [len(points) > count for points, count in zip(found, before, strict=True)]
    rows = [found[i * shape[1] : (i + 1) * shape[1]] for i in range(shape[0])]
    return DiagramMinima(n_features, n_hidden, density, importance, rows)


def _from_neighbours(
    found: list[tuple[CriticalPoint, ...]], news: list[bool], cell: int, shape: tuple[int, int]
) -> FloatArray:
    """Return packed minima of those of the four neighbours that have news, of phases of which `cell` has fewer."""
    i, j = divmod(cell, shape[1])
    mine = [point.phase for point in found[cell]]
    rows = []
    for a, b in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
        if 0 <= a < shape[0] and 0 <= b < shape[1] and news[a * shape[1] + b]:
            theirs = found[a * shape[1] + b]
            phases = [point.phase for point in theirs]
            rows += [pack(p.weights, p.bias) for p in theirs if phases.count(p.phase) > mine.count(p.phase)]
    size = found[cell][0].hessian_eigenvalues.size
    return np.reshape(rows, (-1, size))
