"""Phase labels know every polytope of the atlas, by overlaps that are exact, and far enough from each other."""

from __future__ import annotations

import numpy as np
import pytest

from tegum.theory import phase, polytope
from tegum.theory.geometry import TRAINED_TOLERANCE, phase_factors
from tests.support.internals import internals
from tests.support.tolerances import tolerance

# How each is labelled; those that are tegum products by their factors.
ATLAS = {
    **{name: name for name in ("axis", "digon", "triangle", "pentagon", "hexagon", "heptagon", "octagon")},
    **{name: name for name in ("tetrahedron", "cube", "icosahedron", "dodecahedron", "cuboctahedron", "antiprism")},
    "antiprism (Thomson)": "antiprism",
    "antiprism (interference)": "antiprism",
    "antiprism (equal edges)": "antiprism",
    **{name: name for name in ("5-cell", "24-cell", "rectified 5-cell", "hemicube", "2_21", "3_21", "4_21")},
    **{name: name for name in ("9-gon", "7-simplex", "4-cube", "6-hemicube", "rectified 5-simplex")},
    **{name: name for name in ("2-3 duoantiprism", "2-4 duoantiprism", "3-3 duoantiprism")},
    "square": "digon digon",
    "octahedron": "digon digon digon",
    "16-cell": "digon digon digon digon",
    "triangular bipyramid": "triangle digon",
    "pentagonal bipyramid": "pentagon digon",
}
# Behind the face: the overlaps by which polytopes are known, and how near is near.
known_solids = internals("geometry.shapes").known_solids
LIKE = internals("geometry.shapes").LIKE


def named(weights: np.ndarray[tuple[int, int], np.dtype[np.float64]], within: float) -> str:
    return " ".join(one.name for one in phase_factors(weights, np.zeros(weights.shape[1]), within))


def test_the_list_is_the_atlas() -> None:
    # Behind the face: all names that have no number in them.
    assert set(internals("polytopes.solids").NAMED) <= set(ATLAS)


@pytest.mark.parametrize("name", ATLAS)
def test_a_polytope_of_the_atlas_is_named(name: str) -> None:
    # Turned into more dimensions, and with noise of training within its tolerance.
    corners = polytope(name).points
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(len(corners) + 2, len(corners))))[0]
    weights = 1.1 * turn @ corners
    assert named(weights, 1e-3) == ATLAS[name]
    assert named(weights + 0.005 * rng.normal(size=weights.shape), TRAINED_TOLERANCE) == ATLAS[name]


@pytest.mark.parametrize("name", [name for name in ATLAS if "(" not in name])
def test_overlaps_are_those_of_exact_corners(name: str) -> None:
    shape = polytope(name)
    for row in [known_solids(shape.n, shape.dim)[name]] if name in known_solids(shape.n, shape.dim) else []:
        exact = np.sort(shape.gram, axis=1)[:, :-1]
        np.testing.assert_allclose(exact, np.broadcast_to(row, exact.shape), atol=tolerance("rounding"))


def test_no_two_of_the_atlas_are_alike() -> None:
    # Names are given within LIKE; two that are less than twice that apart could be taken for each other.
    apart = []
    for name in ATLAS:
        shape = polytope(name)
        own = np.sort(shape.gram, axis=1)[0, :-1]
        others = known_solids(shape.n, shape.dim).items()
        apart += [np.abs(own - row).max() for other, row in others if other.partition(" (")[0] != ATLAS[name]]
    assert min(apart) > 2 * LIKE
    assert phase(polytope("cube").points, np.zeros(8)) == "cube(1-8)"


def test_what_is_like_none_is_a_cluster() -> None:
    rng = np.random.default_rng(3)
    weights = rng.normal(size=(3, 8))
    assert phase(weights / np.linalg.norm(weights, axis=0), np.zeros(8)) == "cluster(1-8)"
