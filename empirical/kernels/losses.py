"""The loss of a batch, compiled: the forward pass, errors and penalties, with the derivatives that come along."""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import Any

import numpy as np
from numba import float64, from_dtype, int64, uint32, void

from tegum.theory.numerics import machine_code

from .records import OPTIONS, POSITIONS, SAMPLES, Law, Samples, Shape, Sizes, inlined, record_types
from .sampling import draw, sample_weights


@inlined
def product(A: Any, B: Any, C: Any) -> None:
    """C = A B for a small matrix A and rows of samples B."""
    depth = A.shape[1]
    for i in range(A.shape[0]):
        row = C[i]
        row[:] = 0
        k = 0
        while k + 4 <= depth:
            a0, a1, a2, a3 = A[i, k], A[i, k + 1], A[i, k + 2], A[i, k + 3]
            b0, b1, b2, b3 = B[k], B[k + 1], B[k + 2], B[k + 3]
            for s in range(SAMPLES):
                row[s] += a0 * b0[s] + a1 * b1[s] + a2 * b2[s] + a3 * b3[s]
            k += 4
        while k < depth:
            a0, b0 = A[i, k], B[k]
            for s in range(SAMPLES):
                row[s] += a0 * b0[s]
            k += 1


@inlined
def forward(weights: Any, second: Any, hidden_relu: bool, x: Any, h: Any, z: Any) -> None:
    """Fill hidden activations h and outputs z, without their bias, for a block of inputs x."""
    product(weights, x, h)
    if hidden_relu:
        zero = h.dtype.type(0)
        for a in range(h.shape[0]):
            for s in range(SAMPLES):
                h[a, s] = zero if h[a, s] < zero else h[a, s]
    product(second, h, z)


@inlined
def unpack_second(packed: Any, weights: Any, tied: bool, second: Any) -> None:
    """Fill the second matrix, shape (n, m), of packed parameters; a tied one is the first one's transpose."""
    m, n = weights.shape
    for i in range(n):
        for a in range(m):
            second[i, a] = weights[a, i] if tied else packed[m * n + i * m + a]


@inlined
def errors(bias: Any, importance: Any, weight: Any, shape: Shape, x: Any, z: Any, in_bias: Any) -> float:
    """Return the block's part of the loss; replace z, without its bias, by the loss's derivatives in z."""
    number = x.dtype.type
    zero = number(0)
    loss = 0.0
    for i in range(x.shape[0]):
        b, doubled = bias[i], number(2) * importance[i]
        total = squares = zero
        row, given = z[i], x[i]
        for s in range(SAMPLES):
            before = row[s] + b
            on = shape.linear or before > zero
            target = abs(given[s]) if shape.absolute else given[s]
            # NaN must stay NaN: a model that diverges says so.
            error = (before if on or before != before else zero) - target
            weighted = zero if shape.only_active and given[s] == zero else weight[s] * error
            squares += weighted * error
            slope = doubled * weighted if on else zero
            total += slope
            row[s] = slope
        in_bias[i] += total
        loss += importance[i] * squares
    return loss


@inlined
def empty_input(bias: Any, importance: Any, chance: float, linear: bool, in_bias: Any) -> float:
    """Add what the input x = 0 contributes exactly, whose output is the bias itself."""
    loss = 0.0
    for i in range(bias.shape[0]):
        b = bias[i]
        if linear or b > 0:
            loss += chance * importance[i] * b * b
            in_bias[i] += in_bias.dtype.type(2 * chance * importance[i] * b)
    return loss


@inlined
def restrict(in_bias: Any, shape: Shape) -> None:
    """Replace derivatives in the biases by those along what is free of them, so that a step leaves the rest alone."""
    if shape.common_bias or shape.no_bias:
        total = 0.0
        for i in range(in_bias.shape[0]):
            total += in_bias[i]
        along = 0.0 if shape.no_bias else total / in_bias.shape[0]
        for i in range(in_bias.shape[0]):
            in_bias[i] = in_bias.dtype.type(along)


@inlined
def weight_penalties(weights: Any, second: Any, tied: bool, interference: float, decay: float, d: Any, e: Any) -> float:
    """Add the penalties that depend on the weights alone to their gradients, and return their value."""
    m, n = weights.shape
    value = 0.0
    if decay > 0:
        for a in range(m):
            for i in range(n):
                value += decay * weights[a, i] ** 2
                d[a, i] += d.dtype.type(2 * decay * weights[a, i])
        if not tied:
            for i in range(n):
                for a in range(m):
                    value += decay * second[i, a] ** 2
                    e[i, a] += e.dtype.type(2 * decay * second[i, a])
    if interference > 0:
        for i in range(n):
            for j in range(i):
                overlap = 0.0
                for a in range(m):
                    overlap += weights[a, i] * weights[a, j]
                value += 2 * interference * overlap**2
                slope = 4 * interference * overlap
                for a in range(m):
                    d[a, i] += d.dtype.type(slope * weights[a, j])
                    d[a, j] += d.dtype.type(slope * weights[a, i])
    return value


def _batch_losses(
    parameters: Any,
    keys: Any,
    begin: int,
    law: Law,
    samples: Samples,
    importance: Any,
    penalties: Any,
    sizes: Sizes,
    shape: Shape,
    losses: Any,
) -> None:
    """Fill in the loss of every model on batches number `begin` and on, as `_advance` would find them at these steps.

    Args:
        parameters: packed parameters, shape (R, P).
        keys: each model's seed in two words, shape (R, 2).
        begin: number of the first batch.
        law: of the inputs.
        samples: of a batch.
        importance: I, shape (R, n).
        penalties: λ_I, λ_W, λ_A, shape (R, 3).
        sizes: of the models and the batch.
        shape: of the models.
        losses: shape (R, K) for K batches.
    """
    m, n, batch = sizes.n_hidden, sizes.n_features, sizes.batch
    kind = parameters.dtype
    blocks = ((batch + 3) // 4 + POSITIONS - 1) // POSITIONS
    x, z, h = np.empty((n, SAMPLES), kind), np.empty((n, SAMPLES), kind), np.empty((m, SAMPLES), kind)
    uniform, first, left = np.empty(SAMPLES, kind), np.empty(SAMPLES, kind), np.empty(SAMPLES, kind)
    on_pattern, weight = np.zeros(blocks * SAMPLES, np.int64), np.empty(blocks * SAMPLES, kind)
    second = np.empty((n, m), kind)
    # Derivatives come along, and are not asked for.
    in_bias, in_weights, in_second = np.zeros(n, kind), np.zeros((m, n), kind), np.zeros((n, m), kind)
    for r in range(parameters.shape[0]):
        packed, weights = parameters[r], parameters[r, : m * n].reshape(m, n)
        bias = packed[packed.shape[0] - n :]
        interference, decay, silence = penalties[r]
        sample_weights(samples.counts[r], samples.masses[r], batch, on_pattern, weight)
        unpack_second(packed, weights, shape.tied, second)
        fixed = weight_penalties(weights, second, shape.tied, interference, decay, in_weights, in_second)
        if samples.empty[r] > 0 and not shape.only_active:
            fixed += empty_input(bias, importance[r], samples.empty[r], shape.linear, in_bias)
        for k in range(losses.shape[1]):
            loss = fixed
            for block in range(blocks):
                own = slice(block * SAMPLES, (block + 1) * SAMPLES)
                mass = weight[own]
                draw(keys[r], block * POSITIONS, begin + k, law, r, on_pattern[own], uniform, first, left, x)
                forward(weights, second, shape.hidden_relu, x, h, z)
                loss += errors(bias, importance[r], mass, shape, x, z, in_bias)
                if silence > 0:
                    for a in range(m):
                        for s in range(SAMPLES):
                            loss += silence * mass[s] * abs(h[a, s])
            losses[r, k] = loss


@cache
def _compiled_losses(dtype: Any) -> Any:
    number, rows = from_dtype(dtype), float64[:, ::1]
    record = record_types(number)
    signature = void(
        *(number[:, ::1], uint32[:, ::1], int64, record[Law], record[Samples], number[:, ::1], rows),
        *(record[Sizes], record[Shape], rows),
    )
    return machine_code(_batch_losses, signature, **OPTIONS)


_compiling = Lock()


def batch_losses(parameters: Any, *others: Any) -> None:
    """Run `_batch_losses`, compiled for the type of the parameters, float64."""
    with _compiling:
        compiled = _compiled_losses(parameters.dtype)
    compiled(parameters, *others)
