"""Features beside the Thomson problem, and what docs/analogy.md derives about their energies."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

from tegum.compare.geometry import thomson_comparison
from tegum.theory import IndependentFeatures, ToyModel, expected_loss, polytope
from tegum.theory.geometry import tegum_factors
from tegum.theory.spheres import coulomb_energy

# Behind the face: a search is replaced by a small one.
comparison: Any = import_module("tegum.compare.geometry.spheres")


@pytest.mark.parametrize("name", ["pentagon", "tetrahedron", "triangular bipyramid", "octahedron", "icosahedron"])
def test_polytopes_that_are_thomson_optima(name: str) -> None:
    solid = polytope(name)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(solid.dim, solid.dim)))[0]
    # Lengths are forgotten, and features that aren't represented left out.
    weights = np.insert(turn @ solid.points * np.linspace(0.8, 1.3, solid.n), 2, 0.0, axis=1)
    found = thomson_comparison(weights)
    assert found.features == tuple(i for i in range(solid.n + 1) if i != 2)
    assert found.energy_ratio == pytest.approx(1, abs=1e-12)
    assert found.alignment.distance < 1e-7
    assert found.alignment.lower_bound == 0
    np.testing.assert_allclose(found.lengths, np.linspace(0.8, 1.3, solid.n))
    assert found.directions.interference == pytest.approx(found.optimum.interference, abs=1e-7)
    assert found.loss is None


def test_the_cube_is_not_one() -> None:
    found = thomson_comparison(polytope("cube").points, density=0.1)
    assert found.energy_ratio == pytest.approx(polytope("cube").coulomb_energy / 19.6752878612, rel=1e-9)
    assert found.alignment.lower_bound > 0.3
    assert found.loss is not None
    assert found.thomson_loss is not None
    # The loss of the directions is that of the weights with their scale and bias.
    for solid, packed in ((found.directions, found.loss), (found.optimum, found.thomson_loss)):
        model = ToyModel(8, 3, IndependentFeatures(0.1))
        value = expected_loss(model, packed.scale**0.5 * solid.points, np.full(8, packed.bias))
        assert packed.loss == pytest.approx(float(value), rel=1e-9)
        for step in (-1e-3, 1e-3):
            near = expected_loss(model, (packed.scale + step) ** 0.5 * solid.points, np.full(8, packed.bias))
            assert near > value
    assert found.thomson_loss.loss < found.loss.loss


def test_features_in_a_plane_of_a_larger_space_are_points_of_a_circle() -> None:
    basis = np.linalg.qr(np.random.default_rng(2).normal(size=(6, 2)))[0]
    found = thomson_comparison(basis @ polytope("pentagon").points)
    assert found.directions.dim == 2
    np.testing.assert_allclose(found.directions.gram, polytope("pentagon").gram, atol=1e-12)
    assert found.alignment.distance < 1e-7


def test_features_that_coincide_have_a_large_energy() -> None:
    found = thomson_comparison(np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    assert found.energy_ratio == np.inf


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([[1.0, -1.0, 0.0]], "got 2 in 1"),
        ([[0.0, 0.0], [0.0, 0.0]], "got 0 in 0"),
        (np.ones((2, 2, 3)), "must have shape"),
    ],
)
def test_bad_input_is_named(weights: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        thomson_comparison(weights)
    with pytest.raises(ValueError, match="density must lie in"):
        thomson_comparison(np.eye(3), density=1.5)


def interference(flat: Any, k: int, d: int) -> float:
    """The ReLU² energy of unit vectors."""
    points = flat.reshape(k, d) / np.linalg.norm(flat.reshape(k, d), axis=1, keepdims=True)
    gram = points @ points.T
    np.fill_diagonal(gram, 0)
    return float(np.square(np.maximum(gram, 0)).sum())


def zeros(k: int, d: int, tries: int) -> list[Any]:
    """Ends of descents of the ReLU² energy from random points."""
    rng, ends = np.random.default_rng([k, d]), []
    for _ in range(tries):
        found = minimize(interference, rng.normal(size=k * d), args=(k, d), method="BFGS", options={"gtol": 1e-12})
        points = found.x.reshape(k, d)
        ends.append(points / np.linalg.norm(points, axis=1, keepdims=True))
    return ends


@pytest.mark.parametrize(("k", "d"), [(3, 2), (4, 3), (5, 3)])
def test_interference_vanishes_on_a_continuum_below_two_features_a_dimension(k: int, d: int) -> None:
    ends = [points for points in zeros(k, d, 12) if interference(points.ravel(), k, d) < 1e-15]
    assert len(ends) >= 6
    energies = sorted(coulomb_energy(points) for points in ends)
    assert np.diff(energies).max() > 1e-3
    assert len({round(energy, 6) for energy in energies}) >= 5
    for points in ends:
        # Each tegum factor has at most one more feature than it has dimensions.
        for factor in tegum_factors(points.T, 1e-4):
            assert len(factor) - np.linalg.matrix_rank(points[list(factor)], tol=1e-3) <= 1


def test_with_two_features_a_dimension_it_vanishes_at_the_cross_polytope_alone() -> None:
    for points in zeros(6, 3, 6):
        if interference(points.ravel(), 6, 3) < 1e-12:
            gram = np.sort((points @ points.T)[np.triu_indices(6, 1)])
            np.testing.assert_allclose(gram, [-1] * 3 + [0] * 12, atol=2e-3)
    assert min(interference(points.ravel(), 7, 3) for points in zeros(7, 3, 8)) > 0.1


def tight_frame(k: int, d: int, seed: int) -> Any:
    """A random tight frame of unit vectors, by descent of the squared overlaps to their least value."""
    points = np.random.default_rng(seed).normal(size=(k, d))
    for _ in range(20_000):
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        if np.abs(points.T @ points - np.eye(d) * k / d).max() < 1e-13:
            break
        points -= 0.3 * points @ (points.T @ points - np.eye(d) * k / d) / (k / d)
    return points


@pytest.mark.parametrize(("k", "d"), [(5, 3), (7, 3), (8, 3), (5, 2)])
def test_squared_overlaps_tell_no_tight_frame_from_another(k: int, d: int) -> None:
    frames = [tight_frame(k, d, seed) for seed in range(3)]
    energies = [float(coulomb_energy(points)) for points in frames]
    assert np.ptp(energies) > 1e-3
    for points in frames:
        squared = np.square(points @ points.T).sum() - k
        assert squared == pytest.approx(k * (k / d - 1), rel=1e-11)
        # The tangent space of tight frames, rotations left out, has (k − d − 1)(d − 1) dimensions.
        moves = []
        for i in range(k):
            for direction in np.linalg.svd(points[i][None])[2][1:]:
                change = np.outer(points[i], direction)
                moves.append((change + change.T)[np.triu_indices(d)])
        free = k * (d - 1) - np.linalg.matrix_rank(np.array(moves), tol=1e-8) - d * (d - 1) // 2
        assert free == (k - d - 1) * (d - 1)


@pytest.mark.parametrize("name", ["triangle", "tetrahedron", "triangular bipyramid", "octahedron"])
def test_pairs_of_active_features_cost_what_is_derived(name: str) -> None:
    """Unit vectors without interference, b = 0: p² Σ_{i≠j} (g²/3 − g³/6) with g = |G_ij|, in the limit of small p."""
    solid = polytope(name)
    size = np.abs(solid.gram - np.eye(solid.n))
    wanted = float((size**2 / 3 - size**3 / 6).sum())
    found = []
    for density in (1e-3, 5e-4):
        model = ToyModel(solid.n, solid.dim, IndependentFeatures(density))
        found.append(float(expected_loss(model, solid.points, np.zeros(solid.n))) / density**2)
    assert 2 * found[1] - found[0] == pytest.approx(wanted, rel=1e-5)


def test_digons_and_axes_are_the_cheapest_for_pairs() -> None:
    """Among random zeros of the interference none costs less than k − d digons and 2d − k axes."""
    for k, d in ((3, 2), (4, 3), (5, 3)):
        for points in zeros(k, d, 8):
            if interference(points.ravel(), k, d) < 1e-15:
                size = np.abs(points @ points.T - np.eye(k))
                assert float((size**2 / 3 - size**3 / 6).sum()) > (k - d) / 3 - 1e-6
