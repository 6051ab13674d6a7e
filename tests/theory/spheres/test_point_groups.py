"""Symmetries of points in space: solids, planes, lines, and points without any."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tegum.theory import polytope
from tegum.theory.spheres import symmetries

# Behind the face: the group of points that no search found.
from tegum.theory.spheres.point_groups import point_group

TURN = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]


def ring(k: int, height: float, turn: float = 0.0, radius: float = 1.0) -> Any:
    angles = 2 * np.pi * (np.arange(k) + turn) / k
    return np.stack([radius * np.cos(angles), radius * np.sin(angles), np.full(k, height)], axis=1)


def both(points: Any) -> Any:
    """Return points and their opposites."""
    return np.concatenate([np.array(points), -np.array(points)]).astype(float)


def cyclic(points: Any) -> Any:
    """Return points with their coordinates in cyclic order."""
    return np.concatenate([np.roll(points, k, axis=1) for k in range(3)]).astype(float)


T = cyclic([[1, 2, 4], [1, -2, -4], [-1, 2, -4], [-1, -2, 4]])
CASES = {
    "Td": polytope("tetrahedron").points.T,
    "Oh": polytope("cube").points.T,
    "Ih": polytope("icosahedron").points.T,
    "D4d": polytope("antiprism").points.T,
    "D3h": np.concatenate([ring(3, 0.5), ring(3, -0.5)]),
    "D5h": ring(5, 0.0),
    "D3": np.concatenate([ring(3, 0.5), ring(3, -0.5, 0.2)]),
    "D2d": np.concatenate([ring(2, 0.5), ring(2, -0.5, 0.5)]),
    "D2": np.concatenate([ring(2, 0.5), ring(2, -0.5, 0.3)]),
    "D2h": np.array([[1, 0.5, 0.2], [1, -0.5, 0.2], [-1, 0.5, 0.2], [-1, -0.5, 0.2]]) * [1, 1, 1] + [0, 0, -0.2],
    "C4v": np.concatenate([ring(4, 0.3), [[0, 0, 1.0]]]),
    "C3": np.concatenate([ring(3, 0.3), ring(3, -0.5, 0.2), ring(3, 0.1, 0.43, 0.7)]),
    "C2h": np.array(
        [[1, 0.3, 0], [-1, -0.3, 0], [0.2, 0.9, 0.5], [0.2, 0.9, -0.5], [-0.2, -0.9, 0.5], [-0.2, -0.9, -0.5]]
    ),
    "S4": np.concatenate([ring(2, 0.5), ring(2, -0.5, 0.5), ring(2, 0.2, 0.2, 0.6), ring(2, -0.2, 0.7, 0.6)]),
    "Ci": both([[1, 0, 0], [0.3, 1, 0.2], [0.1, 0.2, 1]]),
    "Cs": np.array([[1, 0, 0.3], [1, 0, -0.3], [0.2, 0.9, 0], [-0.5, 0.1, 0.8], [-0.5, 0.1, -0.8]]),
    "C1": np.random.default_rng(1).normal(size=(7, 3)),
    "Th": np.array(
        [[a, b, c] for s in (1, -1) for t in (1, -1) for a, b, c in ((0, s, 2 * t), (s, 2 * t, 0), (2 * t, 0, s))]
    ),
    "T": np.concatenate([np.roll([[1, 2, 4], [1, -2, -4], [-1, 2, -4], [-1, -2, 4]], k, axis=1) for k in range(3)])
    * 1.0,
    "O": np.concatenate([T, -T[:, [1, 0, 2]]]),
    "Dinfh": np.array([[0, 0, 1.0], [0, 0, -1.0]]),
    "Cinfv": np.array([[0, 0, 1.0], [0, 0, -0.5]]),
}
ORDERS = {"Td": 24, "Oh": 48, "Ih": 120, "D4d": 16, "D3h": 12, "D5h": 20, "O": 24, "T": 12, "Th": 24, "S4": 4, "C1": 1}


@pytest.mark.parametrize("symbol", CASES)
def test_the_symbol_of_known_shapes(symbol: str) -> None:
    assert point_group(CASES[symbol] @ TURN) == symbol


@pytest.mark.parametrize("symbol", ORDERS)
def test_symmetries_are_a_group_of_the_right_order(symbol: str) -> None:
    points = CASES[symbol] @ TURN
    found = symmetries(points)
    assert len(found) == ORDERS[symbol]
    for one in found:
        np.testing.assert_allclose(one @ one.T, np.eye(3), rtol=0, atol=1e-9)
        moved = points @ one.T
        assert np.linalg.norm(moved[:, None] - points[None], axis=-1).min(axis=1).max() < 1e-9
    products = np.einsum("aij,bjk->abik", found, found).reshape(-1, 3, 3)
    near = np.abs(products[:, None] - found[None]).max(axis=(-1, -2)).min(axis=1)
    assert near.max() < 1e-9


def test_a_shift_beyond_the_tolerance_breaks_a_symmetry() -> None:
    points = polytope("cube").points.T.copy()
    points[0] *= 1.001
    assert point_group(points) == "C3v"
    assert point_group(points, tolerance=0.01) == "Oh"


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match=r"shape \(n, 3\), got \(2, 2\)"):
        symmetries(np.eye(2))
    with pytest.raises(ValueError, match="infinitely many symmetries"):
        symmetries(np.array([[0, 0, 1.0], [0, 0, -1.0]]))
