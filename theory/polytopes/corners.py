"""Polytopes whose corners are features: exact coordinates, and what follows from their Gram matrix.

A `Polytope` has its corners as columns of unit length, like W. Everything else is computed from them: exactly where it
is asked for exactly, in float64 otherwise. `solids.py` has the constructors by name, and `recognition.py` tells which
one a Gram matrix is. docs/geometry.md says more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import sympy

from ..geometry import checked_weights, tegum_factors
from ..numerics import FloatArray, Summarised, check_kind, check_number, check_text, members, reals

# Overlaps of unit vectors below this are zero, eigenvalues closer than this are one.
SAME = 1e-9
# Dimensionalities with denominators up to this are looked for among the rational numbers.
LARGEST_DENOMINATOR = 1000


@dataclass(frozen=True, eq=False)
class Polytope(Summarised):
    """A configuration of k unit vectors in d dimensions.

    Attributes:
        name: such as "pentagon" or "pentagon + digon".
        vertices: exact coordinates, shape (d, k), one column for each corner.
        source: where the name or the coordinates come from.
    """

    name: str
    vertices: sympy.ImmutableMatrix
    source: str = "elementary"

    def __post_init__(self) -> None:
        """Check that all corners are at distance 1."""
        check_text("name", self.name)
        check_kind("vertices", self.vertices, sympy.MatrixBase)
        check_text("source", self.source)
        lengths = np.linalg.norm(self.points, axis=0)
        if np.abs(lengths - 1).max() > SAME:
            raise ValueError(f"corners must be unit vectors, got lengths {lengths}")

    @property
    def dim(self) -> int:
        """Dimensions d."""
        return int(self.vertices.shape[0])

    @property
    def n(self) -> int:
        """Number of corners k."""
        return int(self.vertices.shape[1])

    @cached_property
    def points(self) -> FloatArray:
        """The corners in float64, shape (d, k)."""
        return np.array(self.vertices.evalf(20).tolist(), dtype=np.float64)

    @cached_property
    def gram(self) -> FloatArray:
        """Overlaps of the corners, shape (k, k)."""
        return np.asarray(self.points.T @ self.points)

    @cached_property
    def exact_gram(self) -> sympy.ImmutableMatrix:
        """Overlaps of the corners, exact, shape (k, k)."""
        return sympy.ImmutableMatrix((self.vertices.T * self.vertices).applyfunc(_simple))

    @cached_property
    def factors(self) -> tuple[tuple[int, ...], ...]:
        """The tegum factors: corners that interfere, directly or through others."""
        return tegum_factors(self.points, SAME)

    @cached_property
    def dimensionality(self) -> tuple[sympy.Expr, ...]:
        """D_i = 1 / Σ_j G_ij² of each corner: a rational number wherever it is one, which is proved."""
        known: dict[float, sympy.Expr] = {}
        found = []
        for i, value in enumerate(1 / (self.gram**2).sum(axis=1)):
            key = round(float(value), 9)
            if key not in known:
                known[key] = _rational_or_not(sum(entry**2 for entry in self.exact_gram.row(i)), float(value))
            found.append(known[key])
        return tuple(found)

    @cached_property
    def frame_spectrum(self) -> FloatArray:
        """Eigenvalues of WWᵀ, ascending, shape (d,). Their sum is k."""
        return np.asarray(np.linalg.eigvalsh(self.points @ self.points.T))

    @property
    def tight(self) -> bool:
        """Whether the corners are a tight frame: WWᵀ = (k/d) 1."""
        return bool(np.ptp(self.frame_spectrum) < SAME)

    @property
    def union_of_tight_frames(self) -> bool:
        """Whether each tegum factor is a tight frame of its span, which is when Σ D_i = d.

        Part of the account of a polytope for its readers, as the Welch bound is; nothing is computed from either.
        """
        return bool(all(self._factor(factor).tight for factor in self.factors))

    def _factor(self, corners: Sequence[int]) -> Polytope:
        """Return the polytope of some corners within their span, in floats."""
        own = self.points[:, list(corners)]
        return Polytope("", sympy.ImmutableMatrix(sympy.Matrix(points_of_gram(own.T @ own))))

    @property
    def coherence(self) -> float:
        """The largest |G_ij| of two corners, 0 for one."""
        return float(np.abs(self._overlaps).max(initial=0.0))

    @property
    def welch_bound(self) -> float:
        """√((k − d) / (d (k − 1))), below which no coherence of k vectors in d dimensions lies (k ≥ d).

        Source: Welch 1974, DOI 10.1109/TIT.1974.1055219.
        """
        return float(np.sqrt((self.n - self.dim) / (self.dim * (self.n - 1)))) if self.n > 1 else 0.0

    @property
    def coulomb_energy(self) -> float:
        """Σ_{i<j} 1 / |w_i − w_j| of unit charges at the corners."""
        return float((1 / np.sqrt(2 - 2 * self._overlaps)).sum())

    @property
    def interference(self) -> float:
        """Σ_{i≠j} max(G_ij, 0)²: what a ReLU lets through of other features (arXiv:2209.10652)."""
        return float(2 * (np.maximum(np.where(np.abs(self._overlaps) > SAME, self._overlaps, 0), 0) ** 2).sum())

    @property
    def squared_overlaps(self) -> float:
        """Σ_{i≠j} G_ij², the frame potential but for its diagonal. It is k (k/d − 1) for every tight frame."""
        return float(2 * (self._overlaps**2).sum())

    @property
    def _overlaps(self) -> FloatArray:
        """Each pair's overlap once."""
        return np.asarray(self.gram[np.triu_indices(self.n, 1)])


def _simple(value: sympy.Expr) -> sympy.Expr:
    return sympy.sqrtdenest(sympy.radsimp(sympy.expand(value)))


def _rational_or_not(inverse: sympy.Expr, value: float) -> sympy.Expr:
    """Return 1 / inverse, as a rational number if it is one."""
    guess = Fraction(value).limit_denominator(LARGEST_DENOMINATOR)
    rational = sympy.Rational(guess.numerator, guess.denominator)
    if abs(float(guess) - value) < SAME and is_zero(inverse - 1 / rational):
        return rational
    return sympy.radsimp(1 / _simple(inverse))


def is_zero(value: sympy.Expr) -> bool:
    """Return whether an algebraic number is 0, decided by its minimal polynomial; False if it has free symbols."""
    value = sympy.sympify(value)
    if value.free_symbols or value.has(sympy.Float):
        return bool(value == 0)
    x = sympy.Dummy("x")
    return bool(sympy.minimal_polynomial(value, x) == x)


def tegum_product(*factors: Polytope) -> Polytope:
    """Return the polytope whose factors lie in orthogonal spaces: corners of different ones don't interfere.

    Args:
        factors: at least one.

    Raises:
        ValueError: if there is none.
    """
    factors = members("factors", factors, Polytope)
    if not factors:
        raise ValueError("factors must be at least one polytope, got none")
    if len(factors) == 1:
        return factors[0]
    vertices = sympy.ImmutableMatrix(sympy.diag(*(factor.vertices for factor in factors)))
    sources = sorted({factor.source for factor in factors})
    return Polytope(" + ".join(factor.name for factor in factors), vertices, "; ".join(sources))


def points_of_gram(gram: Any, *, tolerance: float = SAME) -> FloatArray:
    """Return points with a given Gram matrix, in as few dimensions as they need.

    Args:
        gram: G, shape (k, k), symmetric and positive semi-definite.
        tolerance: eigenvalues below this share of the largest are zero.

    Returns:
        W of shape (rank, k) with WᵀW = G, unique up to a rotation. At least one row.

    Raises:
        ValueError: if G isn't a symmetric square matrix of finite numbers, or has a negative eigenvalue.

    Example:
        >>> points = points_of_gram([[1, -0.5, -0.5], [-0.5, 1, -0.5], [-0.5, -0.5, 1]])
        >>> points.shape    # a triangle needs two dimensions
        (2, 3)
    """
    tolerance = check_number("tolerance", tolerance, least=0, below=1)
    gram = reals("gram", gram, ("k", "k"))
    _, gram = checked_weights(np.asarray(gram, dtype=np.float64))
    if gram.ndim != 2 or gram.shape[0] != gram.shape[1]:
        raise ValueError(f"a Gram matrix must have shape (k, k), got {gram.shape}")
    largest = np.abs(gram).max()
    if np.abs(gram - gram.T).max() > tolerance * max(largest, SAME):
        raise ValueError("a Gram matrix must be symmetric, got one that isn't")
    values, vectors = np.linalg.eigh((gram + gram.T) / 2)
    top = max(values[-1], 0.0)
    if values[0] < -tolerance * max(top, largest):
        raise ValueError(f"a Gram matrix has no negative eigenvalues, got {values[0]:.3g}")
    kept = values > tolerance * top if top else np.arange(len(values)) == len(values) - 1
    return np.asarray((vectors[:, kept] * np.sqrt(np.maximum(values[kept], 0))).T[::-1])
