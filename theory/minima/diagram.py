"""The theory side of a phase diagram: the minima of every cell of a grid over a plane of models.

Up to three features every copy of each minimum is listed, by a census of each cell (`batches`); beyond, by searches and
continuation (`grids`), one for all its copies under relabellings of equal features unless all are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..models import Plane, ToyModel, diagram_plane
from ..numerics import MOST_STARTS, FloatArray, Summarised, check_callable, check_count, check_flag, check_kind, reals
from .batches import census
from .critical_points import CriticalPoint
from .grids import grid_minima
from .local import MAX_LISTED_FEATURES, MAX_SEARCHED_FEATURES, check_searchable
from .search import Report
from .unseen import Coverage

# Weight matrices to start from in each cell. Few, because neighbours hand on their minima.
CELL_STARTS = 64
# Features up to which a diagram lists every copy unless asked otherwise, and most features of one.
ALL_COPIES, MOST_ON_A_PLANE = 3, 6


@dataclass(frozen=True, eq=False)
class DiagramMinima(Summarised):
    """All local minima over a grid of a plane of models.

    Attributes:
        plane: of models; that of density and relative importance unless another was asked for.
        x: values of its first parameter, ascending, shape (X,).
        y: values of its second parameter, ascending, shape (Y,).
        minima: minima of cell (i, j), cheapest first, as minima[i][j].
        coverage: what the searches say of states that they didn't meet, of the searched cell that can be trusted least;
            None of a census.
    """

    plane: Plane
    x: FloatArray
    y: FloatArray
    minima: list[list[tuple[CriticalPoint, ...]]]
    coverage: Coverage | None = None

    @property
    def n_features(self) -> int:
        """Number of features n."""
        return self.plane.n_features

    @property
    def n_hidden(self) -> int:
        """Number of hidden dimensions m."""
        return self.plane.n_hidden

    @property
    def model(self) -> ToyModel:
        """The models of all cells, batch shape (X, Y)."""
        first, second = (values.ravel() for values in np.meshgrid(self.x, self.y, indexing="ij"))
        cells = np.arange(len(first)).reshape(len(self.x), len(self.y))
        return self.plane.at(first, second).take(cells)

    @property
    def density(self) -> FloatArray:
        """The first parameter of a diagram over density and importance."""
        return self.x

    @property
    def importance(self) -> FloatArray:
        """The second parameter of a diagram over density and importance: relative importance r of the last feature."""
        return self.y

    def live(self, i: int, j: int) -> tuple[CriticalPoint, ...]:
        """Return the minima of a cell in which every output can be switched on."""
        return tuple(point for point in self.minima[i][j] if not point.dead)


def _axis(name: str, values: ArrayLike, least: float | None = None, most: float | None = None) -> FloatArray:
    axis = reals(name, values, least=least, most=most)
    if axis.ndim != 1 or len(axis) == 0 or not (np.diff(axis) > 0).all():
        raise ValueError(f"{name} must be a one-dimensional ascending grid, got shape {axis.shape}: {values!r}")
    return axis


def check_superposition(n_features: int, n_hidden: int) -> None:
    """Raise `ValueError` unless there are more features than hidden dimensions."""
    for name, size in (("n_features", n_features), ("n_hidden", n_hidden)):
        check_count(name, size, 0)
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
    starts: int | None = None,
    report: Report | None = None,
) -> DiagramMinima:
    """Find the local minima in every cell of a phase diagram.

    Each cell gets a census of its own, beyond three features every fourth; then minima of neighbouring cells that it
    doesn't list are followed into it, from cell to cell as far as they go, so that a minimum with a small basin needs
    to be found only once.

    Args:
        density: grid of 1 − S in (0, 1], ascending.
        importance: grid of the last feature's importance against the others', ascending.
        n_features: number of features n.
        n_hidden: number of hidden dimensions m < n.
        starts: see `plane_minima`.
        report: is called with the share of the work that is done.

    Returns:
        The minima of all cells.

    Raises:
        ValueError: if a grid isn't ascending, a value is out of range, or n_hidden ≥ n_features.
    """
    check_superposition(n_features, n_hidden)
    density, importance = _axis("density", density), _axis("importance", importance)
    plane = diagram_plane(n_features, n_hidden, _ends(density), _ends(importance))
    return plane_minima(plane, density, importance, starts=starts, report=report)


def _ends(values: FloatArray) -> tuple[float, float]:
    return float(values[0]), float(values[-1])


def plane_minima(
    plane: Plane,
    x: ArrayLike,
    y: ArrayLike,
    *,
    starts: int | None = None,
    merged: bool | None = None,
    report: Report | None = None,
) -> DiagramMinima:
    """Find the local minima in every cell of a grid over any plane of models, by the method of `diagram_minima`.

    Args:
        plane: of models of at most six features.
        x: values of its first parameter, ascending, shape (X,).
        y: values of its second parameter, ascending, shape (Y,).
        starts: weight matrices to start from in each cell, a power of two, default 64; beyond three features the
            independent starts in every fourth cell, default as many as it takes until few would lead elsewhere.
        merged: whether a minimum stands for all its copies under relabellings of equal features; else each of them is
            listed, which is possible up to four features. Default: beyond three features.
        report: is called with the share of the work that is done.

    Raises:
        ValueError: if a grid isn't ascending, or minima of such models aren't searched for (`local_minima`).
    """
    check_kind("plane", plane, Plane)
    if starts is not None:
        check_count("starts", starts, 1, MOST_STARTS)
    if merged is not None:
        check_flag("merged", merged)
    check_callable("report", report, 1, optional=True)
    x, y = (
        _axis(f"{letter}, the {axis.name},", values, *(axis.domain or ()))
        for letter, axis, values in (("x", plane.x, x), ("y", plane.y, y))
    )
    shape = len(x), len(y)
    first, second = (values.ravel() for values in np.meshgrid(x, y, indexing="ij"))
    model = plane.at(first, second)
    merged = model.n_features > ALL_COPIES if merged is None else merged
    most = MOST_ON_A_PLANE if merged else MAX_LISTED_FEATURES
    if model.n_features > most:
        kind = "" if merged else ", every copy of each,"
        raise ValueError(
            f"minima over a plane{kind} are searched for up to {most} features, got {model.n_features}: "
            f"`local_minima` takes one model of up to {MAX_SEARCHED_FEATURES}"
        )
    check_searchable(model)
    if merged or model.n_features > ALL_COPIES:
        cells = np.arange(len(first)).reshape(shape)
        grid = grid_minima(model.take(cells), merged=merged, starts=starts, report=report)
        return DiagramMinima(plane, x, y, [list(row) for row in grid.minima], grid.coverage)
    found = census(model, starts=CELL_STARTS if starts is None else starts)
    news = [True] * len(found)
    while any(news):
        extra = [_from_neighbours(found, news, k, shape) for k in range(len(found))]
        before = [len(points) for points in found]
        found = census(model, starts=0, extra=extra, known=found)
        news = [len(points) > count for points, count in zip(found, before, strict=True)]
    rows = [found[i * shape[1] : (i + 1) * shape[1]] for i in range(shape[0])]
    return DiagramMinima(plane, x, y, rows)


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
            rows += [p.parameters for p in theirs if phases.count(p.phase) > mine.count(p.phase)]
    size = found[cell][0].hessian_eigenvalues.size
    return np.reshape(rows, (-1, size))
