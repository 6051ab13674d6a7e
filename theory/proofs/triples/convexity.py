"""Strict convexity of the loss over a small box of weights and biases, in ball arithmetic.

A positive definite Hessian all over a box of weights, one coordinate being fixed against rotation, leaves room for one
critical point (docs/proofs-three.md). Its parts are monotone in every slope and in the bias: what is on grows, and
where z = 0 the own feature is smaller. Values at a box's lower and upper corner enclose them, as tightly as they vary.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from typing import Any, NamedTuple

import numpy as np
from flint import arb, arb_mat, ctx, fmpq
from numpy.typing import NDArray

from ...enclosures import Box, Features
from ...numerics import between

PRECISION = 212
# Boxes of weights and biases that `convexity` looks at: halving all eight of their sides takes 511.
MAX_PARTS = 1000
N, M = 3, 2
# The entry of W, row by row, that a rotation makes 0.
FIXED = 3


class NotStoredError(Exception):
    """A feature may have W_i = 0."""


class RowBox(NamedTuple):
    """A box of one row of G and its bias: lower and upper ends of G_i1, G_i2, G_i3, b_i."""

    low: tuple[fmpq, ...]
    high: tuple[fmpq, ...]


def _ends(balls: Sequence[arb]) -> RowBox:
    return RowBox(tuple(x.lower().mid().fmpq() for x in balls), tuple(x.upper().mid().fmpq() for x in balls))


def _pattern(ends: tuple[fmpq, ...], active: Features) -> Box:
    return Box.of_unit({j: ends[j] for j in active}, ends[N])


def _increasing(rows: RowBox, active: Features, wanted: Sequence[tuple[Features, int]]) -> list[arb]:
    """Return E[Π u_j R_q(z)], q ≥ 0, over a box: they increase in every slope and in the bias."""
    low, high = (_pattern(ends, active).moments(wanted) for ends in rows)
    return [between(x, y) for x, y in zip(low, high, strict=True)]


def _at_kink(rows: RowBox, i: int, active: Features, wanted: Sequence[Features]) -> list[arb]:
    """Return E[u_i Π u_j δ(z)] over a box where G_ii > 0.

    With u* the amplitude u_i at which z = 0, this is the expectation over the others of u* Π u_j / G_ii where
    0 < u* < 1. It decreases in every slope and in the bias, except for what passes u* = 1.
    """
    orders = [(tuple(sorted((i, *features))), -1) for features in wanted]
    most, least = (_pattern(ends, active).moments(orders) for ends in rows)
    others = tuple(j for j in active if j != i)
    on = []
    for ends in rows:
        box = Box.of_unit({j: ends[j] for j in others}, ends[N] + ends[i])
        on.append(box.moments([((), 0)])[0])
    passes = (on[1] - on[0]).union(arb(0)) / arb(rows.low[i])
    return [between(x - passes, y + passes) for x, y in zip(least, most, strict=True)]


def _output_derivatives(density: arb, i: int, rows: RowBox) -> tuple[list[arb], arb_mat]:
    """Return balls around ∂f_i and ∂²f_i in (G_i·, b_i), b_i last, over a box with G_ii > 0.

    With x̃ = (x, 1) these are 2 E[x̃_j y] − 2 E[x_i x̃_j 1_{z>0}] and 2 E[x̃_j x̃_k 1_{z>0}] − 2 E[x_i x̃_j x̃_k δ(z)].
    """
    first, second = [arb(0)] * (N + 1), arb_mat(N + 1, N + 1)
    for size in range(N + 1):
        for active in combinations(range(N), size):
            chance = 2 * density**size * (1 - density) ** (N - size)
            inputs = [(j,) for j in active] + [()]
            pairs = [(x, y) for place, x in enumerate(inputs) for y in inputs[place:]]
            wanted: list[tuple[Features, int]] = [(x, 1) for x in inputs]
            wanted += [(tuple(sorted((*x, *y))), 0) for x, y in pairs]
            if i in active:
                wanted += [(tuple(sorted((i, *x))), 0) for x in inputs]
                kinks = _at_kink(rows, i, active, [(*x, *y) for x, y in pairs])
            found = iter(_increasing(rows, active, wanted))
            for x in inputs:
                first[_place(x)] += chance * next(found)
            for x, y in pairs:
                second[_place(x), _place(y)] += chance * next(found)
            if i in active:
                for x in inputs:
                    first[_place(x)] -= chance * next(found)
                for (x, y), kink in zip(pairs, kinks, strict=True):
                    second[_place(x), _place(y)] -= chance * kink
    for j, k in combinations(range(N + 1), 2):
        second[k, j] = second[j, k]
    return first, second


def _place(feature: Features) -> int:
    return feature[0] if feature else N


def loss_hessian_balls(
    density: arb, importance: Sequence[arb], weights: Sequence[Sequence[arb]], bias: Sequence[arb]
) -> arb_mat:
    """Return balls around ∂²L/∂θ², θ being W row by row and then b, all over a box of weights and biases.

    Args:
        density: p.
        importance: I_1, I_2, I_3.
        weights: W as balls, two rows of three.
        bias: b as balls.

    Raises:
        NotStoredError: if a feature may have W_i = 0.
    """
    size = (M + 1) * N
    W = arb_mat([list(row) for row in weights])
    gram = W.transpose() * W
    hessian, gamma = arb_mat(size, size), arb_mat(N, N)
    for i in range(N):
        rows = _ends([*(gram[i, j] for j in range(N)), bias[i]])
        if not rows.low[i] > 0:
            raise NotStoredError
        first, second = _output_derivatives(density, i, rows)
        jacobian = arb_mat(N + 1, size)
        for h, j in product(range(M), range(N)):
            jacobian[j, h * N + j] += W[h, i]
            jacobian[j, h * N + i] += W[h, j]
        jacobian[N, M * N + i] = arb(1)
        hessian += importance[i] * (jacobian.transpose() * second * jacobian)
        for j in range(N):
            gamma[i, j] = importance[i] * first[j]
    # ∂²G_ij / ∂W_hk ∂W_hl = δ_ik δ_jl + δ_il δ_jk.
    for h, k, j in product(range(M), range(N), range(N)):
        hessian[h * N + k, h * N + j] += gamma[k, j] + gamma[j, k]
    return hessian


def least_eigenvalue(matrix: arb_mat) -> float:
    """Return a positive lower bound of the eigenvalues of every symmetric matrix in the balls, or 0 if none is found.

    With a matrix C close to an inverse of Cholesky's factor, C (H − λ) Cᵀ is close to the unit matrix, and positive
    definite if no row's other entries outweigh its diagonal (Gershgorin); then so is H − λ.
    """
    size = matrix.nrows()
    middle = np.array([[float(matrix[i, j].mid()) for j in range(size)] for i in range(size)])
    middle = (middle + middle.T) / 2
    least = float(np.linalg.eigvalsh(middle)[0])
    for share in (0.9, 0.5, 0.1) if least > 0 else ():
        shift = share * least
        try:
            factor = np.linalg.inv(np.linalg.cholesky(middle - shift * np.eye(size)))
        except np.linalg.LinAlgError:
            continue
        C = arb_mat([[arb(float(x)) for x in row] for row in factor])
        moved = arb_mat(matrix)
        for i in range(size):
            moved[i, i] -= arb(shift)
        product_ = C * moved * C.transpose()
        rows = [product_[i, i] - sum((abs(product_[i, j]) for j in range(size) if j != i), arb(0)) for i in range(size)]
        if all(row > 0 for row in rows):
            return shift
    return 0.0


def convexity(
    density: arb, importance: Sequence[arb], weights: NDArray[Any], bias: NDArray[Any], max_parts: int = MAX_PARTS
) -> float:
    """Return λ > 0 such that L is λ-strongly convex on a box of weights with W_21 = 0 and biases; 0 if none is found.

    The box is cut where its Hessian is too wide, if half as wide a box at its centre isn't.

    Args:
        density: p.
        importance: I_1, I_2, I_3.
        weights: balls that hold W, object array of shape (2, 3); the entry [1, 0] is 0.
        bias: balls that hold b, shape (3,).
        max_parts: most boxes to look at.
    """
    least = np.inf
    with ctx.workprec(PRECISION):
        waiting, looked = [np.array([*weights.flat, *bias], dtype=object)], 0
        while waiting:
            part = waiting.pop()
            looked += 1
            found = _curvature(density, importance, part)
            if found > 0:
                least = min(least, found)
                continue
            radii = [float(ball.rad()) for ball in part]
            inner = np.array([arb(ball.mid(), ball.rad() / 2) for ball in part], dtype=object)
            if looked >= max_parts or max(radii) == 0 or not _curvature(density, importance, inner) > 0:
                return 0.0
            cut = int(np.argmax(radii))
            for low, high in ((part[cut].lower(), part[cut].mid()), (part[cut].mid(), part[cut].upper())):
                half = part.copy()
                half[cut] = low.union(high)
                waiting.append(half)
    return float(least)


def _curvature(density: arb, importance: Sequence[arb], point: NDArray[Any]) -> float:
    """Return a positive lower bound of the eigenvalues of the Hessian on one box (W row by row, b), or 0."""
    try:
        full = loss_hessian_balls(density, importance, point[: M * N].reshape(M, N).tolist(), point[M * N :].tolist())
    except NotStoredError:
        return 0.0
    kept = [i for i in range(full.nrows()) if i != FIXED]
    return least_eigenvalue(arb_mat([[full[i, j] for j in kept] for i in kept]))
