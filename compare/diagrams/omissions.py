"""Phases that are the cheapest somewhere and that no published candidate stands for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from tegum.theory.geometry import published_candidates, representative

from .cells import as_cheap, cheapest_phases
from .planes import phase_classes


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
