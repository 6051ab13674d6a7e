"""The certified phase diagram of two features in one dimension: for every cell, which phase is proved."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tegum.theory.boundaries import BoundarySegment
from tegum.theory.models import DENSITY_RANGE, IMPORTANCE_RANGE, ToyModel, diagram_model
from tegum.theory.numerics import members
from tegum.theory.proofs.cells import DiagramCell, certified_cells

# Cells along each axis: more would take weeks.
MOST_CELLS = 1000
# Points of a curve between which it counts as straight, in units of a cell.
FINE = 1 / 50


@dataclass(frozen=True)
class CertifiedRow:
    """One cell, as a row of the dataset. Numbers are float64 and mean exactly the binary fractions that they are.

    Attributes:
        density_low: lower end of the cell's densities 1 − S.
        density_high: their upper end.
        importance_low: lower end of its relative importances r.
        importance_high: their upper end.
        penalty_low: lower end of the coefficient λ of the interference penalty.
        penalty_high: its upper end.
        phase: of every global minimiser at every point of the cell, if that is proved, else empty.
        candidate: phase of the candidate in the middle of the cell.
        divisions: how often parts of the cell were halved in both directions.
        most_divisions: how often they might have been.
        column_boxes: boxes of weights that the proofs of the whole column of this density took.
    """

    density_low: float
    density_high: float
    importance_low: float
    importance_high: float
    penalty_low: float
    penalty_high: float
    phase: str
    candidate: str
    divisions: int
    most_divisions: int
    column_boxes: int


def certified_columns(
    cells: int, *, penalty: tuple[float, float] = (0.0, 0.0), divisions: int = 3, known: Sequence[CertifiedRow] = ()
) -> Iterator[tuple[list[CertifiedRow], float]]:
    """Return an iterator over the cells of each density, and the share of the diagram that is done.

    Args:
        cells: along each axis, over density 0.01 … 1 and relative importance 0.1 … 10; even, so that r = 1 is an edge.
        penalty: lower and upper end of λ.
        divisions: how often a cell that isn't proved is halved.
        known: rows of an earlier run; complete columns are yielded again.

    Raises:
        ValueError: if `cells` is odd or less than 2, known rows are of another diagram, or as `certified_cells`.
    """
    if cells < 2 or cells % 2 or cells > MOST_CELLS:
        raise ValueError(f"cells must be an even number, at least 2 and at most {MOST_CELLS}, got {cells}")
    densities = np.geomspace(*DENSITY_RANGE, cells + 1).tolist()
    half = np.geomspace(IMPORTANCE_RANGE[0], 1.0, cells // 2 + 1).tolist()
    importances = [*half, *(float(1 / r) for r in reversed(half[:-1]))]
    # Bad input is said before the work begins.
    certified_cells([], divisions=divisions)
    columns = [[DiagramCell(p, r, penalty) for r in pairwise(importances)] for p in pairwise(densities)]
    found = {_place(row): row for row in known}
    others = set(found) - {(*cell.density, *cell.importance, *cell.penalty) for column in columns for cell in column}
    if others or any(row.most_divisions != divisions for row in known):
        raise ValueError(
            f"expected a table of {cells} x {cells} cells with penalty {penalty[0]:g} and {divisions} divisions, "
            "got one of another diagram: give another folder"
        )
    return _columns(columns, found, divisions)


def _columns(
    columns: Sequence[Sequence[DiagramCell]], found: dict[tuple[float, ...], CertifiedRow], divisions: int
) -> Iterator[tuple[list[CertifiedRow], float]]:
    ready = [[found.get((*cell.density, *cell.importance, *cell.penalty)) for cell in column] for column in columns]
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        waiting = [
            None if all(rows) else pool.submit(_column, column, divisions)
            for column, rows in zip(columns, ready, strict=True)
        ]
        for number, (future, rows) in enumerate(zip(waiting, ready, strict=True), 1):
            yield [row for row in rows if row is not None] if future is None else future.result(), number / len(columns)
    finally:
        pool.shutdown(cancel_futures=True)


def _place(row: CertifiedRow) -> tuple[float, ...]:
    return (
        *(row.density_low, row.density_high, row.importance_low, row.importance_high),
        *(row.penalty_low, row.penalty_high),
    )


def _column(cells: Sequence[DiagramCell], divisions: int) -> list[CertifiedRow]:
    proofs, boxes = certified_cells(cells, divisions=divisions)
    return [
        CertifiedRow(
            *(*cell.density, *cell.importance, *cell.penalty),
            *(proof.phase, proof.candidate, proof.divisions, divisions, boxes),
        )
        for cell, proof in zip(cells, proofs, strict=True)
    ]


def certified_model(rows: Sequence[CertifiedRow]) -> ToyModel:
    """Return the models at the corners of cells, batch shape (densities, importances).

    Args:
        rows: all cells of a diagram, of one penalty.
    """
    rows = members("rows", rows, CertifiedRow, least=1)
    ends = {(row.density_low, row.density_high, row.importance_low, row.importance_high) for row in rows}
    densities = np.array(sorted({end for row in ends for end in row[:2]}))
    importances = np.array(sorted({end for row in ends for end in row[2:]}))
    model = diagram_model(2, 1, densities[:, None], importances)
    return replace(model, interference_penalty=rows[0].penalty_high)


def crossed(rows: Sequence[CertifiedRow], boundaries: Sequence[BoundarySegment]) -> NDArray[np.bool_]:
    """Return which cells a boundary between two phases runs through, shape (rows,).

    Args:
        rows: cells.
        boundaries: pieces of the boundaries of the optimum in the same plane.
    """
    table = np.log([_place(row)[:4] for row in rows])
    step = FINE * min((table[:, 1] - table[:, 0]).min(), (table[:, 3] - table[:, 2]).min())
    points = []
    for piece in boundaries:
        for a, b in pairwise(np.log(np.stack([piece.x, piece.y], axis=-1))):
            points.append(a + np.linspace(0, 1, int(np.abs(b - a).max() / step) + 2)[:, None] * (b - a))
    x, y = np.concatenate(points).T[:, :, None]
    inside = (table[:, 0] <= x) & (x <= table[:, 1]) & (table[:, 2] <= y) & (y <= table[:, 3])
    return np.asarray(inside.any(axis=0))
