"""The plane of initial weights (W_1, W_2) at b = 0, and the state that the gradient flow leads to from each point."""

from __future__ import annotations

import numpy as np
import xarray as xr

from tegum.theory.flow import gradient_flow
from tegum.theory.geometry import phase
from tegum.theory.minima import polish
from tegum.theory.models import diagram_model
from tegum.theory.numerics import MOST_POINTS, check_count, check_number, check_rate

from .shares import SADDLE, UNEXPLAINED


def basin_plane(density: float, importance: float, *, extent: float = 2.5, points: int = 80) -> xr.Dataset:
    """Map the basins of attraction of two features in one dimension over initial weights, biases at zero.

    Args:
        density: 1 − S in (0, 1].
        importance: relative importance of feature 2.
        extent: the plane reaches from −extent to extent along both weights.
        points: points along each, even; none lies on an axis.

    Returns:
        Variable `ending`, indices into the attribute `phases`, by `first_weight` and `second_weight`. "saddle" is where
        the flow comes to rest at a critical point that attracts from one side only.

    Raises:
        ValueError: if a number is out of range.
    """
    density = check_number("density", density, above=0, most=1)
    importance = check_number("importance", importance, above=0)
    check_count("points", points, 2, MOST_POINTS)
    check_rate("extent", extent)
    check_count("points", points, 2)
    if points % 2:
        raise ValueError(f"points must be an even integer of at least 2, got {points!r}")
    axis = (np.arange(points) + 0.5) * 2 * extent / points - extent
    # The loss doesn't change under W → −W: half of the plane says it all.
    half = axis[points // 2 :]
    weights = np.stack(np.meshgrid(half, axis, indexing="ij"), axis=-1).reshape(-1, 1, 2)
    model = diagram_model(2, 1, np.full(len(weights), density), importance)
    flow = gradient_flow(model, weights, np.zeros((len(weights), 2)))
    ends = polish(model, flow.weights, flow.bias)
    labels = np.array([phase(w, b) for w, b in zip(ends.weights, ends.bias, strict=True)], dtype=object)
    labels[ends.escapes > 0] = SADDLE
    labels[~ends.minimum] = UNEXPLAINED
    phases = sorted(set(labels))
    right = np.array([phases.index(label) for label in labels], dtype=np.int16).reshape(len(half), points)
    return xr.Dataset(
        {"ending": (("first_weight", "second_weight"), np.concatenate([right[::-1, ::-1], right]))},
        coords={"first_weight": axis, "second_weight": axis},
        attrs={"density": density, "importance": importance, "phases": phases},
    )
