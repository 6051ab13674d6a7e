"""A table of two numbers for each cell of a phase diagram, held against the pairs that exact minima predict.

The two numbers are the last feature's length and its overlap with the others: for each cell, near which of its minima
they lie (docs/foreign.md).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tegum.theory.geometry import dead_outputs, published_candidates
from tegum.theory.minima import SAME_LOSS, CriticalPoint, DiagramMinima, diagram_minima
from tegum.theory.numerics import FloatArray, Summarised, check_kind, check_rate

from ..diagrams import USUAL, phase_classes, theory_dataset
from .cell_table import CellTable

# What a cell of a table is near: the cheapest minimum, another, a mean of several minima, or none of these.
TABLE_OUTCOMES = ("global", "other", "between", "none")
# Distance in (norm, overlap) up to which a cell is near a minimum.
TOLERANCE = 0.05
# Columns of W shorter than this aren't stored.
STORED = 1e-6
# Pairs that differ by less can't be told apart by a measurement.
SAME_PAIR = 1e-3


@dataclass(frozen=True)
class TableAccount(Summarised):
    """The account of a table of cells: near which of theory's minima each one is.

    Attributes:
        cells: number of cells.
        outcomes: cells for each of `TABLE_OUTCOMES`: near the cheapest minimum; near another that theory lists; near
            none but between several, where an average over runs in different minima lies; near none.
        other_endings: cells for each label of the minimum, of those near one that isn't the cheapest.
        undecided: cells near a minimum of the other kind, cheapest or not, as well.
        single: cells near none in which all minima predict the same pair, so that no average explains them.
        tolerance: distance in (norm, overlap) up to which a cell is near.
        distance_median: median distance from the nearest minimum.
        distance_99: its 99th percentile.
        notes: what to know of how the table was read.
    """

    cells: int
    outcomes: dict[str, int]
    other_endings: dict[str, int]
    undecided: int
    single: int
    tolerance: float
    distance_median: float
    distance_99: float
    notes: list[str]

    def share(self, outcome: str) -> float:
        """Return the share of cells with this outcome."""
        return self.outcomes[outcome] / self.cells

    def as_json(self) -> dict[str, Any]:
        """Return plain values, with the shares of the outcomes added."""
        return asdict(self) | {"shares": {name: self.share(name) for name in TABLE_OUTCOMES}}


def last_feature(weights: FloatArray, overlap: str = "root") -> tuple[float, float, float]:
    """Return length and overlap of the last feature, and the largest overlap that any direction would have.

    Args:
        weights: W, shape (n_hidden, n_features).
        overlap: "root" for √Σ_j (Ŵ_n·W_j)² over the other features, or "squares" for its square.

    Returns:
        ‖W_n‖, the overlap, 0 where ‖W_n‖ is 0, and the largest.

    Example:
        >>> import numpy as np
        >>> last_feature(np.array([[1.0, -0.5]]))
        (0.5, 1.0, 1.0)
    """
    power = 1 if overlap == "root" else 2
    column, others = weights[:, -1], weights[:, :-1]
    norm = float(np.linalg.norm(column))
    most = float(np.linalg.norm(others, 2)) ** power
    if norm <= STORED:
        return 0.0, 0.0, most
    return norm, float(np.linalg.norm(column @ others) / norm) ** power, most


def compare_table(
    table: CellTable, *, n_features: int = 2, n_hidden: int = 1, tolerance: float = TOLERANCE
) -> xr.Dataset:
    """Hold a table of cells against the exact minima of its grid.

    A feature that isn't stored has no direction, and its overlap means nothing: a minimum that drops the last feature
    predicts length 0 and any overlap. States whose outputs that are on leave a direction of the hidden space free
    predict no pair at all and are left out; of states that predict the same pair the cheapest stands for all.

    Args:
        table: measured length and overlap of the last feature.
        n_features: number of features n.
        n_hidden: number of hidden dimensions m.
        tolerance: Euclidean distance in (norm, overlap) up to which a cell is near a minimum.

    Returns:
        The exact part of a phase diagram, with "foreign_norm" and "foreign_overlap" as measured, "exact_norm" and
        "exact_overlap" of the cheapest minimum (of several that cost the same the nearest; NaN where it doesn't store
        the last feature), "foreign_distance" from the nearest minimum, "foreign_nearest" its index, "foreign_outcome" a
        number of `TABLE_OUTCOMES`, "foreign_undecided", and "foreign_single", whether theory predicts one pair only.

    Raises:
        ValueError: if the table is none, the tolerance isn't positive and finite, or the sizes aren't published ones.
    """
    check_rate("tolerance", tolerance)
    check_kind("table", table, CellTable)
    check_rate("tolerance", tolerance)
    published_candidates(n_features, n_hidden)
    diagram = diagram_minima(table.density, table.importance, n_features=n_features, n_hidden=n_hidden)
    shape = table.norm.shape
    arrays: dict[str, NDArray[Any]] = {
        "exact_norm": np.empty(shape),
        "exact_overlap": np.empty(shape),
        "foreign_distance": np.empty(shape),
        "foreign_nearest": np.empty(shape, dtype=np.int16),
        "foreign_outcome": np.empty(shape, dtype=np.int8),
        "foreign_undecided": np.zeros(shape, dtype=bool),
        "foreign_single": np.zeros(shape, dtype=bool),
    }
    for cell in np.ndindex(*shape):
        measured = np.array([table.norm[cell], table.overlap[cell]])
        for name, value in _judged(diagram, cell, measured, table.meaning.overlap, tolerance).items():
            arrays[name][cell] = value
    arrays |= {"foreign_norm": table.norm, "foreign_overlap": table.overlap}
    dataset = theory_dataset(diagram).assign({name: (USUAL, array) for name, array in arrays.items()})
    dataset.attrs |= {"tolerance": tolerance, "notes": list(table.notes), "overlap": table.meaning.overlap}
    return dataset


def _judged(
    diagram: DiagramMinima, cell: tuple[int, ...], measured: FloatArray, overlap: str, tolerance: float
) -> dict[str, Any]:
    """Return what is entered for one cell."""
    points = diagram.minima[cell[0]][cell[1]]
    kept, segments = _predictions(points, overlap)
    distances = np.array([_segment_distance(measured, *segment) for segment in segments])
    cheap = np.array([points[k].loss <= points[0].loss + SAME_LOSS for k in kept])
    nearest = int(distances.argmin())
    near = distances <= tolerance
    if near[nearest]:
        outcome = "global" if cheap[nearest] else "other"
    else:
        corners = np.concatenate(segments)
        outcome = "between" if len(kept) > 1 and _hull_distance(measured, corners) <= tolerance else "none"
    # Copies under exchanges of equal features cost the same; the one nearest to the measurement is shown.
    shown = kept[int(np.where(cheap, distances, np.inf).argmin())]
    norm, exact_overlap, _ = last_feature(points[shown].weights, overlap)
    return {
        "exact_norm": norm,
        "exact_overlap": exact_overlap if norm else np.nan,
        "foreign_distance": distances[nearest],
        "foreign_nearest": kept[nearest],
        "foreign_outcome": TABLE_OUTCOMES.index(outcome),
        "foreign_undecided": bool(near[nearest] and (near & (cheap != cheap[nearest])).any()),
        "foreign_single": len(kept) == 1,
    }


def _predictions(points: tuple[CriticalPoint, ...], overlap: str) -> tuple[list[int], list[FloatArray]]:
    """Return the minima that predict a pair of their own, cheapest first, and what they predict."""
    kept: list[int] = []
    segments: list[FloatArray] = []
    for k, point in enumerate(points):
        on = point.weights[:, ~dead_outputs(point.weights, point.bias, inputs=point.inputs)]
        if point.dead and np.linalg.matrix_rank(on) < len(on):
            continue
        segment = _segment(point, overlap)
        if not any(np.abs(segment - other).max() < SAME_PAIR for other in segments):
            kept.append(k)
            segments.append(segment)
    return kept, segments


def _segment(point: CriticalPoint, overlap: str) -> FloatArray:
    """Return the ends of what a minimum predicts for (norm, overlap), shape (2, 2)."""
    norm, value, most = last_feature(point.weights, overlap)
    return np.array([[norm, value], [norm, value if norm else most]])


def _segment_distance(point: FloatArray, start: FloatArray, end: FloatArray) -> float:
    along = end - start
    square = float(along @ along)
    share = 0.0 if square == 0 else min(max(float((point - start) @ along) / square, 0.0), 1.0)
    return float(np.linalg.norm(point - start - share * along))


def _hull_distance(point: FloatArray, corners: FloatArray) -> float:
    """Return the distance of a point of the plane from the convex hull of others."""
    seen = corners - point
    angles = np.sort(np.arctan2(seen[:, 1], seen[:, 0]))
    gaps = np.diff(np.append(angles, angles[0] + 2 * np.pi))
    # The corners are seen all around.
    if gaps.max() < np.pi:
        return 0.0
    return min(_segment_distance(point, a, b) for a, b in combinations(corners, 2))


def table_account(dataset: xr.Dataset) -> TableAccount:
    """Draw up the account of a table that `compare_table` compared."""
    check_kind("dataset", dataset, xr.Dataset)
    outcome, distance = dataset["foreign_outcome"].values, dataset["foreign_distance"].values
    codes = np.take_along_axis(dataset["minimum_phase"].values, dataset["foreign_nearest"].values[..., None], axis=-1)
    names = phase_classes(dataset)
    others = names[codes[..., 0][outcome == TABLE_OUTCOMES.index("other")]]
    unlike = outcome >= TABLE_OUTCOMES.index("between")
    return TableAccount(
        cells=int(outcome.size),
        outcomes={name: int((outcome == k).sum()) for k, name in enumerate(TABLE_OUTCOMES)},
        other_endings={str(label): count for label, count in Counter(others.tolist()).most_common()},
        undecided=int(dataset["foreign_undecided"].values.sum()),
        single=int((unlike & dataset["foreign_single"].values).sum()),
        tolerance=float(dataset.attrs["tolerance"]),
        distance_median=float(np.median(distance)),
        distance_99=float(np.percentile(distance, 99)),
        notes=[str(note) for note in dataset.attrs["notes"]],
    )
