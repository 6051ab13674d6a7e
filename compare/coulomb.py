"""Coulomb energies of points on a sphere, their gradients and Hessians, compiled for many configurations at once."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tegum.theory import machine_code

FloatArray = NDArray[np.float64]


def _sum_pairs(points: Any, begin: int, end: int, energy: Any, gradient: Any) -> None:
    """Fill the energies of some configurations and their gradients in space; points have shape (R, d, n)."""
    d, n = points.shape[1], points.shape[2]
    square, cube = np.empty(n), np.empty(n)
    for r in range(begin, end):
        own = points[r]
        total = 0.0
        for i in range(n):
            for j in range(n):
                square[j] = 0.0
            for k in range(d):
                here = own[k, i]
                for j in range(n):
                    apart = here - own[k, j]
                    square[j] += apart * apart
            # A point doesn't repel itself.
            square[i] = np.inf
            for j in range(n):
                inverse = 1 / np.sqrt(square[j])
                total += inverse
                cube[j] = inverse * inverse * inverse
            for k in range(d):
                here = own[k, i]
                force = 0.0
                for j in range(n):
                    force += (here - own[k, j]) * cube[j]
                gradient[r, k, i] = -force
        energy[r] = total / 2


_compiled = machine_code(
    _sum_pairs,
    "void(float64[:,:,::1], int64, int64, float64[::1], float64[:,:,::1])",
    nogil=True,
    fastmath={"reassoc", "contract", "arcp", "nsz"},
    error_model="numpy",
)


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


def on_sphere(points: ArrayLike) -> FloatArray:
    """Return points moved to length 1, shape (..., n, d), or raise `ValueError`."""
    try:
        given = np.asarray(points, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"points must be an array of real numbers: {error}") from error
    if given.ndim < 2 or 0 in given.shape[-2:]:
        raise ValueError(f"points must have shape (..., n, d), got {given.shape}")
    length = np.linalg.norm(given, axis=-1, keepdims=True)
    if not np.isfinite(length).all() or (length == 0).any():
        raise ValueError("points on a sphere must be finite and not zero, got one that isn't")
    return np.asarray(given / length)


def energies_and_gradients(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the energies of configurations and their gradients in space, on all cores.

    Args:
        points: shape (R, d, n).

    Returns:
        Shapes (R,) and (R, d, n).
    """
    count = len(points)
    energy, gradient = np.empty(count), np.empty(points.shape)
    cores = os.cpu_count() or 1
    if count * points.shape[2] ** 2 < 1 << 16 or cores == 1:
        _compiled(points, 0, count, energy, gradient)
        return energy, gradient
    edges = [count * k // cores for k in range(cores + 1)]
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(lambda part: _compiled(points, *part, energy, gradient), pairwise(edges)))
    return energy, gradient


def tangent_expansion(points: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return one configuration's gradient and Hessian along the sphere, in a basis of its tangent spaces.

    With the gradient g_i and Hessian H_ij in space, and T_i a basis of the tangent space at x_i, these are T_iᵀ g_i and
    T_iᵀ (H_ij − δ_ij (x_i · g_i)) T_j.

    Args:
        points: shape (n, d), of length 1.

    Returns:
        The gradient, shape (n (d − 1),), the Hessian, shape (n (d − 1), n (d − 1)), and the bases, shape
        (n, d, d − 1).
    """
    n, d = points.shape
    apart = points[:, None] - points[None]
    distance = np.linalg.norm(apart, axis=-1)
    np.fill_diagonal(distance, np.inf)
    gradient = -(apart / distance[..., None] ** 3).sum(axis=1)
    # ∂²(1/ρ)/∂x_i ∂x_j = 1/ρ³ − 3 ρρᵀ/ρ⁵, and minus their sum on the diagonal.
    blocks = np.eye(d) / distance[..., None, None] ** 3
    blocks = blocks - 3 * apart[..., :, None] * apart[..., None, :] / distance[..., None, None] ** 5
    each = np.arange(n)
    blocks[each, each] = -blocks.sum(axis=1)
    blocks[each, each] -= np.einsum("id,id->i", points, gradient)[:, None, None] * np.eye(d)
    bases = np.linalg.svd(points[:, None, :])[2][:, 1:].mT
    hessian = np.einsum("ida,ijde,jeb->iajb", bases, blocks, bases).reshape(n * (d - 1), n * (d - 1))
    return np.einsum("ida,id->ia", bases, gradient).ravel(), hessian, bases
