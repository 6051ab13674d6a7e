"""The best map and relabelling of points on a sphere, against every relabelling and every angle."""

from __future__ import annotations

from importlib import import_module
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from tegum.theory import polytope
from tegum.theory.spheres import thomson_minimum

# Behind the face: the search behind an alignment.
alignment: Any = import_module("tegum.theory.spheres.alignment")


def on_sphere(rng: np.random.Generator, k: int, d: int) -> Any:
    points = rng.normal(size=(k, d))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def by_every_relabelling(x: Any, y: Any) -> float:
    """The distance by its definition: for each relabelling the best orthogonal map is a polar factor."""
    best = np.inf
    for order in permutations(range(len(x))):
        singular = np.linalg.svd(x.T @ y[list(order)], compute_uv=False)
        best = min(best, 2 - 2 * singular.sum() / len(x))
    return float(np.sqrt(max(best, 0.0)))


@pytest.mark.parametrize(("k", "d", "seed"), [(3, 2, 0), (6, 2, 1), (4, 3, 2), (5, 3, 3), (6, 3, 4), (6, 3, 5)])
def test_the_distance_is_that_of_the_best_relabelling(k: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = on_sphere(rng, k, d), on_sphere(rng, k, d)
    found = alignment.best_alignment(x, y, tolerance=0.02)
    exact = by_every_relabelling(x, y)
    assert found.status == "proved"
    assert found.distance == pytest.approx(exact, abs=1e-9)
    assert exact - 0.02 - 1e-12 <= found.lower_bound <= exact + 1e-12
    # What is returned does what it says.
    np.testing.assert_allclose(found.map @ found.map.T, np.eye(d), atol=1e-12)
    moved = y[found.order] @ found.map.T
    assert np.sqrt(np.square(x - moved).sum(axis=1).mean()) == pytest.approx(found.distance, abs=1e-12)


@pytest.mark.parametrize(("k", "d"), [(5, 2), (5, 3), (8, 3), (12, 3), (5, 4), (16, 5)])
@pytest.mark.parametrize("hand", [1, -1])
def test_a_turned_and_relabelled_copy_is_found(k: int, d: int, hand: int) -> None:
    rng = np.random.default_rng(k)
    # Without a mirror, so that handedness matters: not the symmetric optimum itself, but near it.
    y = thomson_minimum(k, d).points + 0.05 * rng.normal(size=(k, d))
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    turn = np.linalg.qr(rng.normal(size=(d, d)))[0]
    turn[0] *= np.sign(np.linalg.det(turn)) * hand
    order = rng.permutation(k)
    found = alignment.best_alignment(y[order] @ turn.T, y)
    assert found.distance < 1e-7
    np.testing.assert_array_equal(found.order, order)
    np.testing.assert_allclose(found.map, turn, atol=1e-7)
    assert found.status == ("proved" if d <= 3 else f"not proved: {d} dimensions")


def test_symmetries_leave_nothing_out() -> None:
    """Looking at one of each set of equivalent rotations gives the bound that looking at all gives."""
    y = polytope("octahedron").points.T
    x = on_sphere(np.random.default_rng(8), 6, 3)
    fast = alignment.best_alignment(x, y, tolerance=0.05)
    slow = alignment._Search(x, y)
    slow.symmetries = lambda: np.eye(3)[None]
    bound = min(slow.branch(np.eye(3), 0.05)[0], slow.branch(np.diag([1.0, 1, -1]), 0.05)[0])
    assert slow.best == pytest.approx(fast.distance, abs=1e-12)
    assert bound == pytest.approx(fast.lower_bound, abs=0.05)
    assert by_every_relabelling(x, y) == pytest.approx(fast.distance, abs=1e-9)


def test_a_spent_budget_still_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x, y = on_sphere(rng, 5, 3), on_sphere(rng, 5, 3)
    monkeypatch.setattr(alignment, "MOST_CELLS", 20_000)
    found = alignment.best_alignment(x, y, tolerance=1e-5)
    assert found.status == "not proved: 20000 cells spent"
    exact = by_every_relabelling(x, y)
    assert 0 < found.lower_bound <= exact + 1e-12
    assert found.distance >= exact - 1e-12


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="same shape"):
        alignment.best_alignment(np.eye(3), np.eye(2))
    with pytest.raises(ValueError, match="tolerance must be positive"):
        alignment.best_alignment(np.eye(3), np.eye(3), tolerance=0.0)
    with pytest.raises(ValueError, match="not zero"):
        alignment.best_alignment(np.zeros((2, 2)), np.eye(2))
