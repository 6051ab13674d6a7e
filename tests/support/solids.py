"""Optimal arrangements of nine and ten charges on a sphere, with corners of two kinds: rows of the table of data."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import cos, pi, sin, sqrt

from tegum.theory.polytopes import Polytope

# Behind the face: a family of solids behind its names.
from tegum.theory.polytopes.solids import square_antiprism


def triaugmented_prism(u: Any) -> Polytope:
    """Return a triangular prism of squared half height u with a corner outside each of its squares."""
    u = sympy.sympify(u)
    triangle = [[cos(2 * pi * j / 3), sin(2 * pi * j / 3)] for j in range(3)]
    flat = sqrt(1 - u)
    corners = [[flat * x, flat * y, sign * sqrt(u)] for sign in (1, -1) for x, y in triangle]
    corners += [[-x, -y, 0] for x, y in triangle]
    return Polytope("triaugmented prism", sympy.ImmutableMatrix(sympy.Matrix(corners).T))


def gyroelongated_bipyramid(u: Any) -> Polytope:
    """Return a square antiprism of squared height u with a corner at each pole."""
    ring = square_antiprism(u).vertices
    poles = sympy.Matrix([[0, 0], [0, 0], [1, -1]])
    return Polytope("gyroelongated bipyramid", sympy.ImmutableMatrix(poles.row_join(sympy.Matrix(ring))))
