"""Inputs drawn block by block, compiled: Philox's words, an `InputTable`, and what each sample weighs."""

from __future__ import annotations

from typing import Any

import numpy as np

from .records import AMPLITUDES, BLOCK_NUMBERS, FIRST_ACTIVE, POSITIONS, ROUNDS, SAMPLES, Law, inlined


@inlined
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


@inlined
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


@inlined
def draw(
    key: Any, begin: int, step: int, law: Law, row: int, on_pattern: Any, uniform: Any, first: Any, left: Any, x: Any
) -> None:
    """Draw one block of inputs x, shape (n_features, SAMPLES), by the table of an `InputTable`."""
    n, starts = x.shape[0], law.starts
    number = x.dtype.type
    sizes, widths = law.amplitude
    x[:, :] = 0
    if law.stratified:
        # Each sample's pattern is given.
        for j in range(n):
            philox(key, begin, j, step, AMPLITUDES, uniform)
            size, width = number(sizes[j]), number(widths[j])
            for s in range(SAMPLES):
                x[j, s] = size + width * uniform[s] if law.masks[on_pattern[s], j] else number(0)
        return
    if law.hot > 0:
        left[:] = law.hot
        for j in range(n):
            philox(key, begin, j, step, BLOCK_NUMBERS, uniform)
            size, width = number(sizes[j]), number(widths[j])
            for s in range(SAMPLES):
                chance = left[s] / number(n - j)
                on = uniform[s] < chance
                x[j, s] = size + width * uniform[s] / chance if on else number(0)
                left[s] -= number(1) if on else number(0)
        return
    some = law.first_edges.shape[1] > 0
    if some:
        philox(key, begin, 0, step, FIRST_ACTIVE, first)
    block = -1
    for k in range(law.block_of.shape[0]):
        if law.block_of[k] != block:
            block = law.block_of[k]
            philox(key, begin, block, step, BLOCK_NUMBERS, uniform)
            if some:
                below = law.first_edges[row, block - 1] if block > 0 else 0.0
                _exclude_empty(uniform, first, below, law.first_edges[row, block], law.chances[row, block])
        begins, ends = number(law.low[row, k]), number(law.high[row, k])
        if not law.high[row, k] > law.low[row, k]:
            continue
        if starts[k + 1] - starts[k] == 1:
            # What the choice leaves of the number is uniform too, and serves as the amplitude.
            j = law.members[starts[k]]
            size = number(sizes[j])
            scale = number(widths[j]) / (ends - begins)
            for s in range(SAMPLES):
                if uniform[s] >= begins and uniform[s] < ends:
                    x[j, s] = size + scale * (uniform[s] - begins)
        else:
            for place in range(starts[k], starts[k + 1]):
                j = law.members[place]
                philox(key, begin, j, step, AMPLITUDES, left)
                size, width = number(sizes[j]), number(widths[j])
                for s in range(SAMPLES):
                    if uniform[s] >= begins and uniform[s] < ends:
                        x[j, s] = size + width * left[s]


@inlined
def sample_weights(counts: Any, masses: Any, batch: int, on_pattern: Any, weight: Any) -> None:
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
