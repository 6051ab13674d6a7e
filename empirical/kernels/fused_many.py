"""Sampled training in three kernels a step for models with many features.

Matrix products run on tensor cores: each number is split into two that TF32 holds, which keeps float32's precision.
`hidden_and_back` computes what all features share, `gradients` some columns of ∂L/∂W at once, and `update` takes the
step. Inputs are drawn again wherever they are needed, which is quicker than to keep them.
"""

from __future__ import annotations

import triton
import triton.language as tl

from .fused_parts import PER_STEP, amplitude, moved


@triton.jit
def _drawn(seed, position, channel, step, high, slope, size, rows: tl.constexpr, columns: tl.constexpr):
    """Return inputs of shape (4 rows, columns); row 4 p + 2 i + o has position p and word 2 o + i."""
    # All of one shape, as the random numbers are made in place.
    counter = position[:, None] + tl.zeros([rows, columns], tl.int32)
    across = channel[None, :] + tl.zeros([rows, columns], tl.int32)
    a, b, c, d = tl.philox(seed, counter, across, step, 0, 10)
    high, slope = high[None, :], slope[None, :]
    x0, x1 = amplitude(a, high, slope, size), amplitude(b, high, slope, size)
    x2, x3 = amplitude(c, high, slope, size), amplitude(d, high, slope, size)
    words = tl.join(tl.join(x0, x1), tl.join(x2, x3))
    return tl.reshape(tl.permute(words, (0, 2, 3, 1)), (4 * rows, columns))


@triton.jit
def _parts(x):
    """Return x as the sum of two numbers that TF32 holds, up to 2⁻²² of it."""
    # The mask is that of the 10 bits that TF32 keeps of the fraction.
    large = (x.to(tl.uint32, bitcast=True) & 0xFFFFE000).to(tl.float32, bitcast=True)
    return large, x - large


@triton.jit
def _product(left, left_rest, right, right_rest, total):
    """Return total + (left + left_rest) (right + right_rest), the product of the rests left out."""
    total = tl.dot(left_rest, right, total, input_precision="tf32")
    total = tl.dot(left, right_rest, total, input_precision="tf32")
    return tl.dot(left, right, total, input_precision="tf32")


@triton.jit
def _turned(mine, deep, feature, n: tl.constexpr, m: tl.constexpr):
    """Return some rows of Wᵀ in two parts."""
    inside = (deep[None, :] < m) & (feature[:, None] < n)
    return _parts(tl.load(mine + deep[None, :] * n + feature[:, None], mask=inside, other=0.0))


@triton.jit
def _pushes(
    mine, seed, position, feature, step, hidden, hidden_rest, highs, slopes, importances, quarter, size,
    n: tl.constexpr, m: tl.constexpr, batch: tl.constexpr,
    rows: tl.constexpr, columns: tl.constexpr, depth: tl.constexpr, output_relu: tl.constexpr,
):  # fmt: skip
    """Return X, δ / 2 and the loss of each output, shape (4 rows, columns)."""
    there = feature < n
    high = tl.load(highs + feature, mask=there, other=0.0)
    slope = tl.load(slopes + feature, mask=there, other=0.0)
    importance = tl.load(importances + feature, mask=there, other=0.0)
    x = _drawn(seed, position, feature, step, high, slope, size, rows, columns)
    deep = tl.arange(0, depth)[:, None]
    # b follows W in memory: it is row m, to which H has ones.
    weights, rest = _parts(tl.load(mine + deep * n + feature[None, :], mask=(deep <= m) & there[None, :], other=0.0))
    z = _product(hidden, hidden_rest, weights, rest, tl.zeros([4 * rows, columns], tl.float32))
    error = (tl.maximum(z, 0.0) if output_relu else z) - x
    push = importance[None, :] * error
    if batch % (4 * rows) != 0:
        row = tl.arange(0, 4 * rows)
        sample = tl.reshape(tl.broadcast_to(position[:, None], [rows, 4]), [4 * rows])
        # Row 4 p + 2 i + o holds word 2 o + i.
        inside = (sample < quarter) & (sample + (2 * (row % 2) + (row % 4) // 2) * quarter < batch)
        push = tl.where(inside[:, None], push, 0.0)
    losing = push * error
    if output_relu:
        push = tl.where(z > 0, push, 0.0)
    return x, push, losing


@triton.jit(do_not_specialize=["quarter", "room"])
def hidden_and_back(
    parameters, seeds, active, at, highs, slopes, importances, hiddens, backs, losses,
    quarter, room, size,
    n: tl.constexpr, m: tl.constexpr, batch: tl.constexpr,
    rows: tl.constexpr, columns: tl.constexpr, depth: tl.constexpr,
    hidden_relu: tl.constexpr, output_relu: tl.constexpr,
):  # fmt: skip
    """Compute H and Wδ f₁' of some of a step's samples; a program for each model and tile of 4 `rows` samples.

    Args:
        parameters: W and b, shape (models, m n + n).
        seeds: shape (models,).
        active: whether a model moves, shape (models,).
        at: number of the step, a pointer.
        highs: a feature is on where its number is below this, shape (models, n).
        slopes: width of the amplitudes over `highs`.
        importances: shape (models, n).
        hiddens: filled with H and a column of ones, shape (models, 4 room, depth).
        backs: filled with Wδ f₁', same shape.
        losses: filled with the tile's share of the loss, shape (models, tiles).
        quarter: number of samples that a word of the random numbers makes, ⌈batch / 4⌉.
        room: number of positions, filled up to whole tiles.
        size: smallest amplitude.
        n: number of features.
        m: number of hidden dimensions.
        batch: samples of a step.
        rows: positions of a tile, each of which makes four samples.
        columns: features at once.
        depth: power of two that holds m + 1, at least 16.
        hidden_relu: f₁ is the ReLU.
        output_relu: f₂ is the ReLU.
    """
    model, tile = tl.program_id(0).to(tl.int64), tl.program_id(1)
    if tl.load(active + model) == 0:
        return
    seed, step = tl.load(seeds + model), tl.load(at).to(tl.int32)
    mine = parameters + model * (m * n + n)
    deep, position = tl.arange(0, depth), tile * rows + tl.arange(0, rows)
    hidden = tl.zeros([4 * rows, depth], tl.float32)
    for start in range(0, n, columns):
        feature = start + tl.arange(0, columns)
        high = tl.load(highs + model * n + feature, mask=feature < n, other=0.0)
        slope = tl.load(slopes + model * n + feature, mask=feature < n, other=0.0)
        x = _drawn(seed, position, feature, step, high, slope, size, rows, columns)
        x, x_rest = _parts(x)
        turned, rest = _turned(mine, deep, feature, n, m)
        hidden = _product(x, x_rest, turned, rest, hidden)
    if hidden_relu:
        hidden = tl.maximum(hidden, 0.0)
    hidden = tl.where(deep[None, :] == m, 1.0, hidden)
    large, small = _parts(hidden)
    back = tl.zeros([4 * rows, depth], tl.float32)
    loss = tl.zeros([4 * rows, columns], tl.float32)
    for start in range(0, n, columns):
        feature = start + tl.arange(0, columns)
        _, push, losing = _pushes(
            mine, seed, position, feature, step, large, small, highs + model * n, slopes + model * n,
            importances + model * n, quarter, size, n, m, batch, rows, columns, depth, output_relu,
        )  # fmt: skip
        loss += losing
        push, push_rest = _parts(push)
        turned, rest = _turned(mine, deep, feature, n, m)
        back = _product(push, push_rest, turned, rest, back)
    if hidden_relu:
        back = tl.where(hidden > 0, back, 0.0)
    row = tl.arange(0, 4 * rows)
    at_tile = (4 * (model * room + tile * rows) + row[:, None]) * depth + deep[None, :]
    tl.store(hiddens + at_tile, hidden)
    tl.store(backs + at_tile, back)
    tl.store(losses + model * tl.num_programs(1) + tile, tl.sum(tl.sum(loss, axis=0), axis=0) / batch)


@triton.jit(do_not_specialize=["quarter", "room", "splits"])
def gradients(
    parameters, seeds, active, at, highs, slopes, importances, hiddens, backs, partial,
    quarter, room, size, splits,
    n: tl.constexpr, m: tl.constexpr, batch: tl.constexpr,
    rows: tl.constexpr, columns: tl.constexpr, depth: tl.constexpr, output_relu: tl.constexpr,
):  # fmt: skip
    """Add up the gradient of some columns of W over a share of the samples; a program for each model, part and share.

    Args:
        parameters: as for `hidden_and_back`, and so are the others that aren't named here.
        seeds: see there.
        active: see there.
        at: see there.
        highs: see there.
        slopes: see there.
        importances: see there.
        hiddens: H and a column of ones, shape (models, 4 room, depth).
        backs: Wδ f₁', same shape.
        partial: filled with ∂L/∂W and ∂L/∂b, shape (models, splits, m n + n).
        quarter: see there.
        room: see there.
        size: see there.
        splits: shares of the samples.
        n: see there.
        m: see there.
        batch: see there.
        rows: see there.
        columns: see there.
        depth: see there.
        output_relu: see there.
    """
    model, split = tl.program_id(0).to(tl.int64), tl.program_id(2)
    if tl.load(active + model) == 0:
        return
    seed, step = tl.load(seeds + model), tl.load(at).to(tl.int32)
    mine = parameters + model * (m * n + n)
    feature, deep = tl.program_id(1) * columns + tl.arange(0, columns), tl.arange(0, depth)
    row = tl.arange(0, 4 * rows)
    sums = tl.zeros([depth, columns], tl.float32)
    for tile in range(split, room // rows, splits):
        at_tile = (4 * (model * room + tile * rows) + row[:, None]) * depth + deep[None, :]
        hidden, hidden_rest = _parts(tl.load(hiddens + at_tile))
        back, back_rest = _parts(tl.load(backs + at_tile))
        x, push, _ = _pushes(
            mine, seed, tile * rows + tl.arange(0, rows), feature, step, hidden, hidden_rest,
            highs + model * n, slopes + model * n, importances + model * n, quarter, size,
            n, m, batch, rows, columns, depth, output_relu,
        )  # fmt: skip
        x, x_rest = _parts(x)
        push, push_rest = _parts(push)
        sums = _product(tl.trans(hidden), tl.trans(hidden_rest), push, push_rest, sums)
        sums = _product(tl.trans(back), tl.trans(back_rest), x, x_rest, sums)
    inside = (deep[:, None] <= m) & (feature[None, :] < n)
    share = partial + (model * splits + split) * (m * n + n)
    tl.store(share + deep[:, None] * n + feature[None, :], sums * (2.0 / batch), mask=inside)


@triton.jit(do_not_specialize=["splits"])
def update(
    parameters, first, second, active, at, schedule, partial, tile_losses, losses,
    momentum, beta, epsilon, splits,
    wide: tl.constexpr, tiles: tl.constexpr, tiles_room: tl.constexpr, block: tl.constexpr, width: tl.constexpr,
    adam: tl.constexpr,
):  # fmt: skip
    """Take a step along the gradients that `gradients` has left; a program for each model and part.

    Args:
        parameters: W and b, shape (models, wide).
        first: first moments.
        second: second moments; not read unless `adam`.
        active: whether a model moves, shape (models,).
        at: number of the step, a pointer.
        schedule: shape (steps, PER_STEP).
        partial: gradients, shape (models, splits, wide).
        tile_losses: losses of tiles of samples, shape (models, tiles).
        losses: filled at the step modulo `block`, shape (models, block).
        momentum: μ, or β₁.
        beta: β₂.
        epsilon: Adam's.
        splits: shares of the samples.
        wide: number of parameters of a model.
        tiles: number of tiles.
        tiles_room: power of two that holds them.
        block: steps whose losses are kept.
        width: parameters of a part.
        adam: Adam, else SGD.
    """
    model = tl.program_id(0).to(tl.int64)
    if tl.load(active + model) == 0:
        return
    step = tl.load(at)
    place = tl.program_id(1) * width + tl.arange(0, width)
    total = tl.zeros([width], tl.float32)
    for split in range(splits):
        total += tl.load(partial + (model * splits + split) * wide + place, mask=place < wide, other=0.0)
    if tl.program_id(1) == 0:
        tile = tl.arange(0, tiles_room)
        shares = tl.load(tile_losses + model * tiles + tile, mask=tile < tiles, other=0.0)
        tl.store(losses + model * block + step % block, tl.sum(shares, axis=0))
    inside = place < wide
    mine = model * wide + place
    point = tl.load(parameters + mine, mask=inside, other=0.0)
    mean = tl.load(first + mine, mask=inside, other=0.0)
    square = mean
    if adam:
        square = tl.load(second + mine, mask=inside, other=0.0)
    row = schedule + step * PER_STEP
    point, mean, square = moved(
        point, mean, square, total, tl.load(row), tl.load(row + 1), tl.load(row + 2), momentum, beta, epsilon, adam
    )
    tl.store(parameters + mine, point, mask=inside)
    tl.store(first + mine, mean, mask=inside)
    if adam:
        tl.store(second + mine, square, mask=inside)
