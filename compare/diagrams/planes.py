"""Over what a phase diagram is: two parameters of a model, density and the last feature's importance unless others.

A dataset's first two dimensions have the parameters' names. One over density and importance needs no more to be known
of; of another the attribute "plane" has both axes and the model that holds what doesn't vary.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from tegum.theory.geometry import relabelled
from tegum.theory.models import DENSITY_RANGE, IMPORTANCE_RANGE, Plane, ToyModel, diagram_model, diagram_plane
from tegum.theory.numerics import FloatArray, check_kind

# What varies in a published phase diagram.
USUAL = ("density", "importance")


def axes_of(dataset: xr.Dataset) -> tuple[str, str]:
    """Return the names of the two parameters of a phase diagram, which are those of its first dimensions."""
    check_kind("dataset", dataset, xr.Dataset)
    plain = dataset.attrs.get("plane")
    return USUAL if plain is None else (str(plain["x"][0]), str(plain["y"][0]))


def values_of(dataset: xr.Dataset) -> tuple[FloatArray, FloatArray]:
    """Return the values of both parameters along the grid."""
    x, y = axes_of(dataset)
    return np.asarray(dataset[x].values), np.asarray(dataset[y].values)


def plane_of(dataset: xr.Dataset) -> Plane:
    """Return the plane of a phase diagram."""
    x, y = values_of(dataset)
    if not is_usual(dataset):
        return plane_from(dataset.attrs["plane"])
    sizes = int(dataset.attrs["n_features"]), int(dataset.attrs["n_hidden"])
    return diagram_plane(*sizes, (float(x[0]), float(x[-1])), (float(y[0]), float(y[-1])))


def plane_from(plain: dict[str, Any]) -> Plane:
    """Return the plane that plain values say: "x" and "y" with name, low, high and scale, and "model"."""
    return Plane.of(ToyModel.from_plain(plain["model"]), x=tuple(plain["x"]), y=tuple(plain["y"]))


def plain_plane(model: ToyModel, x: tuple[Any, ...], y: tuple[Any, ...]) -> dict[str, Any]:
    """Return what `plane_from` reads."""
    return {"x": list(x), "y": list(y), "model": model.to_plain()}


def held_model(dataset: xr.Dataset) -> ToyModel:
    """Return the model that holds what doesn't vary in a phase diagram that isn't a usual one.

    Raises:
        ValueError: if it is one of independent uniform features over density and importance.
    """
    if is_usual(dataset):
        raise ValueError("dataset is a phase diagram over density and importance: model_of returns all of its models")
    return ToyModel.from_plain(dataset.attrs["plane"]["model"])


def is_usual(dataset: xr.Dataset) -> bool:
    """Return whether a phase diagram is one of independent uniform features over density and importance."""
    check_kind("dataset", dataset, xr.Dataset)
    return dataset.attrs.get("plane") is None


def model_of(dataset: xr.Dataset) -> ToyModel:
    """Return the models of a phase diagram's cells, batch shape (X, Y)."""
    x, y = values_of(dataset)
    if is_usual(dataset):
        return diagram_model(int(dataset.attrs["n_features"]), int(dataset.attrs["n_hidden"]), x[:, None], y)
    first, second = (values.ravel() for values in np.meshgrid(x, y, indexing="ij"))
    return plane_of(dataset).at(first, second).take(np.arange(len(first)).reshape(len(x), len(y)))


def phase_classes(dataset: xr.Dataset) -> np.ndarray[Any, np.dtype[np.str_]]:
    """Return the label of each phase number of a dataset, up to relabellings that leave all its models as they are."""
    orders = plane_of(dataset).exchanges
    assert orders is not None
    relabellings = orders.tolist()
    return np.array([min(relabelled(label, order) for order in relabellings) for label in dataset.attrs["phases"]])


def usual_ranges() -> dict[str, tuple[float, float]]:
    """Return the ranges of the published phase diagrams."""
    return dict(zip(USUAL, (DENSITY_RANGE, IMPORTANCE_RANGE), strict=True))
