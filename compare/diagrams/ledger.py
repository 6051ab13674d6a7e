"""The account of every trained run: where it is by its own weights, and in whose basin.

A run is *in* a minimum that theory lists, *on the way* to one, *at a saddle* or *elsewhere*, judged by its weights as
training left them (`judgement`). Beside that stands where polishing on the exact loss leads it: "global" (the cheapest
minimum of its cell), "other" (another that theory lists) or "unexplained". The second column alone says that theory's
list is complete, not that training has come to an end: any start ends in some minimum when it is polished.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tegum.theory.minima import SAME_LOSS
from tegum.theory.numerics import Summarised, check_kind, check_shape, numbers, whole_numbers

from ..judgement import IN, VERDICTS
from .account import Account, account_of
from .cells import as_cheap, cheapest_phases, near_boundary
from .dataset import OUTCOMES
from .omissions import Omission, omissions
from .planes import phase_classes, values_of


@dataclass(frozen=True)
class Saddle:
    """A kind of saddle that runs are at.

    Attributes:
        phase: label of the critical point.
        index: how many directions go down from it.
        runs: at it.
        loss_low: smallest loss of it in their cells.
        loss_high: largest.
    """

    phase: str
    index: int
    runs: int
    loss_low: float
    loss_high: float


@dataclass(frozen=True)
class PhaseRow:
    """The runs nearest to minima of one phase.

    Attributes:
        phase: its label.
        runs: whose nearest minimum, by distance in (WᵀW, b), is of this phase.
        in_it: of these, in the minimum.
        excess_median: median of (loss − the minimum's) / the minimum's, of all these runs.
        excess_99: its 99th percentile.
        distance_median: median Euclidean distance in (WᵀW, b), of all these runs.
        distance_99: its 99th percentile.
    """

    phase: str
    runs: int
    in_it: int
    excess_median: float
    excess_99: float
    distance_median: float
    distance_99: float


@dataclass(frozen=True)
class Ledger(Summarised):
    """Counts and distances over all runs of a phase diagram.

    Attributes:
        account: of the runs, by their own weights.
        controls: the same of runs that it has to reject (`controls.py`), by name.
        cells: number of cells.
        phases: for each phase the runs nearest to it, most first.
        saddles: at which saddles runs are, most first.
        excess_median: median of (loss − the nearest minimum's) / the nearest minimum's, of all runs.
        excess_99: its 99th percentile.
        distance_median: median distance from the nearest minimum in (WᵀW, b).
        distance_99: its 99th percentile.
        basins: runs for each outcome of `OUTCOMES`: where polishing leads.
        endings: runs for each phase label they were polished to.
        other_endings: runs for each label of a minimum that isn't the global one.
        escapes: runs that polishing led through a saddle.
        polish_distance_median: median Euclidean distance in (W, b) that polishing moved a run.
        polish_distance_99: its 99th percentile.
        best_disagreements: of cells off a boundary whose best seed isn't in a minimum of the global phase: both
            parameters, phase of the minimum nearest to it, what it is there, and the global phase.
        published_wrong: share of cells where the published candidates name another phase than the global one; NaN where
            none were published.
        omissions: phases that are the cheapest somewhere and that no candidate stands for.
    """

    account: Account
    controls: dict[str, Account]
    cells: int
    phases: list[PhaseRow]
    saddles: list[Saddle]
    excess_median: float
    excess_99: float
    distance_median: float
    distance_99: float
    basins: dict[str, int]
    endings: dict[str, int]
    other_endings: dict[str, int]
    escapes: int
    polish_distance_median: float
    polish_distance_99: float
    best_disagreements: list[tuple[float, float, str, str, str]]
    published_wrong: float
    omissions: list[Omission]

    @property
    def runs(self) -> int:
        """Number of trained runs, cells times seeds."""
        return self.account.runs

    def as_json(self) -> dict[str, Any]:
        """Return plain values, None for those that aren't defined: the account's at the top, like those of controls."""
        plain = asdict(self)
        del plain["account"]
        plain |= {"controls": {name: control.as_json() for name, control in self.controls.items()}}
        return self.account.as_json() | {name: _plain(value) for name, value in plain.items()}


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
        ValueError: if it is no dataset, or one that holds no trained runs, or runs that weren't judged by their own
            weights yet.
    """
    check_kind("dataset", dataset, xr.Dataset)
    if "outcome" not in dataset:
        raise ValueError("a ledger needs a phase diagram with trained runs, got one without")
    if "verdict" not in dataset:
        raise ValueError(
            "a ledger needs runs judged by their own weights, got a phase diagram of an earlier version: compute it "
            "anew in the same folder, where its exact part is used again"
        )
    # States that differ by an exchange of equal features are one phase.
    names = phase_classes(dataset)
    outcome, ended = dataset["outcome"].values, names[dataset["trained_phase"].values]
    verdict, loss = dataset["verdict"].values, dataset["trained_loss"].values
    nearest, near_loss = _nearest(dataset, dataset["nearest"].values)
    exact, away = cheapest_phases(dataset), ~near_boundary(dataset)
    best = np.where(np.isfinite(loss), loss, np.inf).argmin(axis=-1)[..., None]
    best_phase, best_verdict = (np.take_along_axis(x, best, axis=-1)[..., 0] for x in (nearest, verdict))
    wrong = np.argwhere(away & ~((best_verdict == IN) & as_cheap(dataset, best_phase)))
    x, y = values_of(dataset)
    excess, distance = dataset["excess"].values / near_loss, dataset["distance"].values
    moved = dataset["polish_distance"].values
    return Ledger(
        account=grid_account(dataset, verdict, dataset["nearest"].values, loss),
        controls={name: Account.from_json(plain) for name, plain in dataset.attrs.get("controls", {}).items()},
        cells=int(exact.size),
        phases=_phase_rows(nearest, verdict, excess, distance),
        saddles=_saddles(dataset, names),
        excess_median=_percentile(excess, 50),
        excess_99=_percentile(excess, 99),
        distance_median=_percentile(distance, 50),
        distance_99=_percentile(distance, 99),
        basins={name: int((outcome == k).sum()) for k, name in enumerate(OUTCOMES)},
        endings=_counted(ended.ravel()),
        other_endings=_counted(ended[outcome == OUTCOMES.index("other")]),
        escapes=int((dataset["escapes"].values > 0).sum()),
        polish_distance_median=_percentile(moved, 50),
        polish_distance_99=_percentile(moved, 99),
        best_disagreements=[
            (
                float(x[i]),
                float(y[j]),
                str(best_phase[i, j]),
                VERDICTS[best_verdict[i, j]],
                str(exact[i, j]),
            )
            for i, j in wrong
        ],
        published_wrong=_published_wrong(dataset, names),
        omissions=omissions(dataset) if "published_phase" in dataset else [],
    )


def _published_wrong(dataset: xr.Dataset, names: NDArray[np.str_]) -> float:
    if "published_phase" not in dataset:
        return float("nan")
    return float(1 - as_cheap(dataset, names[dataset["published_phase"].values]).mean())


def grid_account(
    dataset: xr.Dataset, verdict: NDArray[np.int8], nearest: NDArray[np.int16], loss: NDArray[np.float64]
) -> Account:
    """Return the account of runs on the grid of a phase diagram.

    Args:
        dataset: its exact part, with curves.
        verdict: of each run, shape (X, Y, seed).
        nearest: number of the minimum nearest to it, −1 for none, same shape.
        loss: exact loss of its weights, NaN where they aren't finite, same shape.

    Raises:
        ValueError: if the dataset is none, or an array has another shape or kind of values.
    """
    check_kind("dataset", dataset, xr.Dataset)
    *cells, minima = dataset["minimum_loss"].shape
    verdicts = whole_numbers("verdict", verdict, (*cells, "seed"), least=0, most=len(VERDICTS) - 1)
    places = whole_numbers("nearest", nearest, verdicts.shape, least=-1, most=minima - 1)
    check_shape("loss", numbers("loss", loss).shape, verdicts.shape)
    phases, losses = _nearest(dataset, places)
    cheapest = losses <= dataset["minimum_loss"].values[..., :1] + SAME_LOSS
    agrees = np.stack([as_cheap(dataset, phases[..., k]) for k in range(phases.shape[-1])], axis=-1)
    return account_of(verdicts.astype(np.int8), cheapest, agrees, loss, ~near_boundary(dataset))


def _nearest(dataset: xr.Dataset, nearest: NDArray[np.integer[Any]]) -> tuple[NDArray[np.str_], NDArray[np.float64]]:
    """Return phase and loss of the minimum nearest to each run; NaN for runs that have none."""
    index = np.maximum(nearest, 0)
    codes = np.take_along_axis(dataset["minimum_phase"].values, index, axis=-1)
    losses = np.take_along_axis(dataset["minimum_loss"].values, index, axis=-1)
    return phase_classes(dataset)[codes], np.where(nearest >= 0, losses, np.nan)


def _phase_rows(
    nearest: NDArray[np.str_],
    verdict: NDArray[np.int8],
    excess: NDArray[np.float64],
    distance: NDArray[np.float64],
) -> list[PhaseRow]:
    rows = []
    for label, runs in _counted(nearest.ravel()).items():
        here = nearest == label
        rows.append(
            PhaseRow(
                phase=label,
                runs=runs,
                in_it=int((here & (verdict == IN)).sum()),
                excess_median=_percentile(excess[here], 50),
                excess_99=_percentile(excess[here], 99),
                distance_median=_percentile(distance[here], 50),
                distance_99=_percentile(distance[here], 99),
            )
        )
    return rows


def _saddles(dataset: xr.Dataset, names: NDArray[np.str_]) -> list[Saddle]:
    codes, index, losses = (dataset[f"saddle_{name}"].values.ravel() for name in ("phase", "index", "loss"))
    at = np.flatnonzero(codes >= 0)
    groups: dict[tuple[str, int], list[float]] = {}
    for run in at:
        groups.setdefault((str(names[codes[run]]), int(index[run])), []).append(float(losses[run]))
    found = [Saddle(*kind, len(values), min(values), max(values)) for kind, values in groups.items()]
    return sorted(found, key=lambda saddle: -saddle.runs)


def _percentile(values: NDArray[np.float64], share: float) -> float:
    """Return a percentile of the finite values, NaN if there are none."""
    finite = values[np.isfinite(values)]
    return float(np.percentile(finite, share)) if len(finite) else float("nan")


def _counted(labels: NDArray[np.str_]) -> dict[str, int]:
    return {str(label): count for label, count in Counter(labels.tolist()).most_common()}
