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

from .dataset import OUTCOMES, curves_of

# Cells closer than this to a boundary, in relative density, are left out of best-of-k agreement.
BOUNDARY_MARGIN = 0.02
# A run whose minimum costs as much as the cheapest, within this, is in a global minimum.
SAME_LOSS = 1e-10


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

    def share(self, outcome: str) -> float:
        """Return the share of runs with this outcome."""
        return self.outcomes[outcome] / self.runs

    def as_json(self) -> dict[str, Any]:
        """Return plain values, None for those that aren't defined, with the shares of the outcomes added."""
        plain = asdict(self) | {"shares": {outcome: self.share(outcome) for outcome in OUTCOMES}}
        return {name: None if isinstance(value, float) and np.isnan(value) else value for name, value in plain.items()}


def agreement(dataset: xr.Dataset) -> Ledger:
    """Draw up the ledger of a phase diagram.

    Args:
        dataset: a finished phase diagram (`phase_diagram`).

    Returns:
        The ledger.

    Raises:
        ValueError: if the dataset holds no trained runs.
    """
    if "outcome" not in dataset:
        raise ValueError("a ledger needs a phase diagram with trained runs, got one without")
    names = np.array(dataset.attrs["phases"])
    outcome, ended = dataset["outcome"].values, names[dataset["trained_phase"].values]
    exact = names[dataset["minimum_phase"].values[..., 0]]
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
        published_wrong=float((names[dataset["published_phase"].values] != exact).mean()),
    )


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
