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
from numba import boolean, float64, from_dtype, int64, njit, types, uint32, void

from tegum.theory.numerics import machine_code

# Positions of a block: each gives four samples, one for each word of Philox's output.
POSITIONS = 64
SAMPLES = 4 * POSITIONS
ROUNDS = 10
ADAM, SGD = 0, 1
BLOCK_NUMBERS, AMPLITUDES, FIRST_ACTIVE = 0, 1, 2


# Sums may be reordered, which vectorisation needs; NaN and infinity keep their meaning.
OPTIONS: Any = {"nogil": True, "fastmath": {"reassoc", "contract", "nsz", "arcp"}, "error_model": "numpy"}


# All parts are inlined into `_advance`, so that its machine code is complete. A part that it called would exist twice:
# as compiled by itself, and as a copy that was optimised again, its sums reordered again, along with `_advance`. Both
# have one name, and the linker takes the first that it meets: the former in a process that compiles, the latter in
# those that load `_advance` from disk.
def _compiled(function: Any) -> Any:
    return njit(forceinline=True, **OPTIONS)(function)


@_compiled
def philox(key: Any, first: int, channel: int, step: int, purpose: int, out: Any) -> None:
    """Fill `out`, shape (SAMPLES,), with uniform numbers of 32 bits: Philox4x32-10 (DOI 10.1145/2063384.2063405).

    The counter is (position, channel, step, purpose), the key a model's seed.
    """
    scale = out.dtype.type(2.0**-32)
    low, high = np.uint32(key[0]), np.uint32(key[1])
    for b in range(POSITIONS):
        x0, x1, x2, x3 = np.uint32(first + b), np.uint32(channel), np.uint32(step), np.uint32(purpose)
        k0, k1 = low, high
        for _ in range(ROUNDS):
            p0, p1 = np.uint64(0xD2511F53) * np.uint64(x0), np.uint64(0xCD9E8D57) * np.uint64(x2)
            x0 = np.uint32(p1 >> np.uint64(32)) ^ x1 ^ k0
            x2 = np.uint32(p0 >> np.uint64(32)) ^ x3 ^ k1
            x1, x3 = np.uint32(p1), np.uint32(p0)
            k0, k1 = np.uint32(k0 + np.uint32(0x9E3779B9)), np.uint32(k1 + np.uint32(0xBB67AE85))
        out[b] = out.dtype.type(x0) * scale
        out[POSITIONS + b] = out.dtype.type(x1) * scale
        out[2 * POSITIONS + b] = out.dtype.type(x2) * scale
        out[3 * POSITIONS + b] = out.dtype.type(x3) * scale


@_compiled
def _exclude_empty(values: Any, first: Any, below: float, upto: float, chance: float) -> None:
    """Condition a block's numbers on the first block that is active.

    The block is off before the first active one, active if it is the first, and free after it. `first` has the uniform
    numbers that choose the first one, which is this one between `below` and `upto`.
    """
    off = values.dtype.type(2.0)
    low, high, share = values.dtype.type(below), values.dtype.type(upto), values.dtype.type(chance)
    for s in range(SAMPLES):
        value = values[s]
        if first[s] >= low:
            value = value * share if first[s] < high else off
        values[s] = value


@_compiled
def draw(
    key: Any, begin: int, step: int, law: Any, row: int, on_pattern: Any, uniform: Any, first: Any, left: Any, x: Any
) -> None:
    """Draw one block of inputs x, shape (n_features, SAMPLES), by the table of an `InputTable`."""
    (stratified, block_of, starts, members, low, high, first_edges, chances, masks, amplitude, hot) = law
    n = x.shape[0]
    number = x.dtype.type
    size, width = number(amplitude[0]), number(amplitude[1])
    x[:, :] = 0
    if stratified:
        # Each sample's pattern is given.
        for j in range(n):
            philox(key, begin, j, step, AMPLITUDES, uniform)
            for s in range(SAMPLES):
                x[j, s] = size + width * uniform[s] if masks[on_pattern[s], j] else number(0)
        return
    if hot > 0:
        left[:] = hot
        for j in range(n):
            philox(key, begin, j, step, BLOCK_NUMBERS, uniform)
            for s in range(SAMPLES):
                chance = left[s] / number(n - j)
                on = uniform[s] < chance
                x[j, s] = size + width * uniform[s] / chance if on else number(0)
                left[s] -= number(1) if on else number(0)
        return
    some = first_edges.shape[1] > 0
    if some:
        philox(key, begin, 0, step, FIRST_ACTIVE, first)
    block = -1
    for k in range(block_of.shape[0]):
        if block_of[k] != block:
            block = block_of[k]
            philox(key, begin, block, step, BLOCK_NUMBERS, uniform)
            if some:
                below = first_edges[row, block - 1] if block > 0 else 0.0
                _exclude_empty(uniform, first, below, first_edges[row, block], chances[row, block])
        begins, ends = number(low[row, k]), number(high[row, k])
        if not high[row, k] > low[row, k]:
            continue
        if starts[k + 1] - starts[k] == 1:
            # What the choice leaves of the number is uniform too, and serves as the amplitude.
            scale = width / (ends - begins)
            j = members[starts[k]]
            for s in range(SAMPLES):
                if uniform[s] >= begins and uniform[s] < ends:
                    x[j, s] = size + scale * (uniform[s] - begins)
        else:
            for place in range(starts[k], starts[k + 1]):
                j = members[place]
                philox(key, begin, j, step, AMPLITUDES, left)
                for s in range(SAMPLES):
                    if uniform[s] >= begins and uniform[s] < ends:
                        x[j, s] = size + width * left[s]


@_compiled
def _product(A: Any, B: Any, C: Any) -> None:
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


@_compiled
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


@_compiled
def _sample_weights(counts: Any, masses: Any, batch: int, on_pattern: Any, weight: Any) -> None:
    """Set each sample's pattern and weight, so that a sum over samples is an expectation.

    Samples are numbered along the four quarters of the batch; those that fill up the last quarter weigh nothing.
    """
    weight[:] = 0
    quarter = (batch + 3) // 4
    pattern, left = 0, counts[0]
    for sample in range(counts.sum()):
        while left == 0:
            pattern += 1
            left = counts[pattern]
        left -= 1
        word, position = sample // quarter, sample % quarter
        place = position // POSITIONS * SAMPLES + word * POSITIONS + position % POSITIONS
        on_pattern[place] = pattern
        weight[place] = masses[pattern] / counts[pattern]


@_compiled
def _errors(
    bias: Any, importance: Any, weight: Any, linear: bool, absolute: bool, x: Any, z: Any, in_bias: Any
) -> float:
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
            on = linear or before > zero
            target = abs(given[s]) if absolute else given[s]
            # NaN must stay NaN: a model that diverges says so.
            error = (before if on or before != before else zero) - target
            weighted = weight[s] * error
            squares += weighted * error
            slope = doubled * weighted if on else zero
            total += slope
            row[s] = slope
        in_bias[i] += total
        loss += importance[i] * squares
    return loss


@_compiled
def _empty_input(bias: Any, importance: Any, chance: float, linear: bool, in_bias: Any) -> float:
    """Add what the input x = 0 contributes exactly, whose output is the bias itself."""
    loss = 0.0
    for i in range(bias.shape[0]):
        b = bias[i]
        if linear or b > 0:
            loss += chance * importance[i] * b * b
            in_bias[i] += in_bias.dtype.type(2 * chance * importance[i] * b)
    return loss


@_compiled
def _weight_penalties(
    weights: Any, second: Any, tied: bool, interference: float, decay: float, d: Any, e: Any
) -> float:
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


@_compiled
def _update(parameters: Any, gradient: Any, mean: Any, square: Any, step: int, rate: float, rule: Any) -> None:
    """Take step number `step`, counted from 1: AdamW (arXiv:1412.6980, arXiv:1711.05101) or SGD with momentum."""
    number = parameters.dtype.type
    kind, beta, gamma, epsilon, decay = rule
    kept = number(1 - rate * decay)
    b, c = number(beta), number(gamma)
    if kind == SGD:
        scale = number(rate)
        for k in range(parameters.shape[0]):
            mean[k] = b * mean[k] + gradient[k]
            parameters[k] = kept * parameters[k] - scale * mean[k]
        return
    scale, size = number(rate / (1 - beta**step)), number(1 / (1 - gamma**step))
    for k in range(parameters.shape[0]):
        mean[k] += (number(1) - b) * (gradient[k] - mean[k])
        square[k] = c * square[k] + (number(1) - c) * gradient[k] * gradient[k]
        deviation = np.sqrt(size * square[k]) + number(epsilon)
        parameters[k] = kept * parameters[k] - scale * mean[k] / deviation


def _advance(
    parameters: Any,
    mean: Any,
    square: Any,
    keys: Any,
    active: Any,
    first_step: int,
    rates: Any,
    law: Any,
    counts: Any,
    masses: Any,
    empty: Any,
    importance: Any,
    penalties: Any,
    sizes: Any,
    shape: Any,
    rule: Any,
    losses: Any,
) -> None:
    """Take every active model through `len(rates)` steps, in place.

    Args:
        parameters: packed parameters, shape (R, P): W, the second matrix of an untied model, the bias.
        mean: first moments, or momenta, shape (R, P).
        square: second moments, shape (R, P).
        keys: each model's seed in two words, shape (R, 2).
        active: which models go on, shape (R,).
        first_step: steps taken before.
        rates: learning rate of each step, shape (K,).
        law: an `InputTable`'s arrays.
        counts: samples of each pattern, shape (R, patterns); without stratification one pattern.
        masses: probability of each pattern, shape (R, patterns).
        empty: probability of x = 0 where its part of the loss is added exactly, else 0, shape (R,).
        importance: I, shape (R, n).
        penalties: λ_I, λ_W, λ_A, shape (R, 3).
        sizes: (n_hidden, n_features, batch size).
        shape: (hidden ReLU, linear output, tied, absolute target).
        rule: (kind, β₁ or momentum, β₂, ε, decoupled weight decay).
        losses: filled with each step's batch loss before the update, shape (R, K).
    """
    m, n, batch = sizes
    hidden_relu, linear, tied, absolute = shape
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
        _sample_weights(counts[r], masses[r], batch, on_pattern, weight)
        for step in range(rates.shape[0]):
            for i in range(n):
                for a in range(m):
                    second[i, a] = weights[a, i] if tied else packed[m * n + i * m + a]
            gradient[:] = 0
            d_second[:, :] = 0
            loss = 0.0
            for block in range(blocks):
                own = slice(block * SAMPLES, (block + 1) * SAMPLES)
                mass = weight[own]
                draw(key, block * POSITIONS, first_step + step, law, r, on_pattern[own], uniform, first, left, x)
                _product(weights, x, h)
                if hidden_relu:
                    for a in range(m):
                        for s in range(SAMPLES):
                            h[a, s] = zero if h[a, s] < zero else h[a, s]
                _product(second, h, z)
                loss += _errors(bias, importance[r], mass, linear, absolute, x, z, in_bias)
                _add_outer(z, h, d_second)
                _product(second.T, z, g)
                if silence > 0:
                    strength = kind.type(silence)
                    for a in range(m):
                        for s in range(SAMPLES):
                            sign = one if h[a, s] > zero else (-one if h[a, s] < zero else zero)
                            loss += silence * mass[s] * abs(h[a, s])
                            g[a, s] += strength * mass[s] * sign
                if hidden_relu:
                    for a in range(m):
                        for s in range(SAMPLES):
                            g[a, s] = g[a, s] if h[a, s] > zero else zero
                _add_outer(g, x, d_weights)
            if empty[r] > 0:
                loss += _empty_input(bias, importance[r], empty[r], linear, in_bias)
            loss += _weight_penalties(weights, second, tied, interference, decay, d_weights, d_second)
            if tied:
                for a in range(m):
                    for i in range(n):
                        d_weights[a, i] += d_second[i, a]
            losses[r, step] = loss
            _update(packed, gradient, mean[r], square[r], first_step + step + 1, rates[step], rule)


def _signature(number: Any) -> Any:
    # One for each type of numbers: arrays laid out in another way would get code of their own, which may round
    # differently.
    tuple_of: Any = types.BaseTuple.from_types
    rows, masks, counts = float64[:, ::1], boolean[:, ::1], int64[::1]
    law = tuple_of([int64, counts, counts, counts, rows, rows, rows, rows, masks, tuple_of([float64] * 2), int64])
    return void(
        *(number[:, ::1], number[:, ::1], number[:, ::1], uint32[:, ::1], boolean[::1], int64, float64[::1]),
        *(law, int64[:, ::1], rows, float64[::1], number[:, ::1], rows),
        *(tuple_of([int64] * 3), tuple_of([boolean] * 4), tuple_of([int64, *[float64] * 4]), rows),
    )


@cache
def _advance_in(dtype: Any) -> Any:
    # Numba numbers a function's files in the order in which its signatures are compiled. With a name for each
    # signature, two processes that compile at the same time write the same file.
    named = FunctionType(_advance.__code__, globals())
    named.__qualname__ = f"advance_{dtype}"
    return machine_code(named, _signature(from_dtype(dtype)), **OPTIONS)


_compiling = Lock()


def advance(parameters: Any, *others: Any) -> None:
    """Run `_advance`, compiled for the type of the parameters, float32 or float64."""
    with _compiling:
        compiled = _advance_in(parameters.dtype)
    compiled(parameters, *others)
