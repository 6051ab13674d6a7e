"""All that is known about the boundaries of a phase diagram: curves, special points, and the pieces between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..minima import DiagramMinima
from ..models import Plane
from .curves import BoundaryCurve, meant_diagram, recorded, traced
from .equations import Equations
from .named_points import SpecialPoint, completed
from .paths import cheapest_near
from .segments import BoundarySegment, boundary_segments


@dataclass(frozen=True, eq=False)
class BoundaryMap:
    """The boundaries of a phase diagram.

    Attributes:
        diagram: minima over the grid from which everything was found.
        curves: coexistence curves and limits of stability, also where other minima are cheaper.
        special_points: where boundaries meet or a transition changes its nature.
        segments: the boundaries of the optimum, in pieces between special points.
    """

    diagram: DiagramMinima
    curves: tuple[BoundaryCurve, ...]
    special_points: tuple[SpecialPoint, ...]
    segments: tuple[BoundarySegment, ...]

    @property
    def plane(self) -> Plane:
        """The plane of models."""
        return self.diagram.plane

    def phases(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.str_]:
        """Return the cheapest known phase at places of the plane, up to exchanges of equal features.

        Args:
            x: values of the first parameter, within the diagram's range.
            y: values of the second parameter; both broadcast.
        """
        equations, q = Equations(self.plane), self.plane.position(x, y)
        _, where = cheapest_near(equations, self.diagram, q.reshape(-1, 2))
        return np.array([equations.labels(row)[0] for row in where]).reshape(q.shape[:-1])


def boundary_map(
    diagram: DiagramMinima | None = None, *, plane: Plane | None = None, n_features: int = 2, n_hidden: int = 1
) -> BoundaryMap:
    """Return curves, special points and pieces of boundaries that a diagram's minima show.

    Args:
        diagram: minima over the grid of interest; default density 0.01 … 1 and importance 0.1 … 10.
        plane: two other parameters and their ranges, instead of `diagram`.
        n_features: number of features n of the default diagram.
        n_hidden: number of hidden dimensions m of the default diagram.

    Raises:
        ValueError: if both diagram and plane are given, or n_hidden ≥ n_features.
    """
    diagram = meant_diagram(diagram, plane, n_features, n_hidden)
    equations, atlas = traced(diagram)
    known, special = completed(diagram, equations, atlas)
    segments = boundary_segments(equations, atlas.curves, [losses.cheapest for losses in known], special)
    return BoundaryMap(diagram, recorded(diagram, atlas, known), special, segments)
