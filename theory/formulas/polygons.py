"""Closed forms of regular k-gons in two dimensions, as records: losses, optima and what their overlaps add up to.

As in `pairs.py` a loss is Σ I_i E[x_i²] − s B + s² A with polynomials A and B in the relative bias c, derived by
`shape_polynomials`. Triangle and square are among the `shapes`.
"""

from __future__ import annotations

import numpy as np
import sympy

from ..derivation import DENSITY, Expression
from ..geometry import feature_dimensionality
from ..models import OneHotFeatures
from ..numerics import FloatArray
from .pairs import DERIVED, A, B, abbreviations, best_scale, best_shape, bias, c, density, independent, s, scale, β
from .record import Formula, Ramp, Values, Variable, gradient_at, loss_at, polygon

p = DENSITY
k, h = sympy.symbols("k h", integer=True, positive=True)
j = sympy.Symbol("j", integer=True, nonnegative=True)
_root = sympy.sqrt(5)

POLYGONS, ONE_ACTIVE = "Polygons, independent features", "At most one feature active"
OVERLAPS = "Overlaps of polygons"
corners = Variable(k, "number of features", 3, 24)

# The pentagon for (√5 − 3)/4 ≤ c ≤ 0, by powers of p.
PENTAGON_LOW = (_root - 3) / 4
PENTAGON_A = (
    p * ((7 - _root) / 12 + (1 + _root) / 2 * c + 3 * c**2 + (3 + 2 * _root) / 3 * c**3)
    + p**2
    * (
        (2 * _root - 15) / 48
        - (7 + 9 * _root) / 12 * c
        - (17 + 5 * _root) / 4 * c**2
        - 2 * (7 + 2 * _root) / 3 * c**3
        + (2 - _root) / 3 * c**4
    )
    + p**3
    * (
        (19 * _root - 52) / 60
        + (107 * _root - 163) / 48 * c
        + 2 * (1 + 5 * _root) / 3 * c**2
        + (13 + 8 * _root) / 3 * c**3
        + 2 * (_root - 2) / 3 * c**4
        + (_root - 8) / 15 * c**5
    )
    + p**4
    * (
        (128 - 51 * _root) / 120
        + (497 - 257 * _root) / 120 * c
        + (23 - 35 * _root) / 12 * c**2
        - 5 * (5 + 3 * _root) / 9 * c**3
        + (2 - _root) / 3 * c**4
        + sympy.Rational(2, 3) * c**5
    )
    + p**5
    * (
        (9 * _root - 22) / 60
        + (73 * _root - 153) / 144 * c
        + 5 * (_root - 1) / 6 * c**2
        + (13 + 3 * _root) / 12 * c**3
        - c**5 / 3
        + 2 * c**7 / 315
    )
)
PENTAGON_B = (
    p * (2 + 3 * c - c**3) / 3
    + p**2 * ((_root - 22) / 48 - (3 + _root) / 12 * c + (1 + _root) / 4 * c**2 + 2 * c**3 / 3 + (1 + _root) / 6 * c**4)
    + p**3
    * (
        (221 * _root - 479) / 240
        + (95 * _root - 203) / 48 * c
        + 7 * (_root - 3) / 6 * c**2
        - c**3
        - (2 + _root) / 3 * c**4
        + (4 - _root) / 15 * c**5
    )
    + p**4
    * (
        (1644 - 751 * _root) / 720
        + (523 - 243 * _root) / 120 * c
        + (39 - 11 * _root) / 24 * c**2
        + (1 + 3 * _root) / 9 * c**3
        + (1 + _root) / 3 * c**4
        - 2 * c**5 / 15
        - 2 * c**6 / 45
    )
    + p**5
    * (
        (197 * _root - 441) / 720
        + (59 * _root - 123) / 144 * c
        + (1 - _root) / 12 * c**2
        + (1 - _root) / 4 * c**3
        - c**4 / 3
        + c**5 / 15
        + 2 * c**6 / 45
        - 2 * c**7 / 315
    )
)


def _overlap(number: Expression) -> Expression:
    """Return the overlap of a feature with its neighbour of some number, in units of s."""
    return sympy.cos(2 * sympy.pi * number / k)


# One active feature: its own output, and those of h neighbours on either side, whose overlaps exceed −c.
POLYGON_A = (1 + c) ** 3 / 3 + sympy.Sum(2 * (_overlap(j) + c) ** 3 / (3 * _overlap(j)), (j, 1, h))
POLYGON_B = (1 + c) ** 2 * (2 - c) / 3


def _polygon_loss() -> Expression:
    a = s * _overlap(j)
    other = sympy.Piecewise((2 * (Ramp(3, a + β) - Ramp(3, β)) / a, sympy.Ne(a, 0)), (2 * Ramp(2, β), True))
    own = 2 * (1 + 1 / s) / s * (Ramp(3, s + β) - Ramp(3, β)) - 2 * Ramp(2, s + β) / s
    return sympy.Rational(1, 3) + own + sympy.Sum(other, (j, 1, k - 1))


def _interference(v: Values) -> float:
    """Return Σ_{j≠1} max(W_1·W_j, 0)² of a k-gon of unit vectors."""
    points = polygon(v["k"], 1.0)
    overlaps: FloatArray = points[:, 0] @ points[:, 1:]
    return float((np.maximum(overlaps, 0) ** 2).sum())


def _frame(v: Values) -> FloatArray:
    points = polygon(v["k"], v["s"])
    return np.asarray(np.linalg.eigvalsh(points @ points.T))


POLYGON_FORMULAS = (
    Formula(
        "pentagon",
        POLYGONS,
        "The regular pentagon in two dimensions: ‖W_i‖² = s, every bias c s.",
        "L",
        5 * (p / 3 - s * B + s**2 * A),
        (density, scale, Variable(c, "bias of every output, in units of $s$", -0.19, 0.0)),
        lambda v: loss_at(independent(v), polygon(5, v["s"]), [v["c"] * v["s"]] * 5),
        DERIVED,
        assumptions=(c >= PENTAGON_LOW, c <= 0),
        definitions=abbreviations(PENTAGON_A, PENTAGON_B),
    ),
    Formula(
        "pentagon-optimum",
        POLYGONS,
        "The best pentagon of equal importances is a critical point, in all directions, for p between 0.0512 and "
        "0.343, where its relative bias is in that range. A and B are those of pentagon. Its loss is 5 (p/3 − B²/4A).",
        r"\nabla L",
        sympy.Integer(0),
        (Variable(p, "feature density $1-S$", 0.05, 0.4),),
        lambda v: gradient_at(independent(v), polygon(5, v["s"]), [v["c"] * v["s"]] * 5),
        DERIVED,
        kind="gradient",
        definitions=(
            best_shape(PENTAGON_A, PENTAGON_B, PENTAGON_LOW, sympy.Integer(0)),
            *abbreviations(PENTAGON_A, PENTAGON_B),
            best_scale,
        ),
    ),
)

ONE_ACTIVE_POLYGONS = (
    Formula(
        "polygon",
        ONE_ACTIVE,
        "A regular k-gon in two dimensions, ‖W_i‖² = s, every bias β, one feature on. It holds in every region.",
        "L",
        _polygon_loss(),
        (Variable(k, "number of features", 3, 8), scale, bias),
        lambda v: loss_at(OneHotFeatures(), polygon(v["k"], v["s"]), [v["beta"]] * v["k"]),
        DERIVED,
    ),
    Formula(
        "polygon-optimum",
        ONE_ACTIVE,
        "The best k-gon, exactly one feature on: wherever c has a value, W and b = c s are a critical point in all "
        "directions. Inputs switch on their own output and h neighbours on either side, and the loss is 1/3 − B²/4A. "
        "h = 1 for 5 ≤ k ≤ 11, 2 up to 17 and 3 up to 23. Triangle and square have no loss at s = 1, c = 0.",
        r"\nabla L",
        sympy.Integer(0),
        (Variable(k, "number of features", 5, 16), Variable(h, "neighbours on either side that are on", 1, 3)),
        lambda v: gradient_at(OneHotFeatures(), polygon(v["k"], v["s"]), [v["c"] * v["s"]] * v["k"]),
        DERIVED,
        kind="gradient",
        definitions=(
            best_shape(POLYGON_A, POLYGON_B, -_overlap(h), sympy.Min(0, -_overlap(h + 1))),
            *abbreviations(POLYGON_A, POLYGON_B),
            best_scale,
        ),
    ),
    Formula(
        "decagon-optimum",
        ONE_ACTIVE,
        "The best decagon, exactly one feature on, in golden numbers: s = (3 + √5)/2, every bias −(1 + √5)/2.",
        "L",
        sympy.Rational(1, 6),
        (),
        lambda _: loss_at(OneHotFeatures(), polygon(10, (3 + 5**0.5) / 2), [-(1 + 5**0.5) / 2] * 10),
        DERIVED,
    ),
)

OVERLAP_FORMULAS = (
    Formula(
        "polygon-dimensionality",
        OVERLAPS,
        "Each corner of a regular k-gon has the same share of its two dimensions, whatever its length.",
        "D_i",
        2 / k,
        (corners, scale),
        lambda v: feature_dimensionality(polygon(v["k"], v["s"])),
        DERIVED,
        kind="identity",
    ),
    Formula(
        "polygon-frame",
        OVERLAPS,
        "A regular k-gon is a tight frame: both eigenvalues of WWᵀ are the same.",
        r"\lambda(WW^\top)",
        k * s / 2,
        (corners, scale),
        _frame,
        DERIVED,
        kind="identity",
    ),
    Formula(
        "polygon-interference",
        OVERLAPS,
        "What a ReLU lets through of the other corners of a regular k-gon of unit vectors.",
        r"\sum_{j \ne i} \max(W_i \cdot W_j, 0)^2",
        (k - 4 - sympy.sin(sympy.pi * k / 2) * (sympy.sec(sympy.pi / k) - 1)) / 4,
        (corners,),
        _interference,
        DERIVED,
        kind="identity",
    ),
)
