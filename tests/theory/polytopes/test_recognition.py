"""Recognition of polytopes by their Gram matrices: under rotation, relabelling, scale and noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tegum.theory.polytopes import likeness, polytope, recognise, tegum_product

# Behind the face: the list of what is known.
from tegum.theory.polytopes.recognition import KNOWN

EXACT = 1e-12
# How many ways a polytope has onto itself: the order of its symmetry group.
SYMMETRIES = {
    "digon": 2,
    "triangle": 6,
    "pentagon": 10,
    "tetrahedron": 24,
    "antiprism": 16,
    "cube": 48,
    "icosahedron": 120,
    "5-cell": 120,
    "rectified 5-cell": 120,
    "24-cell": 1152,
}


def disguised(name: str, *, noise: float = 0.0, seed: int = 0) -> tuple[Any, Any]:
    """Return a polytope's corners turned, relabelled, scaled and shaken, and the order of its corners."""
    rng, solid = np.random.default_rng(seed), polytope(name)
    turn = np.linalg.qr(rng.normal(size=(solid.dim, solid.dim)))[0]
    order = rng.permutation(solid.n)
    return 1.3 * (turn @ solid.points + noise * rng.normal(size=solid.points.shape))[:, order], order


@pytest.mark.parametrize("name", KNOWN)
def test_every_polytope_is_recognised_in_disguise(name: str) -> None:
    points, _ = disguised(name)
    (found,) = recognise(points)
    assert found.best is not None
    assert found.best.name == name
    assert found.best.distance < EXACT
    assert found.features == tuple(range(points.shape[1]))
    assert found.second is None or found.second.distance > 0.01
    shape = polytope(name)
    corners = list(found.best.order)
    np.testing.assert_allclose(points.T @ points / 1.69, shape.gram[np.ix_(corners, corners)], rtol=0, atol=EXACT)


@pytest.mark.parametrize("name", ["triangle", "pentagon", "tetrahedron", "icosahedron", "rectified 5-cell"])
def test_noise_is_measured_not_hidden(name: str) -> None:
    distances = []
    for noise in (0.001, 0.01, 0.03):
        points, _ = disguised(name, noise=noise)
        (found,) = recognise(points)
        assert found.best is not None
        assert found.best.name == name
        distances.append(found.best.distance)
    assert (np.diff(distances) > 0).all()
    assert distances[0] < 0.01


@pytest.mark.parametrize("name", SYMMETRIES)
def test_the_search_goes_through_all_symmetries(name: str) -> None:
    # Noise keeps it from stopping at the first placement. Around an antiprism others come near as well.
    points, _ = disguised(name, noise=1e-4)
    tried = likeness(points.T @ points, polytope(name)).placements
    assert tried == SYMMETRIES[name] * (3 if name == "antiprism" else 1)


def test_the_distance_is_the_best_of_all_relabellings() -> None:
    from itertools import permutations

    points, _ = disguised("pentagon", noise=0.05, seed=3)
    gram = points.T @ points
    gram = gram / np.trace(gram) * 5
    shape = polytope("pentagon")
    brute = min(np.abs(gram - shape.gram[np.ix_(order, order)]).max() for order in permutations(range(5)))
    assert likeness(gram, shape).distance == pytest.approx(brute, rel=1e-9)


def test_dimensionality_alone_would_confuse_them() -> None:
    pentagons, code = polytope("pentagon + pentagon"), polytope("rectified 5-cell")
    assert set(pentagons.dimensionality) == set(code.dimensionality)
    assert likeness(pentagons.gram, code).distance > 0.3
    assert [found.best.name for found in recognise(pentagons.points) if found.best] == ["pentagon", "pentagon"]
    assert [found.best.name for found in recognise(code.points) if found.best] == ["rectified 5-cell"]


def test_three_antiprisms_are_told_apart() -> None:
    for height in ("antiprism", "antiprism (Thomson)", "antiprism (interference)"):
        assert abs(float(polytope(height).dimensionality[0]) - 3 / 8) < 0.002
        (found,) = recognise(polytope(height).points)
        assert found.best is not None
        assert found.second is not None
        assert (found.best.name, found.best.distance < EXACT) == (height, True)
        assert 0.01 < found.second.distance < 0.06


def test_factors_are_recognised_one_by_one() -> None:
    whole = tegum_product(*(polytope(name) for name in ("digon", "axis", "pentagon", "tetrahedron"))).points
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(7, 7)))[0]
    weights = np.concatenate([turn @ whole, np.zeros((7, 2))], axis=1)
    names = {found.features: found.best and found.best.name for found in recognise(weights)}
    assert names == {(0, 1): "digon", (2,): "axis", (3, 4, 5, 6, 7): "pentagon", (8, 9, 10, 11): "tetrahedron"}


def test_what_no_known_polytope_is_like_says_so() -> None:
    lines = np.array([[1.0, 1.0, 1.0]]) * [0.5, 0.6, 0.7]
    (found,) = recognise(lines)
    assert (found.rank, found.best, found.second) == (1, None, None)
    assert not found.is_like(10.0)
    wide = np.array([[1.0, -0.1], [0.0, 0.995]])
    (found,) = recognise(wide, tolerance=0.05)
    assert found.best is None


def test_sizes_that_differ_are_infinitely_far() -> None:
    assert likeness(np.eye(3), polytope("digon")).distance == np.inf
    assert likeness(np.zeros((2, 2)), polytope("digon")).distance == np.inf


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="takes one model"):
        recognise(np.ones((2, 2, 2)))
    with pytest.raises(ValueError, match="name of a shape must be one of"):
        recognise(np.eye(2), among=["sphere"])
