"""All that is known about the boundaries of a phase diagram: curves, special points, and the pieces between them.

A `BoundaryMap` holds the minima of a grid. What follows from them is traced when it is first asked for, and kept: ask
one map for everything about a plane. The functions beside it ask a map of their own for one thing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..minima import DiagramMinima, check_superposition, is_merged
from ..models import Plane
from ..numerics import Summarised, check_kind, check_text
from .atlas import Atlas
from .curves import BoundaryCurve, KnownLosses, recorded, seed_diagram, traced
from .equations import Equations
from .named_points import SpecialPoint, completed
from .paths import cheapest_near
from .segments import BoundarySegment, boundary_segments


@dataclass(frozen=True, eq=False)
class _Traced:
    """What tracing leaves behind: the curves with their states, what is known along each, and where they meet."""

    atlas: Atlas
    known: list[KnownLosses]
    special_points: tuple[SpecialPoint, ...]


@dataclass(frozen=True, eq=False)
class BoundaryMap(Summarised):
    """The boundaries of a phase diagram, traced when they are first asked for.

    Copies and pickles keep what has been traced.

    Attributes:
        diagram: minima over the grid from which everything is found.

    Example:
        >>> from tegum.theory.minima import diagram_minima
        >>> found = boundary_map(diagram_minima([0.81, 0.84, 0.87], [0.87, 0.9, 0.93], starts=16))
        >>> [point.kind for point in found.special_points if point.cheapest]
        ['tricritical point']
        >>> {curve.mechanism for curve in found.stability("axis(1) + drop(2)")}
        {'kink'}
    """

    diagram: DiagramMinima

    def __post_init__(self) -> None:
        """Raise `ValueError` unless it is made of a diagram that lists every copy of a minimum."""
        check_kind("diagram", self.diagram, DiagramMinima)
        if any(is_merged(cell) for row in self.diagram.minima for cell in row):
            raise ValueError(
                "a map of boundaries follows every copy of a minimum, got a diagram with one for its copies: "
                "`plane_minima(plane, x, y, merged=False)` lists them, and `grid_boundaries` takes either"
            )

    @property
    def plane(self) -> Plane:
        """The plane of models."""
        return self.diagram.plane

    @cached_property
    def _equations(self) -> Equations:
        return Equations(self.plane)

    @cached_property
    def _traced(self) -> _Traced:
        equations, atlas = traced(self.diagram)
        return _Traced(atlas, *completed(self.diagram, equations, atlas))

    @cached_property
    def curves(self) -> tuple[BoundaryCurve, ...]:
        """Every coexistence curve and limit of stability, also where other minima are cheaper.

        Each has the largest residual of its equations at every point and a first-order bound on its error. For two
        features over a range of importances that is symmetric about 1, curves come in mirror images.
        """
        return recorded(self.diagram, self._traced.atlas, self._traced.known)

    @property
    def special_points(self) -> tuple[SpecialPoint, ...]:
        """Where boundaries meet or a transition changes its nature, by the plane's first parameter."""
        return self._traced.special_points

    @cached_property
    def segments(self) -> tuple[BoundarySegment, ...]:
        """The boundaries of the optimum, in pieces between special points, with jumps or measured exponents."""
        cheapest = [losses.cheapest for losses in self._traced.known]
        return boundary_segments(self._equations, self._traced.atlas.curves, cheapest, self.special_points)

    def coexistence(self, first: str, second: str) -> tuple[BoundaryCurve, ...]:
        """Return the curves on which minima of two phases cost the same.

        Args:
            first: phase label, such as "digon(1,2)".
            second: phase label; the same as `first` for a transition between two minima of one structure.

        Returns:
            One record for each curve; none if the two phases nowhere cost the same.

        Raises:
            ValueError: if no minimum of one of the phases is known anywhere in the diagram.
        """
        return self._of("coexistence", first, second)

    def stability(self, label: str) -> tuple[BoundaryCurve, ...]:
        """Return the curves on which a phase stops being a local minimum.

        Args:
            label: phase label, such as "axis(1) + drop(2)".

        Returns:
            One record for each curve; several where the phase has several sheets or mechanisms of instability.

        Raises:
            ValueError: if no minimum of the phase is known anywhere in the diagram.
        """
        return self._of("stability", label)

    def _of(self, kind: str, *labels: str) -> tuple[BoundaryCurve, ...]:
        cells = (cell for row in self.diagram.minima for cell in row)
        known = sorted({point.phase for cell in cells for point in cell if point.status == "minimum"})
        for label in labels:
            if label not in known:
                raise ValueError(
                    f"the label of a phase must be one that is a minimum in the diagram, {known}; got {label!r}"
                )
        wanted = self._equations.representative(labels)
        return tuple(curve for curve in self.curves if (curve.kind, curve.phases) == (kind, wanted))

    def phases(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.str_]:
        """Return the cheapest known phase at places of the plane, up to exchanges of equal features.

        Args:
            x: values of the first parameter, within the diagram's range.
            y: values of the second parameter; both broadcast.
        """
        equations, q = self._equations, self.plane.position(x, y)
        _, where = cheapest_near(equations, self.diagram, q.reshape(-1, 2))
        return np.array([equations.labels(row)[0] for row in where]).reshape(q.shape[:-1])


def boundary_map(
    diagram: DiagramMinima | BoundaryMap | None = None,
    *,
    plane: Plane | None = None,
    n_features: int = 2,
    n_hidden: int = 1,
) -> BoundaryMap:
    """Return the map of the boundaries that a diagram's minima show.

    Args:
        diagram: minima over the grid of interest; default density 0.01 … 1 and importance 0.1 … 10. A map is returned
            as it is, with all that it has traced.
        plane: two other parameters and their ranges, instead of `diagram`.
        n_features: number of features n of the default diagram.
        n_hidden: number of hidden dimensions m of the default diagram.

    Raises:
        ValueError: if both diagram and plane are given, one of them is something else, or n_hidden ≥ n_features.
    """
    check_kind("diagram", diagram, DiagramMinima, BoundaryMap, optional=True)
    check_kind("plane", plane, Plane, optional=True)
    check_superposition(n_features, n_hidden)
    if diagram is not None and plane is not None:
        raise ValueError("expected a diagram or a plane, got both")
    if isinstance(diagram, BoundaryMap):
        return diagram
    if diagram is None:
        diagram = seed_diagram(n_features, n_hidden) if plane is None else seed_diagram(plane=plane)
    return BoundaryMap(diagram)


def phase_boundaries(diagram: DiagramMinima | BoundaryMap) -> tuple[BoundaryCurve, ...]:
    """Return every coexistence curve and limit of stability that a diagram's minima show: `BoundaryMap.curves`.

    Args:
        diagram: minima over a grid over the range of interest, such as `seed_diagram`, or their map.
    """
    check_kind("diagram", diagram, DiagramMinima, BoundaryMap)
    return boundary_map(diagram).curves


def special_points(
    diagram: DiagramMinima | BoundaryMap | None = None,
    *,
    plane: Plane | None = None,
    n_features: int = 2,
    n_hidden: int = 1,
) -> tuple[SpecialPoint, ...]:
    """Return the special points of a phase diagram: `BoundaryMap.special_points`.

    Arguments and errors are those of `boundary_map`.
    """
    return boundary_map(diagram, plane=plane, n_features=n_features, n_hidden=n_hidden).special_points


def coexistence_curve(
    first: str,
    second: str,
    *,
    diagram: DiagramMinima | BoundaryMap | None = None,
    plane: Plane | None = None,
    n_features: int = 2,
    n_hidden: int = 1,
) -> tuple[BoundaryCurve, ...]:
    """Return the curves on which minima of two phases cost the same: `BoundaryMap.coexistence`.

    The other arguments, and errors, are those of `boundary_map`.
    """
    check_text("first", first)
    check_text("second", second)
    found = boundary_map(diagram, plane=plane, n_features=n_features, n_hidden=n_hidden)
    return found.coexistence(first, second)


def stability_limit(
    label: str,
    *,
    diagram: DiagramMinima | BoundaryMap | None = None,
    plane: Plane | None = None,
    n_features: int = 2,
    n_hidden: int = 1,
) -> tuple[BoundaryCurve, ...]:
    """Return the curves on which a phase stops being a local minimum: `BoundaryMap.stability`.

    The other arguments, and errors, are those of `boundary_map`.
    """
    check_text("label", label)
    return boundary_map(diagram, plane=plane, n_features=n_features, n_hidden=n_hidden).stability(label)
