"""Closed forms of rigid shapes with one common scale and bias, and their critical points, as records.

As in `pairs.py` the loss is Σ I_i E[x_i²] − s B + s² A with polynomials A and B in the relative bias c. By
symmetry a critical point of the scale and the bias is one in all directions.
"""

from __future__ import annotations

import numpy as np
import sympy

from ..derivation import DENSITY, Expression
from ..models import AnticorrelatedFeatures, OneHotFeatures
from .pairs import (
    DERIVED,
    PAIR_A,
    PAIR_B,
    A,
    B,
    abbreviations,
    antipodal,
    best_scale,
    best_shape,
    bias,
    c,
    density,
    independent,
    relative_bias,
    s,
    scale,
    β,
)
from .polygons import ONE_ACTIVE, ONE_ACTIVE_POLYGONS
from .record import Formula, Ramp, Variable, equiangular, gradient_at, loss_at, polygon, simplex

p, g = DENSITY, sympy.Symbol("g")
k = sympy.Symbol("k", integer=True, positive=True)
m, j = sympy.symbols("m j", integer=True, nonnegative=True)
count = Variable(k, "number of features", 2, 4)

SHAPES = "Rigid shapes, independent features"

# The triangle for 0 ≤ c ≤ ½, the tetrahedron for 0 ≤ c ≤ ⅓.
TRIANGLE_A = (
    c**2
    + p * (1 + 3 * c - 6 * c**2 + 4 * c**3) / 3
    - p**2 * (17 + 40 * c - 120 * c**2 + 96 * c**3) / 48
    + p**3 * (10 + 15 * c - 120 * c**2 + 120 * c**3 - 8 * c**5) / 120
)
TRIANGLE_B = (
    p * (2 + 3 * c) / 3
    - p**2 * (23 + 8 * c - 24 * c**2 + 32 * c**3 - 16 * c**4) / 48
    + p**3 * (5 - 15 * c + 40 * c**3 - 40 * c**4 + 8 * c**5) / 120
)
TETRAHEDRON_A = (
    c**2
    + p * (1 + 3 * c - 9 * c**2 + 9 * c**3) / 3
    - p**2 * (43 + 96 * c - 594 * c**2 + 864 * c**3 - 162 * c**4) / 108
    + p**3 * (7 + 9 * c - 216 * c**2 + 432 * c**3 - 162 * c**4) / 54
    - p**4 * (10 - 1080 * c**2 + 2880 * c**3 - 1620 * c**4 + 81 * c**6) / 1080
)
TETRAHEDRON_B = (
    p * (2 + 3 * c) / 3
    - p**2 * (53 + 12 * c - 54 * c**2 + 108 * c**3 - 81 * c**4) / 108
    + p**3 * (20 - 90 * c + 540 * c**3 - 810 * c**4 + 243 * c**5) / 540
    + p**4 * (10 - 360 * c**3 + 810 * c**4 - 486 * c**5 + 81 * c**6) / 1080
)


def _equiangular_loss() -> sympy.Expr:
    t = β + g * j
    own = (1 + 1 / s) / s * (Ramp(m + 3, t + s) - Ramp(m + 3, t)) - Ramp(m + 2, t + s) / s
    chance = sympy.binomial(k - 1, m) * p**m * (1 - p) ** (k - 1 - m) / g**m
    inner = sympy.Sum((-1) ** (m - j) * sympy.binomial(m, j) * (2 * (1 - p) * Ramp(m + 2, t) + 2 * p * own), (j, 0, m))
    return k * (p / 3 + sympy.Sum(chance * inner, (m, 0, k - 1)))


def _simplex_records(name: str, words: str, corners: int, A_: Expression, B_: Expression) -> tuple[Formula, Formula]:
    """Return the loss of a simplex of independent features in its most useful region, and its optimum."""
    largest = sympy.Rational(1, corners - 1)
    loss = Formula(
        name,
        SHAPES,
        f"{words}: ‖W_i‖² = s, W_i·W_j = −s/{corners - 1}, every bias c s.",
        "L",
        corners * (p / 3 - s * B + s**2 * A),
        (density, scale, relative_bias),
        lambda v: loss_at(independent(v), simplex(corners, v["s"]), [v["c"] * v["s"]] * corners),
        DERIVED,
        assumptions=(c >= 0, c <= largest),
        definitions=abbreviations(A_, B_),
    )
    optimum = Formula(
        f"{name}-optimum",
        SHAPES,
        f"The best {name} of equal importances is a critical point, in all directions. A and B are those of {name}. "
        f"Its loss is {corners} (p/3 − B²/4A).",
        r"\nabla L",
        sympy.Integer(0),
        (density,),
        lambda v: gradient_at(independent(v), simplex(corners, v["s"]), [v["c"] * v["s"]] * corners),
        DERIVED,
        kind="gradient",
        definitions=(
            best_shape(A_, B_, sympy.Integer(0), largest),
            *abbreviations(A_, B_),
            best_scale,
        ),
    )
    return loss, optimum


SHAPE_FORMULAS = (
    Formula(
        "merged-features",
        SHAPES,
        "k features stored as their sum, W_i = 1/√k in one dimension, b = 0, cost as much as dropping all but one.",
        "L",
        (k - 1) * (p / 3 - p**2 / 4),
        (density, count),
        lambda v: loss_at(independent(v), np.full((1, v["k"]), v["k"] ** -0.5), np.zeros(v["k"])),
        DERIVED,
    ),
    Formula(
        "merged-features-critical",
        SHAPES,
        "That is a critical point for every density.",
        r"\nabla L",
        sympy.Integer(0),
        (density, count),
        lambda v: gradient_at(independent(v), np.full((1, v["k"]), v["k"] ** -0.5), np.zeros(v["k"])),
        DERIVED,
        kind="gradient",
    ),
    *_simplex_records("triangle", "The equilateral triangle in two dimensions", 3, TRIANGLE_A, TRIANGLE_B),
    *_simplex_records("tetrahedron", "The regular tetrahedron in three dimensions", 4, TETRAHEDRON_A, TETRAHEDRON_B),
    Formula(
        "equiangular",
        SHAPES,
        "k features with ‖W_i‖² = s and the same overlap W_i·W_j = g between any two, every bias β. It holds in every "
        "region: pairs, triangles and simplices are g = −s/(k − 1), merged features g = s.",
        "L",
        _equiangular_loss(),
        (density, count, scale, Variable(g, "overlap", -1.0, 2.0), bias),
        lambda v: loss_at(independent(v), equiangular(v["k"], v["s"], v["g"]), [v["beta"]] * v["k"]),
        DERIVED,
        assumptions=(sympy.Ne(g, 0), -s / (k - 1) <= g, g <= s),
    ),
    Formula(
        "tegum-additivity",
        SHAPES,
        "Tegum factors add: an antipodal pair beside a feature with a dimension of its own, W_3 = √g and b_3 = 0.",
        "L",
        2 * (p / 3 - s * B + s**2 * A) + p * (1 - g) ** 2 / 3,
        (density, scale, relative_bias, Variable(g, "squared length of the third feature", 0.1, 2.0)),
        lambda v: loss_at(
            independent(v),
            [[v["s"] ** 0.5, -(v["s"] ** 0.5), 0.0], [0.0, 0.0, v["g"] ** 0.5]],
            [v["c"] * v["s"], v["c"] * v["s"], 0.0],
        ),
        DERIVED,
        assumptions=(c >= 0, c <= 1),
        definitions=abbreviations(PAIR_A, PAIR_B),
    ),
    Formula(
        "square",
        SHAPES,
        "The square in two dimensions is two antipodal pairs.",
        "L",
        4 * (p / 3 - s * B + s**2 * A),
        (density, scale, relative_bias),
        lambda v: loss_at(independent(v), polygon(4, v["s"]), [v["c"] * v["s"]] * 4),
        DERIVED,
        assumptions=(c >= 0, c <= 1),
        definitions=abbreviations(PAIR_A, PAIR_B),
    ),
)

ONE_ACTIVE_FORMULAS = (
    *ONE_ACTIVE_POLYGONS,
    Formula(
        "simplex",
        ONE_ACTIVE,
        "The regular simplex of k features in k − 1 dimensions, ‖W_i‖² = s, W_i·W_j = −s/(k − 1), every bias β, one "
        "feature on.",
        "L",
        (1 - s) ** 2 / 3 - (1 - s) * β + β**2 + (k - 1) ** 2 * β**3 / (3 * s),
        (count, scale, bias),
        lambda v: loss_at(OneHotFeatures(), simplex(v["k"], v["s"]), [v["beta"]] * v["k"]),
        DERIVED,
        assumptions=(β >= 0, β <= s / (k - 1)),
    ),
    Formula(
        "obtuse",
        ONE_ACTIVE,
        "Unit vectors at angles of at least 90°, here with the same overlap g ≤ 0, store features of which at most one "
        "is on without any loss, with b = 0.",
        "L",
        sympy.Integer(0),
        (count, Variable(g, "overlap", -1.0, 0.0), Variable(p, "feature density $1-S$", 0.05, 0.5)),
        lambda v: loss_at(
            AnticorrelatedFeatures(v["p"], [range(v["k"])]), equiangular(v["k"], 1.0, v["g"]), np.zeros(v["k"])
        ),
        DERIVED,
        assumptions=(g >= -1 / (k - 1), p <= 1 / k),
    ),
    Formula(
        "anticorrelated-pair",
        ONE_ACTIVE,
        "The antipodal pair W = √s (1, −1), b = β (1, 1), two features of which at most one is on.",
        "L",
        2 * ((1 - p) * β**2 + p * ((1 - s) ** 2 / 3 - (1 - s) * β + β**3 / (3 * s))),
        (Variable(p, "feature density $1-S$", 0.05, 0.5), scale, bias),
        lambda v: loss_at(AnticorrelatedFeatures(v["p"], [(0, 1)]), antipodal(v), [v["beta"]] * 2),
        DERIVED,
        assumptions=(β >= 0, β <= s),
    ),
)
