"""Polytopes: every row of a table of the literature's, and what holds for all of them."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy

from tegum.theory import feature_dimensionality
from tegum.theory.polytopes import Polytope, likeness, points_of_gram, polytope, tegum_product

# Behind the face: exact zeros.
from tegum.theory.polytopes.corners import is_zero

# Behind the face: families of solids behind their names.
from tegum.theory.polytopes.solids import (
    NAMED,
    cube,
    duoantiprism,
    gosset,
    hemicube,
    rectified_simplex,
    simplex,
    square_antiprism,
)
from tests.support.solids import gyroelongated_bipyramid, triaugmented_prism

# Names, coordinates, dimensionalities and energies of the superposition literature's polytopes, collected from
# arXiv:2209.10652 and the works on spherical codes that its column thomson_role names.
TABLE = Path(__file__).resolve().parents[3] / "tests" / "data" / "polytopes.csv"
with TABLE.open() as table:
    ROWS = list(csv.DictReader(table))
# Rows whose name isn't ours.
OURS = {
    "monogon (dedicated dimension)": "axis",
    "digon (antipodal pair)": "digon",
    "square antiprism (tight frame, u=1/3)": "antiprism",
    "square antiprism (Thomson optimum)": "antiprism (Thomson)",
    "square antiprism (unit-norm ReLU optimum)": "antiprism (interference)",
    "square antiprism (uniform, equal edges)": "antiprism (equal edges)",
    "pentagon + square antiprism (Thomson heights, tegum)": "pentagon + antiprism (Thomson)",
    "rectified 5-cell (Petersen code)": "rectified 5-cell",
    "hemicube (Clebsch, 16 points)": "hemicube",
}
EXACT, PRINTED = 1e-12, 1e-10


def ours(row: dict[str, str]) -> Polytope:
    name = row["name"]
    if name.startswith("triaugmented"):
        return triaugmented_prism(sympy.Rational(row["params"].partition("=")[2]))
    if name.startswith("gyroelongated"):
        return gyroelongated_bipyramid(sympy.Rational(row["params"].partition("=")[2]))
    return polytope(OURS.get(name, name.removesuffix(" (tegum)")))


def theirs(row: dict[str, str]) -> np.ndarray[Any, Any]:
    """Return the corners of a row, shape (d, k)."""
    corners = sympy.sympify(row["vertices"])
    if row["params"]:
        corners = [
            [x.subs("u", sympy.Rational(row["params"].partition("=")[2])) for x in map(sympy.sympify, c)]
            for c in corners
        ]
    return np.array([[float(sympy.sympify(x)) for x in corner] for corner in corners]).T


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_every_row_of_the_table(row: dict[str, str]) -> None:
    solid = ours(row)
    assert (solid.dim, solid.n) == (int(row["dim"]), int(row["n"]))
    points = theirs(row)
    assert likeness(points.T @ points, solid).distance < EXACT
    assert solid.coulomb_energy == pytest.approx(float(row["thomson_energy"]), rel=PRINTED, abs=PRINTED)
    assert solid.interference == pytest.approx(float(row["relu_interference"]), rel=PRINTED, abs=PRINTED)
    assert solid.squared_overlaps == pytest.approx(float(row["frame_potential_offdiag"]), rel=PRINTED, abs=PRINTED)
    assert float(sum(solid.dimensionality)) == pytest.approx(float(row["sum_D"]), rel=PRINTED)
    assert str(solid.tight) == row["tight_frame"]
    assert str(solid.union_of_tight_frames) == row["union_of_tight_frames"]
    factors = row["tegum_factors"]
    count = 1 if factors == "irreducible" else int(factors[0]) if factors[0].isdigit() else factors.count("+") + 1
    assert len(solid.factors) == count


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_dimensionalities_are_exact(row: dict[str, str]) -> None:
    wanted: Counter[Any] = Counter()
    for part in row["D_exact"].split(";"):
        text, _, times = part.strip().rpartition(" x")
        value = sympy.sympify(text)
        if row["params"]:
            value = value.subs("u", sympy.Rational(row["params"].partition("=")[2]))
        wanted[value] += int(times)
    found = Counter(ours(row).dimensionality)
    assert sorted(found.values()) == sorted(wanted.values())
    for value in wanted:
        near = min(found, key=lambda mine: abs(float(mine - value)))
        # What is a fraction is given as that; a height to forty digits isn't an algebraic number worth proving.
        assert near == value if value.is_rational and not row["params"] else abs(float(near - value)) < EXACT
        if not row["params"]:
            assert is_zero(near - value)


@pytest.mark.parametrize("name", [*NAMED, "9-gon", "6-simplex", "6-cross-polytope", "4-cube", "6-hemicube"])
def test_frames_and_bounds(name: str) -> None:
    solid = polytope(name)
    np.testing.assert_allclose(np.linalg.norm(solid.points, axis=0), 1, rtol=0, atol=EXACT)
    np.testing.assert_allclose(np.array(solid.exact_gram.evalf(), dtype=float), solid.gram, rtol=0, atol=EXACT)
    found = feature_dimensionality(solid.points)
    np.testing.assert_allclose(np.array(solid.dimensionality, dtype=float), found, rtol=EXACT)
    # Σ D_i ≤ rank W, with equality for tegum products of tight frames alone.
    assert (abs(found.sum() - solid.dim) < EXACT) == solid.union_of_tight_frames
    assert found.sum() < solid.dim + EXACT
    assert solid.coherence > solid.welch_bound - EXACT
    assert solid.frame_spectrum.sum() == pytest.approx(solid.n)
    if solid.tight:
        assert solid.squared_overlaps == pytest.approx(solid.n * (solid.n / solid.dim - 1), rel=EXACT, abs=EXACT)


@pytest.mark.parametrize("d", [1, 2, 3, 7])
def test_simplices_meet_the_welch_bound(d: int) -> None:
    assert simplex(d).coherence == pytest.approx(simplex(d).welch_bound, rel=EXACT)
    assert set(simplex(d).dimensionality) == {sympy.Rational(d, d + 1)}


def test_the_antiprism_is_a_tight_frame_at_one_height_only() -> None:
    assert [square_antiprism(u).tight for u in (0.3, sympy.Rational(1, 3), 0.35)] == [False, True, False]


@pytest.mark.parametrize(
    ("name", "energy"), [("antiprism (Thomson)", "coulomb_energy"), ("antiprism (interference)", "interference")]
)
def test_heights_of_antiprisms_are_optimal(name: str, energy: str) -> None:
    best = polytope(name)
    height = best.points[2, 0] ** 2
    for u in (height - 1e-4, height + 1e-4):
        assert getattr(square_antiprism(float(u)), energy) > getattr(best, energy)


def test_a_product_adds_up() -> None:
    parts = [polytope(name) for name in ("pentagon", "tetrahedron", "digon")]
    whole = tegum_product(*parts)
    assert whole.name == "pentagon + tetrahedron + digon"
    assert whole.dimensionality == sum((part.dimensionality for part in parts), ())
    assert whole.interference == pytest.approx(sum(part.interference for part in parts))
    assert whole.factors == ((0, 1, 2, 3, 4), (5, 6, 7, 8), (9, 10))


@pytest.mark.parametrize("name", ["pentagon", "antiprism", "24-cell", "axis + digon"])
def test_a_gram_matrix_gives_back_its_points(name: str) -> None:
    solid = polytope(name)
    points = points_of_gram(solid.gram)
    assert points.shape == (solid.dim, solid.n)
    np.testing.assert_allclose(points.T @ points, solid.gram, rtol=0, atol=EXACT)


def test_points_in_more_dimensions_than_they_need() -> None:
    flat = np.zeros((5, 3))
    flat[1:3] = polytope("triangle").points
    assert points_of_gram(flat.T @ flat).shape == (2, 3)
    assert points_of_gram(np.zeros((3, 3))).shape == (1, 3)


@pytest.mark.parametrize(
    ("gram", "message"),
    [
        ([[1.0, 0.0]], r"shape \(k, k\), got \(1, 2\)"),
        ([[1.0, 0.5], [0.2, 1.0]], "must be symmetric"),
        ([[1.0, 2.0], [2.0, 1.0]], "no negative eigenvalues, got -1"),
        ([[np.nan]], "finite"),
    ],
)
def test_what_is_no_gram_matrix_is_named(gram: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        points_of_gram(gram)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: polytope("nonagon"), "the name of a shape must be one of axis, .* got 'nonagon'"),
        (lambda: polytope("2-gon"), "at least 3 corners, got 2"),
        (lambda: simplex(0), "at least 1 dimension, got 0"),
        (lambda: cube(0), "at least 1 dimension"),
        (lambda: hemicube(2), "at least 3 dimensions, got 2"),
        (lambda: rectified_simplex(1), "at least 2 dimensions, got 1"),
        (lambda: square_antiprism(1), r"lies in \(0, 1\), got 1"),
        (lambda: tegum_product(), "factors must be at least one polytope"),
        (lambda: Polytope("long", sympy.ImmutableMatrix([[2]])), "unit vectors, got lengths"),
    ],
)
def test_bad_polytopes_are_named(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_names_in_errors_list_all_that_there_are() -> None:
    with pytest.raises(ValueError, match=re.escape(", ".join(NAMED))):
        polytope("")


@pytest.mark.parametrize(
    ("name", "dim", "overlaps"),
    [
        # Cohn and Kumar 2007, table 1: inner products and how many corners have them.
        ("2_21", 6, {-1 / 2: 10, 1 / 4: 16}),
        ("3_21", 7, {-1: 1, -1 / 3: 27, 1 / 3: 27}),
        ("4_21", 8, {-1: 1, -1 / 2: 56, 0: 126, 1 / 2: 56}),
        ("2-3 duoantiprism", 4, {-3 / 4: 2, -1 / 2: 2, 0: 1, 1 / 4: 6}),
    ],
)
def test_overlaps_of_larger_polytopes(name: str, dim: int, overlaps: dict[float, int]) -> None:
    solid = polytope(name)
    assert (solid.dim, solid.n) == (dim, 1 + sum(overlaps.values()))
    assert solid.tight
    assert solid.union_of_tight_frames
    for row in solid.gram:
        counts = Counter(np.round(row, 9).tolist())
        assert counts == {1.0: 1, **{round(value, 9): count for value, count in overlaps.items()}}


def test_the_smallest_duoantiprism_is_the_16_cell() -> None:
    assert likeness(polytope("2-2 duoantiprism").gram, polytope("16-cell")).distance < EXACT


@pytest.mark.parametrize("make", [lambda: duoantiprism(1, 3), lambda: duoantiprism(2, 3, 1), lambda: gosset(9)])
def test_larger_polytopes_that_are_none(make: Any) -> None:
    with pytest.raises(ValueError, match="got"):
        make()
