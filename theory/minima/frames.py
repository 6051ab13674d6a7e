"""Rotations of the hidden space: the loss depends on W through WᵀW, so W and QW are one model.

Each model is brought into one frame, in which W is upper triangular with positive pivots over the features that are
stored at all, in order. Zeros that a structure implies (a digon beside an axis, a dropped feature) are exact zeros in
that frame, and a curve of minima has no freedom to turn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..numerics import FloatArray

# Columns and pivots below this count as zero, and other coordinates are tried as exact zeros: kinks lie there.
SMALL = 1e-7
ORBIT_TOLERANCE = 1e-9


def _stored_first(weights: FloatArray) -> NDArray[np.int64]:
    """Return the order of features in which those with a column that isn't zero come first."""
    small = np.linalg.norm(weights, axis=-2) <= SMALL
    return np.argsort(small, axis=-1, kind="stable")


def in_frame(weights: FloatArray) -> FloatArray:
    """Return each W rotated so that it is upper triangular, with positive pivots, over the features that are stored.

    Args:
        weights: W, shape (K, n_hidden, n_features).
    """
    if weights.shape[-2] == 1:
        triangles = weights
    else:
        order = _stored_first(weights)[:, None]
        sorted_columns = np.take_along_axis(weights, order, axis=-1)
        turned = np.zeros_like(weights)
        upper = np.asarray(np.linalg.qr(sorted_columns, mode="r"))
        turned[:, : upper.shape[-2]] = upper
        triangles = np.empty_like(weights)
        np.put_along_axis(triangles, np.broadcast_to(order, weights.shape), turned, axis=-1)
    big = np.abs(triangles) > SMALL
    pivots = np.take_along_axis(triangles, big.argmax(axis=-1, keepdims=True), axis=-1)
    return np.where(pivots < 0, -triangles, triangles)


def frame_zeros(weights: FloatArray) -> NDArray[np.bool_]:
    """Return which entries the frame sets to zero, shape (n_hidden, n_features): one for each rotation of one model.

    Args:
        weights: W in its frame, shape (n_hidden, n_features).
    """
    m = weights.shape[0]
    zeros = np.zeros(weights.shape, dtype=bool)
    stored = np.flatnonzero(np.linalg.norm(weights, axis=0) > SMALL)
    for place, feature in enumerate(stored[: m - 1]):
        zeros[place + 1 :, feature] = True
    return zeros


def orbit_projector(weights: FloatArray, size: int | None = None) -> FloatArray:
    """Return the projector onto the directions that rotations generate, in packed parameters, shape (K, P, P).

    These are A W with A antisymmetric, and flat everywhere.

    Args:
        weights: W, shape (K, n_hidden, n_features).
        size: P, of which the weights are the first; default (m + 1) n.
    """
    count, m, n = weights.shape
    size = (m + 1) * n if size is None else size
    turns = []
    for row in range(m):
        for other in range(row):
            turned = np.zeros((count, size))
            turned[:, row * n : (row + 1) * n] = weights[:, other]
            turned[:, other * n : (other + 1) * n] = -weights[:, row]
            turns.append(turned)
    if not turns:
        return np.zeros((count, size, size))
    directions, spectrum, _ = np.linalg.svd(np.stack(turns, axis=-1), full_matrices=False)
    directions = directions * (spectrum > ORBIT_TOLERANCE)[:, None, :]
    return np.asarray(directions @ directions.mT)


def distance(first: tuple[FloatArray, FloatArray], second: tuple[FloatArray, FloatArray]) -> FloatArray:
    """Return the Euclidean distance in (W, b) of models, in the rotations of the hidden space that bring them closest.

    min_Q ‖QW − W'‖² = ‖W‖² + ‖W'‖² − 2 ‖W' Wᵀ‖_*, the orthogonal Procrustes problem.

    Args:
        first: W, shape (K, n_hidden, n_features), and b, shape (K, n_features).
        second: the same of the others.
    """
    (w, b), (v, c) = first, second
    turn, _, back = np.linalg.svd(v @ w.mT)
    return np.asarray(np.sqrt(((turn @ back @ w - v) ** 2).sum(axis=(-2, -1)) + ((b - c) ** 2).sum(axis=-1)))


def turned_towards(weights: FloatArray, like: FloatArray) -> FloatArray:
    """Return W in the rotation of the hidden space that brings it closest to another model's, shape (m, n).

    Args:
        weights: W, shape (m, n).
        like: the other's, shape (m, n).
    """
    turn, _, back = np.linalg.svd(like @ weights.T)
    return np.asarray(turn @ back @ weights)


def hold(theta: FloatArray) -> FloatArray:
    """Return zeros where `theta` is exactly zero and NaN where it is free to move."""
    return np.where(theta == 0, 0.0, np.nan)


def placed(free: FloatArray, held: FloatArray) -> FloatArray:
    """Return packed parameters with the coordinates that are NaN in `held` taken from the rows of `free`.

    Args:
        free: shape (rows, number of NaNs).
        held: as `hold` and `hold_frame` return it, shape (P,).
    """
    theta = np.broadcast_to(held, (len(free), len(held))).copy()
    theta[:, np.isnan(held)] = free
    return theta


def hold_frame(weights: FloatArray, bias: FloatArray) -> FloatArray:
    """Return packed zeros where the frame of a model (`in_frame`) sets zeros, and NaN elsewhere.

    Args:
        weights: W in its frame, shape (n_hidden, n_features).
        bias: b, shape (n_features,).
    """
    return np.where(np.concatenate([frame_zeros(weights).ravel(), np.zeros(len(bias), dtype=bool)]), 0.0, np.nan)
