"""What exact theory says of each cell of a phase diagram: its cheapest phase, and whether a boundary is close."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tegum.theory.minima import SAME_LOSS

from .dataset import curves_of
from .planes import phase_classes, plane_of, values_of

# Cells closer than this to a boundary, in positions of the first parameter (relative density on a log scale), are left
# out of best-of-k agreement.
BOUNDARY_MARGIN = 0.02
# Limits of stability of the cheapest minimum that are continuous transitions.
CONTINUOUS = ("kink", "continuous")


def cheapest_phases(dataset: xr.Dataset) -> NDArray[np.str_]:
    """Return the phase of each cell's cheapest minimum, of several that cost the same the first by name.

    Shape (X, Y), up to exchanges of equal features.
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
        labels: a phase for each cell, shape (X, Y), up to exchanges of equal features.
    """
    codes, losses = dataset["minimum_phase"].values, dataset["minimum_loss"].values
    cheap = (codes >= 0) & (losses <= losses[..., :1] + SAME_LOSS)
    return np.asarray((cheap & (phase_classes(dataset)[codes] == labels[..., None])).any(axis=-1))


def near_boundary(dataset: xr.Dataset, margin: float = BOUNDARY_MARGIN) -> NDArray[np.bool_]:
    """Return which cells lie within `margin`, along the first parameter, of a change of the global phase.

    The change is a coexistence curve or, where it is continuous, a limit of stability on which no other minimum is
    cheaper.

    Args:
        dataset: a phase diagram with its exact curves.
        margin: distance in positions of the first parameter, which is relative on a log scale.

    Returns:
        Shape (X, Y).
    """
    plane = plane_of(dataset)
    x, y = (axis.position(values) for axis, values in zip((plane.x, plane.y), values_of(dataset), strict=True))
    near = np.zeros((len(x), len(y)), dtype=bool)
    for curve in curves_of(dataset):
        if curve.kind == "stability" and curve.mechanism not in CONTINUOUS:
            continue
        use = curve.cheapest
        at, along = plane.x.position(curve.x), plane.y.position(curve.y)
        for start in np.flatnonzero(use[:-1] & use[1:]):
            ends = sorted([(along[start], at[start]), (along[start + 1], at[start + 1])])
            inside = np.flatnonzero((y >= ends[0][0]) & (y <= ends[1][0]))
            crossing = np.interp(y[inside], [e[0] for e in ends], [e[1] for e in ends])
            near[:, inside] |= np.abs(x[:, None] - crossing) <= margin
    return near
