"""Planes of models: two named parameters with their ranges, such as density and importance, or density and a penalty.

A point of a plane has positions q = (position along x, position along y), in which boundaries are traced: the logarithm
of a parameter on a log axis, its share of the range on a linear one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..numerics import (
    MOST_EXCHANGED,
    MOST_SIZE,
    FloatArray,
    Summarised,
    check_callable,
    check_count,
    check_kind,
    check_number,
    check_range,
    check_text,
    whole_numbers,
)
from .laws import DensityLaw
from .model import PENALTIES, ToyModel, diagram_model

# The published phase diagrams: 1 − S, and the last feature's importance against the others'.
DENSITY_RANGE, IMPORTANCE_RANGE = (0.01, 1.0), (0.1, 10.0)
SCALES = ("log", "linear")
SMALLEST = 1e-300
# Places at which models are compared with their relabelled copies, as shares of the ranges.
PROBES = ((0.31, 0.27), (0.52, 0.73), (0.83, 0.44))
SAME = 1e-12
# What a parameter may be: densities in (0, 1], importances positive, penalties not negative.
DOMAINS = {"density": (SMALLEST, 1.0), "importance": (SMALLEST, np.inf), **dict.fromkeys(PENALTIES, (0.0, np.inf))}

# From the values of two parameters, each of shape (K,), to models of batch shape (K,).
ModelsAt = Callable[[FloatArray, FloatArray], ToyModel]


@dataclass(frozen=True)
class PlaneAxis(Summarised):
    """A parameter that runs over a range.

    Attributes:
        name: of the parameter, such as "density", "density[2]" or "interference_penalty".
        low: smallest value.
        high: largest value.
        scale: "log" or "linear"; default log where low > 0.
        domain: smallest and largest value that a model can have; default the range itself.
    """

    name: str
    low: float
    high: float
    scale: str = ""
    domain: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Check the range, and choose the scale where none was."""
        check_text("name", self.name)
        for end in ("low", "high"):
            object.__setattr__(self, end, check_number(end, getattr(self, end)))
        check_text("scale", self.scale)
        if self.domain is not None:
            object.__setattr__(self, "domain", check_range("domain", self.domain))
        if not self.scale:
            object.__setattr__(self, "scale", "log" if self.low > 0 else "linear")
        if self.scale not in SCALES:
            raise ValueError(f"the scale of {self.name} must be one of {', '.join(SCALES)}, got {self.scale!r}")
        ordered = self.low < self.high or (self.low == self.high and self.scale == "log")
        if not (ordered and np.isfinite([self.low, self.high]).all()):
            raise ValueError(f"{self.name} must run over a range low < high, got {self.low} to {self.high}")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"{self.name} on a log scale must be positive, got {self.low}")
        if self.domain is None:
            object.__setattr__(self, "domain", (self.low, self.high))
        assert self.domain is not None
        if self.low < self.domain[0] or self.high > self.domain[1]:
            raise ValueError(
                f"{self.name} must lie in {self.domain[0]:g} to {self.domain[1]:g}, got {self.low} to {self.high} "
                "as low and high"
            )

    def position(self, value: ArrayLike) -> FloatArray:
        """Return positions along the axis: log t, or the share of the range."""
        t = np.asarray(value, dtype=np.float64)
        return np.asarray(np.log(t) if self.scale == "log" else (t - self.low) / (self.high - self.low))

    def value(self, position: ArrayLike) -> FloatArray:
        """Return the parameter at positions; what no model can have is moved to the end of the domain."""
        u = np.asarray(position, dtype=np.float64)
        t = np.exp(u) if self.scale == "log" else self.low + u * (self.high - self.low)
        assert self.domain is not None
        low, high = self.domain
        # As `np.clip`, which takes longer than all the rest.
        return np.asarray(np.minimum(np.maximum(t, low), high))

    def slope(self, value: ArrayLike) -> FloatArray:
        """Return dt/du, the change of the parameter with the position."""
        t = np.asarray(value, dtype=np.float64)
        return np.asarray(t if self.scale == "log" else np.full_like(t, self.high - self.low))

    def grid(self, count: int) -> FloatArray:
        """Return `count` values from end to end, evenly spaced in position."""
        low, high = self.position([self.low, self.high])
        values = self.value(np.linspace(low, high, count))
        values[0], values[-1] = self.low, self.high
        return values


@dataclass(frozen=True, eq=False)
class Plane(Summarised):
    """Models over two parameters.

    Attributes:
        x: the first parameter.
        y: the second.
        n_features: number of features n.
        n_hidden: number of hidden dimensions m.
        at: from values of the two, each of shape (K,), to models, batch shape (K,). A plane can be pickled if this can.
        exchanges: relabellings of the features that leave every model as it is, shape (k, n), the identity first;
            found by comparing models unless given.

    Example:
        >>> from tegum.theory import IndependentFeatures, ToyModel
        >>> from tegum.theory.models import Plane
        >>> model = ToyModel(2, 1, IndependentFeatures(0.1))
        >>> plane = Plane.of(model, x=("density", 0.01, 1), y=("interference_penalty", 0, 0.1))
        >>> plane.x.scale, plane.y.scale
        ('log', 'linear')
    """

    x: PlaneAxis
    y: PlaneAxis
    n_features: int
    n_hidden: int
    at: ModelsAt = field(repr=False)
    exchanges: NDArray[np.int64] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Find the exchanges of equal features."""
        check_kind("x", self.x, PlaneAxis)
        check_kind("y", self.y, PlaneAxis)
        check_count("n_features", self.n_features, 1, MOST_EXCHANGED if self.exchanges is None else MOST_SIZE)
        check_count("n_hidden", self.n_hidden)
        check_callable("at", self.at, 2)
        if self.exchanges is not None:
            n = self.n_features
            exchanges = whole_numbers("exchanges", self.exchanges, ("k", n), least=0, most=n - 1)
            object.__setattr__(self, "exchanges", exchanges)
        if self.x.name == self.y.name:
            raise ValueError(f"a plane has two different parameters, got {self.x.name!r} twice")
        if self.exchanges is None:
            object.__setattr__(self, "exchanges", _exchanges(self))

    @classmethod
    def of(cls, model: ToyModel, *, x: tuple[Any, ...], y: tuple[Any, ...]) -> Plane:
        """Return the plane of a model's own parameters.

        Args:
            model: a single model that holds what doesn't vary.
            x: name, low, high and, if the default of `PlaneAxis` won't do, scale. Names: "density" of all features,
                "importance" of the last feature, "density[k]" and "importance[k]" of feature k, counted from 1,
                "importance[k,l]" of several that share it, "interference_penalty", "weight_penalty".
            y: the same of the second parameter.

        Raises:
            ValueError: if a name is unknown, a range doesn't suit the parameter, or the model is a batch, or one whose
                biases aren't free or of which only active targets count.
        """
        check_kind("model", model, ToyModel)
        if model.batch_shape != ():
            raise ValueError(f"a plane is that of a single model, got batch shape {model.batch_shape}")
        model.check_plain("a plane of models", "bias", "targets", "amplitude")
        at = partial(_models_at, model, [_setter(model, spec) for spec in (x, y)])
        return cls(_axis(x), _axis(y), model.n_features, model.n_hidden, at)

    def models(self, q: FloatArray) -> ToyModel:
        """Return the models at rows of positions, shape (K, 2)."""
        model = self.at(self.x.value(q[:, 0]), self.y.value(q[:, 1]))
        check_kind("what at returns", model, ToyModel)
        model.check_plain("a plane of models", "amplitude")
        return model

    def position(self, x: ArrayLike, y: ArrayLike) -> FloatArray:
        """Return positions q, shape (..., 2), of values of the two parameters."""
        return np.stack(np.broadcast_arrays(self.x.position(x), self.y.position(y)), axis=-1)

    @property
    def box(self) -> FloatArray:
        """Lower and upper corner in positions, shape (2, 2)."""
        return self.position([self.x.low, self.x.high], [self.y.low, self.y.high])

    @property
    def names(self) -> tuple[str, str]:
        """The names of both parameters."""
        return self.x.name, self.y.name


def diagram_plane(
    n_features: int,
    n_hidden: int,
    density: tuple[float, float] = DENSITY_RANGE,
    importance: tuple[float, float] = IMPORTANCE_RANGE,
) -> Plane:
    """Return the plane of a published phase diagram: density and the last feature's importance, on log axes.

    Args:
        n_features: number of features n.
        n_hidden: number of hidden dimensions m.
        density: smallest and largest 1 − S.
        importance: smallest and largest importance of the last feature against the others.
    """
    check_count("n_features", n_features, 1, MOST_EXCHANGED)
    check_count("n_hidden", n_hidden)
    ends = {"density": density, "importance": importance}
    x, y = (PlaneAxis(name, *check_range(name, both), "log", DOMAINS[name]) for name, both in ends.items())
    equal = [[*order, n_features - 1] for order in permutations(range(n_features - 1))]
    return Plane(x, y, n_features, n_hidden, partial(diagram_model, n_features, n_hidden), np.array(equal))


def _parts(name: Any) -> tuple[str, list[int] | None]:
    """Return a parameter's name and, for that of some features, these counted from 0."""
    numbered = r"(density|importance)(?:\[(\d+(?:,\d+)*)\])?"
    found = re.fullmatch(rf"{numbered}|interference_penalty|weight_penalty", str(name))
    if found is None:
        raise ValueError(
            "a parameter must be density, importance, density[k], importance[k], importance[k,l] of features that "
            f"share it, interference_penalty or weight_penalty, got {name!r}"
        )
    return found[1] or found[0], None if found[2] is None else [int(k) - 1 for k in found[2].split(",")]


def _setter(model: ToyModel, spec: tuple[Any, ...]) -> tuple[str, list[int]]:
    """Return which of a model's parameters is meant, and of which features."""
    if len(spec) not in (3, 4):
        raise ValueError(f"expected name, low, high and perhaps a scale, got {spec!r}")
    name, some = _parts(spec[0])
    n = model.n_features
    if some is not None and not all(0 <= feature < n for feature in some):
        raise ValueError(f"{spec[0]}: features are counted from 1 to {n}")
    if some is not None and len(set(some)) < len(some):
        raise ValueError(f"{spec[0]}: a feature is named twice")
    if name == "density" and not isinstance(model.features, DensityLaw):
        raise ValueError(f"density varies for laws that have one, got {type(model.features).__name__}")
    if some is not None:
        return name, some
    return name, list(range(n)) if name == "density" else [n - 1]


def _models_at(
    model: ToyModel, setters: list[tuple[str, list[int]]], first: FloatArray, second: FloatArray
) -> ToyModel:
    """Return a model with two of its parameters, as `_setter` names them, set to values."""
    n = model.n_features
    values: dict[str, Any] = {name: np.asarray(getattr(model, name)) for name in PENALTIES}
    values["density"] = np.broadcast_to(model.densities(), (len(first), n)).copy()
    values["importance"] = np.broadcast_to(model.importance, (len(first), n)).copy()
    for (name, features), given in zip(setters, (first, second), strict=True):
        if name in PENALTIES:
            values[name] = given
        else:
            values[name][:, features] = given[:, None]
    density = values.pop("density")
    law = model.features
    if "density" in {name for name, _ in setters}:
        assert isinstance(law, DensityLaw)
        law = replace(law, density=density, _exact=None)
    return ToyModel(n, model.n_hidden, law, **values, **model.choices)


def _axis(spec: tuple[Any, ...]) -> PlaneAxis:
    name = str(spec[0])
    scale = str(spec[3]) if len(spec) == 4 else ""
    return PlaneAxis(name, float(spec[1]), float(spec[2]), scale, DOMAINS[_parts(name)[0]])


def _exchanges(plane: Plane) -> NDArray[np.int64]:
    """Return the relabellings under which importances and the law of the active set stay the same, everywhere."""
    box = plane.box
    model = plane.models(box[0] + np.array(PROBES) * (box[1] - box[0]))
    chances = dict(model.features.patterns(plane.n_features))
    importance, none = model.importances(), np.zeros(1)

    def same(order: tuple[int, ...]) -> bool:
        moved = {tuple(sorted(order[i] for i in active)): chance for active, chance in chances.items()}
        return bool(np.abs(importance[:, list(order)] - importance).max() < SAME) and all(
            np.abs(moved.get(active, none) - chances.get(active, none)).max() < SAME for active in {*moved, *chances}
        )

    return np.array([order for order in permutations(range(plane.n_features)) if same(order)])
