"""Laws of dimensionality, tegum products and energies, on configurations that nobody has chosen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tegum.theory import IndependentFeatures, ToyModel, expected_loss, feature_dimensionality, polytope
from tegum.theory.geometry import tegum_factors
from tegum.theory.numerics import FloatArray
from tegum.theory.polytopes import Polytope
from tegum.theory.spheres import coulomb_energy

EXACT = 1e-10
SEEDS = st.integers(0, 10_000)


def rotated(weights: FloatArray, rng: np.random.Generator, dim: int | None = None) -> FloatArray:
    """Return weights turned at random within a space of `dim` dimensions."""
    m = len(weights) if dim is None else dim
    basis, _ = np.linalg.qr(rng.normal(size=(m, m)))
    return np.asarray(basis[:, : len(weights)] @ weights)


def tight_frame(d: int, k: int, rng: np.random.Generator) -> FloatArray:
    """Return k vectors in d dimensions with WWᵀ a multiple of 1: rows of a random orthogonal matrix."""
    basis, _ = np.linalg.qr(rng.normal(size=(k, k)))
    return np.asarray(basis[:d] * rng.uniform(0.3, 3))


def block_sum(*blocks: FloatArray) -> FloatArray:
    whole = np.zeros((sum(len(b) for b in blocks), sum(b.shape[1] for b in blocks)))
    row = column = 0
    for block in blocks:
        whole[row : row + len(block), column : column + block.shape[1]] = block
        row, column = row + len(block), column + block.shape[1]
    return whole


SIZES = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 5)), min_size=1, max_size=4)


@given(sizes=SIZES, spare=st.integers(0, 3), seed=SEEDS)
def test_dimensionalities_of_products_of_tight_frames_add_up_to_the_rank(
    sizes: list[tuple[int, int]], spare: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    frames = [tight_frame(d, d + more, rng) for d, more in sizes]
    whole = block_sum(*frames)
    weights = rotated(whole, rng, len(whole) + spare)[:, rng.permutation(whole.shape[1])]
    assert feature_dimensionality(weights).sum() == pytest.approx(len(whole), rel=EXACT)
    # Within a tight frame WWᵀ = λ, D_i = ‖W_i‖² / λ.
    for (d, _), frame in zip(sizes, frames, strict=True):
        level = (frame**2).sum() / d
        np.testing.assert_allclose(feature_dimensionality(frame), (frame**2).sum(axis=0) / level, rtol=1e-9)


@given(d=st.integers(2, 4), more=st.integers(1, 4), size=st.floats(0.05, 0.5), seed=SEEDS)
def test_what_is_no_product_of_tight_frames_falls_short_of_the_rank(d: int, more: int, size: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    # One factor that isn't tight, as its frame is stretched along one direction; general frames don't split.
    weights = tight_frame(d, d + more, rng)
    weights[0] *= 1 + size
    if len(tegum_factors(weights, 1e-3)) > 1:
        return
    found = feature_dimensionality(weights)
    # The deficit is Σ_i of the variance of WWᵀ's eigenvalues seen by feature i: of second order in the stretch.
    assert d - found.sum() > 1e-3 * size**2
    assert (found > 0).all()
    assert (found <= 1 + EXACT).all()


@settings(max_examples=25)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 2), st.integers(1, 3)), min_size=2, max_size=3),
    density=st.floats(0.02, 1),
    seed=SEEDS,
)
def test_losses_of_tegum_factors_add_up(sizes: list[tuple[int, int]], density: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    blocks = [rng.normal(size=shape, scale=0.7) for shape in sizes]
    n, m = sum(k for _, k in sizes), sum(d for d, _ in sizes)
    bias, importance = rng.normal(size=n, scale=0.2), rng.uniform(0.2, 2, n)
    places = np.cumsum([0, *(k for _, k in sizes)])
    parts = []
    for (d, k), block, first in zip(sizes, blocks, places, strict=False):
        own = ToyModel(k, d, IndependentFeatures(density), importance=importance[first : first + k])
        parts.append(float(expected_loss(own, block, bias[first : first + k])))
    order = rng.permutation(n)
    whole = ToyModel(n, m, IndependentFeatures(density), importance=importance[order])
    weights = rotated(block_sum(*blocks), rng)[:, order]
    assert float(expected_loss(whole, weights, bias[order])) == pytest.approx(sum(parts), rel=1e-9, abs=1e-13)
    alone = np.concatenate([feature_dimensionality(block) for block in blocks])
    np.testing.assert_allclose(feature_dimensionality(weights), alone[order], rtol=1e-9)


@given(d=st.integers(2, 5), k=st.integers(2, 12), seed=SEEDS)
def test_energies_dont_depend_on_rotation_or_order(d: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(d, k))
    points /= np.linalg.norm(points, axis=0)
    turned = rotated(points, rng)[:, rng.permutation(k)]
    one, other = (_solid(each) for each in (points, turned))
    assert coulomb_energy(turned.T) == pytest.approx(coulomb_energy(points.T), rel=1e-9)
    assert one.coulomb_energy == pytest.approx(coulomb_energy(points.T), rel=1e-9)
    assert other.interference == pytest.approx(one.interference, rel=1e-9, abs=EXACT)
    assert other.squared_overlaps == pytest.approx(one.squared_overlaps, rel=1e-9, abs=EXACT)
    # A ReLU lets through no more than there is, and tight frames have the fewest squared overlaps (Benedetto and
    # Fickus 2003, DOI 10.1023/A:1021323312367): k (k/d − 1), or none for orthogonal vectors.
    assert one.interference <= one.squared_overlaps + EXACT
    assert one.squared_overlaps >= max(k * (k / d - 1), 0) - EXACT


def _solid(points: FloatArray) -> Polytope:
    # Behind the face: a search is replaced by a small one.
    from tegum.compare.geometry.spheres import as_polytope

    return as_polytope(points.T, "points")


@pytest.mark.parametrize(
    "name",
    ["digon", "triangle", "pentagon", "tetrahedron", "cube", "icosahedron", "5-cell", "24-cell", "hemicube", "2_21"],
)
def test_regular_polytopes_are_balanced_and_look_alike_from_each_corner(name: str) -> None:
    solid = polytope(name)
    rows = np.sort(solid.gram, axis=1)
    np.testing.assert_allclose(rows, np.broadcast_to(rows[0], rows.shape), atol=EXACT)
    # Corners cancel, and D = d/k for each.
    np.testing.assert_allclose(solid.points.sum(axis=1), 0, atol=1e-9)
    assert len(set(solid.dimensionality)) == 1
    assert float(solid.dimensionality[0]) == pytest.approx(solid.dim / solid.n, rel=EXACT)
