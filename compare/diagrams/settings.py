"""What a phase diagram is computed with: sizes, the plane, the grid and the training."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from tegum.empirical.runs import Optimisation, Sampling
from tegum.empirical.training import resolve_device
from tegum.theory.minima import MOST_ON_A_PLANE, check_searchable, check_superposition
from tegum.theory.models import (
    AMPLITUDES,
    DENSITY_RANGE,
    IMPORTANCE_RANGE,
    SCALES,
    IndependentFeatures,
    Plane,
    ToyModel,
    diagram_plane,
)
from tegum.theory.numerics import (
    MOST_SIZE,
    MOST_STEPS,
    check_choice,
    check_count,
    check_flag,
    check_kind,
    check_number,
    check_range,
    check_rate,
    shown,
)

from ..judgement import Recipe
from .planes import USUAL, plain_plane

# Cells along each axis: more would take days.
MOST_CELLS = 1000
# Optimiser steps and first rate of Adam by default, for each size: with fewer steps fewer runs come to rest
# (docs/judgement.md). Of other sizes those of three features.
TRAINING = {(2, 1): (3000, 5e-2), (3, 2): (10_000, 5e-2)}
OTHERS = (10_000, 5e-2)
# Features up to which boundaries are traced as curves, and up to which inputs are stratified by pattern.
TRACED, STRATIFIED = 3, 4
Spec = tuple[Any, ...]


def _spec(name: str, spec: Any) -> Spec:
    """Return name, low, high and perhaps the scale of a parameter.

    Raises:
        ValueError: if they aren't that.
    """
    expected = f"{name} must be a parameter's name, low, high and, if need be, scale"
    if not isinstance(spec, (tuple, list)) or len(spec) not in (3, 4) or not isinstance(spec[0], str):
        raise ValueError(f"{expected}, got {shown(spec)}")
    ends = [check_number(f"{name}, {end}", value) for end, value in zip(("low", "high"), spec[1:3], strict=True)]
    if len(spec) == 4:
        check_choice(f"{name}, scale", spec[3], SCALES)
    return (spec[0], *ends, *spec[3:])


@dataclass(frozen=True)
class DiagramSettings:
    """What a phase diagram is computed with; kept with it.

    Attributes:
        n_features: number of features n, at most six.
        n_hidden: number of hidden dimensions m.
        cells: cells along each axis.
        seeds: trained runs in each cell.
        steps: optimiser steps of each run; default those of `TRAINING`, of other sizes 10,000.
        batch_size: inputs for each step of the sampled objective.
        learning_rate: Adam's, at the first step, default 0.05; it falls to 0 as a cosine.
        objective: "sampled", of independent features up to four stratified by activity pattern with x = 0 added
            exactly; or "exact".
        device: "auto", "cpu" or "cuda".
        controls: whether runs that the account has to reject are trained beside them (`controls.py`).
        density: smallest and largest 1 − S of the grid, which is even in its logarithm.
        importance: smallest and largest importance of the last feature against the others, likewise.
        x: another first parameter: name, low, high and, if need be, scale, as of `Plane.of`.
        y: another second parameter.
        model: holds what doesn't vary; default independent features, uniform on [0, 1]. It says the sizes.
        traced: whether boundaries are traced as curves, which is possible up to three features, or located between
            cells (`grid_boundaries`); default the first up to two features.
    """

    n_features: int = 2
    n_hidden: int = 1
    cells: int = 28
    seeds: int = 8
    steps: int | None = None
    batch_size: int = 256
    learning_rate: float | None = None
    objective: str = "sampled"
    device: str = "auto"
    controls: bool = True
    density: tuple[float, float] = DENSITY_RANGE
    importance: tuple[float, float] = IMPORTANCE_RANGE
    x: Spec | None = None
    y: Spec | None = None
    model: ToyModel | None = field(default=None, compare=False)
    traced: bool | None = None

    def __post_init__(self) -> None:
        """Raise `ValueError` where no phase diagram comes out."""
        check_flag("controls", self.controls)
        check_kind("model", self.model, ToyModel, optional=True)
        if self.model is not None:
            for name in ("n_features", "n_hidden"):
                object.__setattr__(self, name, getattr(self.model, name))
        check_superposition(self.n_features, self.n_hidden)
        check_count("n_features", self.n_features, 2, MOST_ON_A_PLANE)
        check_choice("objective", self.objective, ("sampled", "exact"))
        resolve_device(self.device)
        steps, rate = TRAINING.get((self.n_features, self.n_hidden), OTHERS)
        defaults = {"steps": steps, "learning_rate": rate, "traced": self.n_features < TRACED}
        for name, default in defaults.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, default)
        check_flag("traced", self.traced)
        if self.traced and self.n_features > TRACED:
            raise ValueError(
                f"boundaries are traced for up to {TRACED} features, got {self.n_features}: traced=False locates them "
                "between cells"
            )
        ranges = {"cells": (2, MOST_CELLS), "seeds": (1, MOST_SIZE), "steps": (0, MOST_STEPS)}
        for name, (least, most) in (ranges | {"batch_size": (1, MOST_SIZE)}).items():
            check_count(name, getattr(self, name), least, most)
            # Settings are kept as JSON, which has no numbers of NumPy's.
            object.__setattr__(self, name, int(getattr(self, name)))
        object.__setattr__(self, "learning_rate", check_rate("learning_rate", self.learning_rate))
        for name in USUAL:
            low, high = check_range(name, getattr(self, name))
            object.__setattr__(self, name, (low, high))
            if not low < high:
                raise ValueError(f"{name} must run over a range low < high, got {low:g} to {high:g}")
        for name in ("x", "y"):
            if (spec := getattr(self, name)) is not None:
                object.__setattr__(self, name, _spec(name, spec))
        # What no model has, or no search for minima or account of noise covers, is refused there.
        self.base.check_plain("a phase diagram", "bias", "targets", "reduction", "amplitude")
        check_searchable(self.base)
        _ = self.plane

    @property
    def is_usual(self) -> bool:
        """Whether the diagram is one of independent uniform features over density and importance."""
        return self.x is None and self.y is None and self.model is None

    @property
    def base(self) -> ToyModel:
        """The model that holds what doesn't vary."""
        if self.model is not None:
            return self.model
        return ToyModel(self.n_features, self.n_hidden, IndependentFeatures(1.0))

    @property
    def specs(self) -> tuple[Spec, Spec]:
        """Name, low, high and scale of both parameters."""
        x = self.x or (USUAL[0], *self.density, "log")
        return x, self.y or (USUAL[1], *self.importance, "log")

    @property
    def plane(self) -> Plane:
        """The plane of models."""
        if self.is_usual:
            return diagram_plane(self.n_features, self.n_hidden, self.density, self.importance)
        x, y = self.specs
        return Plane.of(self.base, x=x, y=y)

    def described(self) -> dict[str, Any] | None:
        """Return the plane as plain values; None of a usual one."""
        if self.is_usual:
            return None
        axes = self.plane.x, self.plane.y
        x, y = ((axis.name, axis.low, axis.high, axis.scale) for axis in axes)
        return plain_plane(self.base, x, y)

    def to_plain(self) -> dict[str, Any]:
        """Return them as JSON takes them; what is as usual isn't said."""
        unsaid = "x", "y", "model", "traced"
        plain = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in unsaid}
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}
        if not self.is_usual:
            plain["plane"] = self.described()
        if self.traced != (self.n_features <= TRACED):
            plain["traced"] = self.traced
        return plain

    @property
    def recipe(self) -> Recipe:
        """How the runs are trained."""
        assert self.learning_rate is not None
        assert self.steps is not None
        law = self.base.features
        by_pattern = (
            self.n_features <= STRATIFIED and law.kind == "independent" and law.amplitude == AMPLITUDES["uniform"]
        )
        stratified = self.objective == "sampled" and by_pattern
        return Recipe(
            learning_rate=self.learning_rate,
            steps=self.steps,
            batch_size=self.batch_size,
            objective=self.objective,
            optimisation=Optimisation(schedule="cosine"),
            sampling=Sampling("stratified", "exact") if stratified else Sampling(),
        )
