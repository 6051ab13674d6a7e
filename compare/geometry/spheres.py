"""Features of a toy model held against the Thomson problem: the same number of points, both on the unit sphere."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import sympy
from numpy.typing import ArrayLike, NDArray

from tegum.theory.geometry import feature_norms
from tegum.theory.numerics import FloatArray, Summarised, check_number, check_seed, reals
from tegum.theory.packing import Packed, packed
from tegum.theory.polytopes import Polytope
from tegum.theory.spheres import Alignment, ThomsonMinimum, best_alignment, coulomb_energy, thomson_minimum

# Features shorter than this share of 1 or of the longest, and directions in which all are, count as none. Weights fresh
# from training need as much (theory/polytopes/recognition.py).
TOLERANCE = 0.1


@dataclass(frozen=True, eq=False)
class ThomsonComparison(Summarised):
    """Directions of features beside the points of least Coulomb energy.

    Attributes:
        features: that are represented, counted from 0.
        lengths: ‖W_i‖ of these, shape (k,), which the sphere forgets.
        directions: as a polytope of k corners in d dimensions, with energies and more.
        thomson: the minimum of the Thomson problem for k points in d dimensions.
        optimum: its points as a polytope.
        alignment: of the directions with these points.
        loss: exact loss of k equal features with these directions, the best scale and the best bias for all; None if no
            density was given.
        thomson_loss: likewise with the Thomson points as directions.
    """

    features: tuple[int, ...]
    lengths: FloatArray
    directions: Polytope
    thomson: ThomsonMinimum
    optimum: Polytope
    alignment: Alignment
    loss: Packed | None
    thomson_loss: Packed | None

    @property
    def energy_ratio(self) -> float:
        """Coulomb energy of the directions over the least one, at least 1; large or infinite where two coincide."""
        return float(coulomb_energy(self.directions.points.T)) / self.thomson.energy


def as_polytope(points: ArrayLike, name: str = "") -> Polytope:
    """Return unit vectors as a polytope in floats.

    Args:
        points: shape (k, d), of length 1.
        name: what to call it.
    """
    return Polytope(name, sympy.ImmutableMatrix(sympy.Matrix(np.asarray(points).T)))


def represented(weights: ArrayLike, tolerance: float = TOLERANCE) -> tuple[NDArray[np.int64], int]:
    """Return which features of a model are represented, and in how many dimensions.

    Args:
        weights: W, shape (n_hidden, n_features).
        tolerance: relative size up to which columns and singular values count as zero.

    Raises:
        ValueError: if the shape isn't that of one model's weights.
    """
    lengths = np.asarray(feature_norms(weights))
    if lengths.ndim != 1:
        raise ValueError(f"weights of one model must have shape (n_hidden, n_features), got {np.shape(weights)}")
    features = np.flatnonzero(lengths > tolerance * max(1.0, lengths.max()))
    if not len(features):
        return features, 0
    sizes = np.linalg.svd(np.asarray(weights, dtype=np.float64)[:, features], compute_uv=False)
    return features, int((sizes > tolerance * sizes[0]).sum())


def thomson_comparison(
    weights: ArrayLike, *, density: float | None = None, tolerance: float = TOLERANCE, seed: int = 0
) -> ThomsonComparison:
    """Compare the directions of a model's features with the Thomson problem of as many points and dimensions.

    Features that aren't represented are left out. The others are put on the unit sphere of the space that they span.

    Args:
        weights: W, shape (n_hidden, n_features).
        density: 1 − S in (0, 1), at which the exact losses of both sets of directions are to be compared.
        tolerance: relative size up to which columns and singular values count as zero.
        seed: of the searches.

    Raises:
        ValueError: if the shape isn't that of one model's weights, fewer than two features are represented, they span
            one dimension only, or the density isn't one.

    Example:
        >>> from tegum.theory import polytope
        >>> cube = thomson_comparison(polytope("cube").points)
        >>> round(cube.energy_ratio, 4), round(cube.alignment.distance, 3)    # least energy has the antiprism
        (1.0033, 0.322)
    """
    weights = reals("weights", weights, ("n_hidden", "n_features"))
    tolerance = check_number("tolerance", tolerance, least=0, below=1)
    if density is not None:
        density = check_number("density", density, above=0, below=1)
    check_seed("seed", seed)
    features, dim = represented(weights, tolerance)
    if dim < 2:
        raise ValueError(
            f"weights must store features in two dimensions at least to be compared, got {len(features)} in {dim}"
        )
    lengths = np.asarray(feature_norms(weights))
    stored = np.asarray(weights, dtype=np.float64)[:, features]
    left, _, _ = np.linalg.svd(stored / lengths[features], full_matrices=False)
    # Within the span as it is, where that is all of the hidden space.
    points = (stored.T if dim == len(stored) else (left[:, :dim].T @ stored).T) / lengths[features][:, None]
    points = points / np.linalg.norm(points, axis=1, keepdims=True)
    directions = as_polytope(points, f"{len(features)} features")
    thomson = _minimum(len(features), dim, seed)
    optimum = as_polytope(thomson.points, f"Thomson, {len(features)} points")
    losses: list[Any] = [None, None]
    if density is not None:
        losses = [packed(directions, density), _thomson_packed(len(features), dim, seed, density)]
    return ThomsonComparison(
        tuple(map(int, features)), lengths[features], directions, thomson, optimum,
        best_alignment(points, thomson.points, seed=seed), *losses,
    )  # fmt: skip


@lru_cache(maxsize=256)
def _minimum(n: int, dim: int, seed: int) -> ThomsonMinimum:
    return thomson_minimum(n, dim, seed=seed)


@lru_cache(maxsize=256)
def _thomson_packed(n: int, dim: int, seed: int, density: float) -> Packed:
    return packed(as_polytope(_minimum(n, dim, seed).points, f"Thomson, {n} points"), density)
