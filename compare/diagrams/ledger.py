"""The account of every trained run: in which of theory's minima did it end?

A run is polished on the exact loss, which moves it by what sampling noise and unfinished training left, and then looked
up among the minima of its cell. It is entered as "global" (the cheapest), "other" (another minimum that theory lists)
or "unexplained".
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tegum.theory.geometry import published_candidates, representative
from tegum.theory.minima import SAME_LOSS
from tegum.theory.numerics import check_kind

from .dataset import OUTCOMES, curves_of

# Cells closer than this to a boundary, in relative density, are left out of best-of-k agreement.
BOUNDARY_MARGIN = 0.02


@dataclass(frozen=True)
class Omission:
    """A phase that is the cheapest somewhere and that no published candidate stands for.

    Losses are those of the cell where it gains most on the best candidate, as a ratio.

    Attributes:
        phase: its label.
        cells: number of cells in which it is the cheapest.
        density: 1 − S of that cell.
        importance: relative importance of that cell.
        loss: of the phase.
        next_phase: label of the cheapest minimum of another phase there, "" if there is none.
        next_loss: its loss, NaN if there is none.
        published_phase: label of the best candidate there.
        published_loss: its loss.
    """

    phase: str
    cells: int
    density: float
    importance: float
    loss: float
    next_phase: str
    next_loss: float
    published_phase: str
    published_loss: float


@dataclass(frozen=True)
class Ledger:
    """Counts and distances over all runs of a phase diagram.

    Attributes:
        runs: number of trained runs, cells times seeds.
        cells: number of cells.
        outcomes: runs for each outcome of `OUTCOMES`.
        endings: runs for each phase label they ended in after polishing.
        other_endings: runs for each label of a minimum that isn't the global one.
        escapes: runs that polishing led through a saddle.
        distance_median: median Euclidean distance in (W, b) that polishing moved a run.
        distance_99: its 99th percentile.
        excess_loss_median: median of (trained − polished) / polished exact loss.
        excess_loss_99: its 99th percentile.
        best_agreement: share of the cells away from a boundary whose best seed is in the global phase.
        best_cells: how many cells that is a share of.
        best_disagreements: (density, importance, phase of the best seed, global phase) of those that disagree.
        published_wrong: share of cells where the published candidates name another phase than the global one.
        omissions: phases that are the cheapest somewhere and that no candidate stands for.
    """

    runs: int
    cells: int
    outcomes: dict[str, int]
    endings: dict[str, int]
    other_endings: dict[str, int]
    escapes: int
    distance_median: float
    distance_99: float
    excess_loss_median: float
    excess_loss_99: float
    best_agreement: float
    best_cells: int
    best_disagreements: list[tuple[float, float, str, str]]
    published_wrong: float
    omissions: list[Omission]

    def share(self, outcome: str) -> float:
        """Return the share of runs with this outcome."""
        return self.outcomes[outcome] / self.runs

    def as_json(self) -> dict[str, Any]:
        """Return plain values, None for those that aren't defined, with the shares of the outcomes added."""
        plain = asdict(self) | {"shares": {outcome: self.share(outcome) for outcome in OUTCOMES}}
        return {name: _plain(value) for name, value in plain.items()}


def _plain(value: Any) -> Any:
    """Return a value with None in place of NaN."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return None if isinstance(value, float) and np.isnan(value) else value


def agreement(dataset: xr.Dataset) -> Ledger:
    """Draw up the ledger of a phase diagram.

    Args:
        dataset: a finished phase diagram (`phase_diagram`).

    Returns:
        The ledger.

    Raises:
        ValueError: if it is no dataset, or one that holds no trained runs.
    """
    check_kind("dataset", dataset, xr.Dataset)
    if "outcome" not in dataset:
        raise ValueError("a ledger needs a phase diagram with trained runs, got one without")
    # Features 1 … n − 1 are equally important: states that differ by an exchange of them are one phase.
    names = phase_classes(dataset)
    outcome, ended = dataset["outcome"].values, names[dataset["trained_phase"].values]
    exact = cheapest_phases(dataset)
    best = dataset["polished_loss"].values.argmin(axis=-1)
    best_phase = np.take_along_axis(ended, best[..., None], axis=-1)[..., 0]
    best_loss = dataset["polished_loss"].values.min(axis=-1)
    agrees = (best_phase == exact) | (best_loss <= dataset["minimum_loss"].values[..., 0] + SAME_LOSS)
    away = ~near_boundary(dataset)
    wrong = np.argwhere(away & ~agrees)
    density, importance = dataset["density"].values, dataset["importance"].values
    excess = dataset["trained_loss"].values / dataset["polished_loss"].values - 1
    distance = dataset["polish_distance"].values
    counts = {name: int((outcome == k).sum()) for k, name in enumerate(OUTCOMES)}
    return Ledger(
        runs=int(outcome.size),
        cells=int(exact.size),
        outcomes=counts,
        endings=_counted(ended.ravel()),
        other_endings=_counted(ended[outcome == OUTCOMES.index("other")]),
        escapes=int((dataset["escapes"].values > 0).sum()),
        distance_median=_percentile(distance, 50),
        distance_99=_percentile(distance, 99),
        excess_loss_median=_percentile(excess, 50),
        excess_loss_99=_percentile(excess, 99),
        best_agreement=float(agrees[away].mean()) if away.any() else float("nan"),
        best_cells=int(away.sum()),
        best_disagreements=[
            (float(density[i]), float(importance[j]), str(best_phase[i, j]), str(exact[i, j])) for i, j in wrong
        ],
        published_wrong=float(1 - as_cheap(dataset, names[dataset["published_phase"].values]).mean()),
        omissions=omissions(dataset),
    )


def cheapest_phases(dataset: xr.Dataset) -> NDArray[np.str_]:
    """Return the phase of each cell's cheapest minimum, of several that cost the same the first by name.

    Shape (density, importance), up to exchanges of equal features.
    """
    names, codes, losses = phase_classes(dataset), dataset["minimum_phase"].values, dataset["minimum_loss"].values
    cheap = (codes >= 0) & (losses <= losses[..., :1] + SAME_LOSS)
    order = np.argsort(names)
    rank = np.argsort(order)[codes]
    return np.asarray(names[order[np.where(cheap, rank, len(names)).min(axis=-1)]])


def as_cheap(dataset: xr.Dataset, labels: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Return in which cells a minimum of the given phase costs as little as the cheapest.

    At density 1, where x and 1 − x have the same law, phases that differ in signs cost the same.

    Args:
        dataset: a phase diagram.
        labels: a phase for each cell, shape (density, importance), up to exchanges of equal features.
    """
    codes, losses = dataset["minimum_phase"].values, dataset["minimum_loss"].values
    cheap = (codes >= 0) & (losses <= losses[..., :1] + SAME_LOSS)
    return np.asarray((cheap & (phase_classes(dataset)[codes] == labels[..., None])).any(axis=-1))


def omissions(dataset: xr.Dataset) -> list[Omission]:
    """Return the phases that are the cheapest somewhere and that no published candidate stands for, largest first."""
    names = phase_classes(dataset)
    n, m = int(dataset.attrs["n_features"]), int(dataset.attrs["n_hidden"])
    listed = {representative([candidate.phase], n - 1)[0] for candidate in published_candidates(n, m)}
    codes, losses = dataset["minimum_phase"].values, dataset["minimum_loss"].values
    exact, published = cheapest_phases(dataset), dataset["published_loss"].values
    free = ~np.any([as_cheap(dataset, np.full(exact.shape, label)) for label in sorted(listed)], axis=0)
    found = []
    for label in sorted(set(exact[free]) - listed):
        where = free & (exact == label)
        i, j = np.unravel_index(np.argmax(np.where(where, published / losses[..., 0], 0)), where.shape)
        others = [k for k in range(codes.shape[-1]) if codes[i, j, k] >= 0 and names[codes[i, j, k]] != label]
        others = [k for k in others if "dead" not in names[codes[i, j, k]]]
        found.append(
            Omission(
                phase=str(label),
                cells=int(where.sum()),
                density=float(dataset["density"].values[i]),
                importance=float(dataset["importance"].values[j]),
                loss=float(losses[i, j, 0]),
                next_phase=str(names[codes[i, j, others[0]]]) if others else "",
                next_loss=float(losses[i, j, others[0]]) if others else float("nan"),
                published_phase=str(names[dataset["published_phase"].values[i, j]]),
                published_loss=float(published[i, j]),
            )
        )
    return sorted(found, key=lambda omission: -omission.cells)


def phase_classes(dataset: xr.Dataset) -> NDArray[np.str_]:
    """Return the label of each phase number of a dataset, up to exchanges of features of equal importance."""
    n_equal = int(dataset.attrs["n_features"]) - 1
    return np.array([representative([label], n_equal)[0] for label in dataset.attrs["phases"]])


def _percentile(values: NDArray[np.float64], share: float) -> float:
    """Return a percentile of the finite values, NaN if there are none."""
    finite = values[np.isfinite(values)]
    return float(np.percentile(finite, share)) if len(finite) else float("nan")


def _counted(labels: NDArray[np.str_]) -> dict[str, int]:
    return {str(label): count for label, count in Counter(labels.tolist()).most_common()}


def near_boundary(dataset: xr.Dataset, margin: float = BOUNDARY_MARGIN) -> NDArray[np.bool_]:
    """Return which cells lie within `margin` in relative density of a change of the global phase.

    The change is a coexistence curve or, where it is continuous, a limit of stability of the kind "kink", on which no
    other minimum is cheaper.

    Args:
        dataset: a phase diagram with its exact curves.
        margin: relative distance in density.

    Returns:
        Shape (density, importance).
    """
    density, log_r = dataset["density"].values, np.log(dataset["importance"].values)
    near = np.zeros((len(density), len(log_r)), dtype=bool)
    for curve in curves_of(dataset):
        if curve.kind == "stability" and curve.mechanism != "kink":
            continue
        use = curve.cheapest
        log_p, r = np.log(curve.density), np.log(curve.importance)
        for start in np.flatnonzero(use[:-1] & use[1:]):
            ends = sorted([(r[start], log_p[start]), (r[start + 1], log_p[start + 1])])
            inside = np.flatnonzero((log_r >= ends[0][0]) & (log_r <= ends[1][0]))
            crossing = np.interp(log_r[inside], [e[0] for e in ends], [e[1] for e in ends])
            near[:, inside] |= np.abs(np.log(density)[:, None] - crossing) <= margin
    return near
