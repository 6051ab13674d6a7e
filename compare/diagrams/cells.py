"""What exact theory says of each cell of a phase diagram: its cheapest phase, and whether a boundary is close."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tegum.theory.geometry import representative
from tegum.theory.minima import SAME_LOSS

from .dataset import curves_of

# Cells closer than this to a boundary, in relative density, are left out of best-of-k agreement.
BOUNDARY_MARGIN = 0.02


def phase_classes(dataset: xr.Dataset) -> NDArray[np.str_]:
    """Return the label of each phase number of a dataset, up to exchanges of features of equal importance."""
    n_equal = int(dataset.attrs["n_features"]) - 1
    return np.array([representative([label], n_equal)[0] for label in dataset.attrs["phases"]])


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
