"""Coulomb energies of points on a sphere, and their expansion along it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..numerics import FloatArray, reals
from .kernels import energies_and_gradients


def coulomb_energy(points: ArrayLike) -> Any:
    """Return Σ_{i<j} 1 / |x_i − x_j| of unit charges at points of a sphere of radius 1.

    Args:
        points: shape (..., n, d), not all zero; each is moved to length 1.

    Returns:
        The energies, shape (...), infinite where two points coincide.

    Raises:
        ValueError: if the shape is another, or a point isn't finite or is zero.

    Source:
        Thomson 1904, DOI 10.1080/14786440409463107.

    Example:
        >>> coulomb_energy([[0, 0, 1], [0, 0, -2]])
        0.5
    """
    unit = on_sphere(points)
    flat = np.ascontiguousarray(unit.reshape(-1, *unit.shape[-2:]).mT)
    energy, _ = energies_and_gradients(flat)
    found = energy.reshape(unit.shape[:-2])
    return found if found.shape else float(found)


def on_sphere(points: ArrayLike, name: str = "points") -> FloatArray:
    """Return points moved to length 1, shape (..., n, d), or raise `ValueError`."""
    given = reals(name, points)
    if given.ndim < 2 or 0 in given.shape[-2:]:
        raise ValueError(f"{name} must have shape (..., n, d), got {given.shape}")
    length = np.linalg.norm(given, axis=-1, keepdims=True)
    if not np.isfinite(length).all() or (length == 0).any():
        raise ValueError(f"{name} on a sphere must be finite and not zero, got one that isn't")
    return np.asarray(given / length)


def tangent_expansion(points: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return one configuration's gradient and Hessian along the sphere, in a basis of its tangent spaces.

    With the gradient g_i and Hessian H_ij in space, and T_i a basis of the tangent space at x_i, these are T_iᵀ g_i and
    T_iᵀ (H_ij − δ_ij (x_i · g_i)) T_j. For i ≠ j, with ρ = |x_i − x_j|, H_ij = 1/ρ³ − 3 ρρᵀ/ρ⁵, and H_ii is minus the
    sum of these over j.

    Args:
        points: shape (n, d), of length 1.

    Returns:
        The gradient, shape (n (d − 1),), the Hessian, shape (n (d − 1), n (d − 1)), and the bases, shape
        (n, d, d − 1).
    """
    n, d = points.shape
    # The reflection that takes x_i to the last axis has such a basis as its other columns.
    mirror = points + np.where(points[:, -1:] < 0, -1.0, 1.0) * np.eye(d)[-1]
    mirror /= np.linalg.norm(mirror, axis=1, keepdims=True)
    bases = (np.eye(d) - 2 * mirror[:, :, None] * mirror[:, None, :])[:, :, :-1]
    square = np.square(points[:, None] - points[None]).sum(axis=-1)
    np.fill_diagonal(square, np.inf)
    inverse = 1 / np.sqrt(square)
    cube = inverse / square
    # T_iᵀ x_j, shape (n, d − 1, n). T_iᵀ x_i = 0.
    flat = bases.transpose(0, 2, 1).reshape(-1, d)
    seen = (flat @ points.T).reshape(n, d - 1, n)
    gradient = (seen * cube[:, None, :]).sum(axis=-1)
    hessian = (flat @ flat.T).reshape(n, d - 1, n, d - 1) * cube[:, None, :, None]
    steep = 3 * cube / square
    hessian += (seen * steep[:, None, :])[..., None] * seen.transpose(2, 0, 1)[:, None]
    each = np.arange(n)
    hessian[each, :, each] = (seen * steep[:, None, :]) @ seen.mT
    # x_i · g_i = −Σ_j 1/(2 ρ).
    hessian[each, :, each] += (inverse.sum(axis=1) / 2 - cube.sum(axis=1))[:, None, None] * np.eye(d - 1)
    return gradient.ravel(), hessian.reshape(n * (d - 1), n * (d - 1)), bases
