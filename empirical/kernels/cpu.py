"""Sampled training on a CPU, compiled: inputs, forward pass, gradient and optimiser step in one pass over the cache.

`advance` takes a few models through a few steps without returning to the interpreter; threads run it side by side. It
works on blocks of 256 samples, small enough to stay in the cache from drawing to gradient. `inputs/draws.py` and
`runs/architectures.py` are the definition of what is computed here, in torch; tests hold the two equal.

The first call on a machine compiles, for some seconds, and keeps the machine code; later processes load it.
"""

from __future__ import annotations

from functools import cache
from threading import Lock
from types import FunctionType
from typing import Any

import numpy as np
from numba import boolean, float64, from_dtype, int64, uint32, void

from tegum.theory.numerics import machine_code

from .losses import empty_input, errors, forward, product, restrict, unpack_second, weight_penalties
from .records import (
    OPTIONS,
    POSITIONS,
    SAMPLES,
    SGD,
    Law,
    Rule,
    Samples,
    Shape,
    Sizes,
    State,
    inlined,
    record_types,
)
from .sampling import draw, sample_weights


@inlined
def _add_outer(A: Any, B: Any, C: Any) -> None:
    """C += A Bᵀ, sums over the samples."""
    count = B.shape[0]
    for i in range(A.shape[0]):
        row = A[i]
        j = 0
        while j + 4 <= count:
            b0, b1, b2, b3 = B[j], B[j + 1], B[j + 2], B[j + 3]
            c0 = c1 = c2 = c3 = C.dtype.type(0)
            for s in range(SAMPLES):
                c0 += row[s] * b0[s]
                c1 += row[s] * b1[s]
                c2 += row[s] * b2[s]
                c3 += row[s] * b3[s]
            C[i, j] += c0
            C[i, j + 1] += c1
            C[i, j + 2] += c2
            C[i, j + 3] += c3
            j += 4
        while j < count:
            b0 = B[j]
            c0 = C.dtype.type(0)
            for s in range(SAMPLES):
                c0 += row[s] * b0[s]
            C[i, j] += c0
            j += 1


@inlined
def _update(parameters: Any, gradient: Any, mean: Any, square: Any, step: int, rate: float, rule: Rule) -> None:
    """Take step number `step`, counted from 1: AdamW (arXiv:1412.6980, arXiv:1711.05101) or SGD with momentum."""
    number = parameters.dtype.type
    kept = number(1 - rate * rule.decay)
    b, c = number(rule.beta), number(rule.gamma)
    if rule.kind == SGD:
        scale = number(rate)
        for k in range(parameters.shape[0]):
            mean[k] = b * mean[k] + gradient[k]
            parameters[k] = kept * parameters[k] - scale * mean[k]
        return
    scale, size = number(rate / (1 - rule.beta**step)), number(1 / (1 - rule.gamma**step))
    for k in range(parameters.shape[0]):
        mean[k] += (number(1) - b) * (gradient[k] - mean[k])
        square[k] = c * square[k] + (number(1) - c) * gradient[k] * gradient[k]
        deviation = np.sqrt(size * square[k]) + number(rule.epsilon)
        parameters[k] = kept * parameters[k] - scale * mean[k] / deviation


def _advance(
    state: State,
    keys: Any,
    active: Any,
    first_step: int,
    rates: Any,
    law: Law,
    samples: Samples,
    importance: Any,
    penalties: Any,
    sizes: Sizes,
    shape: Shape,
    rule: Rule,
    losses: Any,
) -> None:
    """Take every active model through `len(rates)` steps, in place.

    Args:
        state: of R models.
        keys: each model's seed in two words, shape (R, 2).
        active: which models go on, shape (R,).
        first_step: steps taken before.
        rates: learning rate of each step, shape (K,).
        law: of the inputs.
        samples: of a batch.
        importance: I, shape (R, n).
        penalties: λ_I, λ_W, λ_A, shape (R, 3).
        sizes: of the models and the batch.
        shape: of the models.
        rule: of the optimiser.
        losses: filled with each step's batch loss before the update, shape (R, K).
    """
    parameters, tied = state.parameters, shape.tied
    m, n, batch = sizes.n_hidden, sizes.n_features, sizes.batch
    kind = parameters.dtype
    blocks = ((batch + 3) // 4 + POSITIONS - 1) // POSITIONS
    x, z = np.empty((n, SAMPLES), kind), np.empty((n, SAMPLES), kind)
    h, g = np.empty((m, SAMPLES), kind), np.empty((m, SAMPLES), kind)
    uniform, first, left = np.empty(SAMPLES, kind), np.empty(SAMPLES, kind), np.empty(SAMPLES, kind)
    on_pattern, weight = np.zeros(blocks * SAMPLES, np.int64), np.empty(blocks * SAMPLES, kind)
    gradient = np.empty(parameters.shape[1], kind)
    d_weights, in_bias = gradient[: m * n].reshape(m, n), gradient[gradient.shape[0] - n :]
    # A tied model has no second matrix: its part of the gradient is added to W's, transposed.
    d_second = np.empty((n, m), kind) if tied else gradient[m * n : 2 * m * n].reshape(n, m)
    second = np.empty((n, m), kind)
    zero, one = kind.type(0), kind.type(1)
    for r in range(parameters.shape[0]):
        if not active[r]:
            continue
        packed, weights = parameters[r], parameters[r, : m * n].reshape(m, n)
        bias, key = packed[packed.shape[0] - n :], keys[r]
        interference, decay, silence = penalties[r]
        sample_weights(samples.counts[r], samples.masses[r], batch, on_pattern, weight)
        for step in range(rates.shape[0]):
            unpack_second(packed, weights, tied, second)
            gradient[:] = 0
            d_second[:, :] = 0
            loss = 0.0
            for block in range(blocks):
                own = slice(block * SAMPLES, (block + 1) * SAMPLES)
                mass = weight[own]
                draw(key, block * POSITIONS, first_step + step, law, r, on_pattern[own], uniform, first, left, x)
                forward(weights, second, shape.hidden_relu, x, h, z)
                loss += errors(bias, importance[r], mass, shape, x, z, in_bias)
                _add_outer(z, h, d_second)
                product(second.T, z, g)
                if silence > 0:
                    strength = kind.type(silence)
                    for a in range(m):
                        for s in range(SAMPLES):
                            sign = one if h[a, s] > zero else (-one if h[a, s] < zero else zero)
                            loss += silence * mass[s] * abs(h[a, s])
                            g[a, s] += strength * mass[s] * sign
                if shape.hidden_relu:
                    for a in range(m):
                        for s in range(SAMPLES):
                            g[a, s] = g[a, s] if h[a, s] > zero else zero
                _add_outer(g, x, d_weights)
            if samples.empty[r] > 0 and not shape.only_active:
                loss += empty_input(bias, importance[r], samples.empty[r], shape.linear, in_bias)
            loss += weight_penalties(weights, second, tied, interference, decay, d_weights, d_second)
            if tied:
                for a in range(m):
                    for i in range(n):
                        d_weights[a, i] += d_second[i, a]
            restrict(in_bias, shape)
            losses[r, step] = loss
            _update(packed, gradient, state.mean[r], state.square[r], first_step + step + 1, rates[step], rule)


def _signature(number: Any) -> Any:
    record, rows = record_types(number), float64[:, ::1]
    return void(
        *(record[State], uint32[:, ::1], boolean[::1], int64, float64[::1]),
        *(record[Law], record[Samples], number[:, ::1], rows),
        *(record[Sizes], record[Shape], record[Rule], rows),
    )


@cache
def _advance_in(dtype: Any) -> Any:
    # Numba numbers a function's files in the order in which its signatures are compiled. With a name for each
    # signature, two processes that compile at the same time write the same file.
    named = FunctionType(_advance.__code__, globals())
    named.__qualname__ = f"advance_{dtype}"
    return machine_code(named, _signature(from_dtype(dtype)), **OPTIONS)


_compiling = Lock()


def advance(state: State, *others: Any) -> None:
    """Run `_advance`, compiled for the type of the parameters, float32 or float64."""
    with _compiling:
        compiled = _advance_in(state.parameters.dtype)
    compiled(state, *others)
