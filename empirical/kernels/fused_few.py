"""Sampled training fused into one kernel for models with few features.

One program trains one model, for as many steps as asked, with everything but the parameters in registers: a lane holds
a sample, or shares it with a few others; loops over features and hidden dimensions are unrolled.
"""

from __future__ import annotations

import triton
import triton.language as tl

from .fused_parts import PER_STEP, amplitude, moved


@triton.jit
def _sample(
    sums, weights, bias, importance, x, valid,
    each: tl.constexpr, m: tl.constexpr, whole: tl.constexpr, hidden_relu: tl.constexpr, output_relu: tl.constexpr,
):  # fmt: skip
    """Return sums of half of ∂L/∂W and ∂L/∂b and of the loss, with those of one more sample in each row of lanes."""
    hidden = ()
    for k in tl.static_range(m):
        h = weights[k * each] * x[0]
        for i in tl.static_range(1, each):
            h += weights[k * each + i] * x[i]
        h = tl.sum(h, axis=1, keep_dims=True)
        hidden = hidden + (tl.maximum(h, 0.0) if hidden_relu else h,)
    pushes = ()
    loss = sums[m * each + each]
    for i in tl.static_range(each):
        z = bias[i] + weights[i] * hidden[0]
        for k in tl.static_range(1, m):
            z += weights[k * each + i] * hidden[k]
        error = (tl.maximum(z, 0.0) if output_relu else z) - x[i]
        push = importance[i] * error
        if not whole:
            push = tl.where(valid, push, 0.0)
        loss += push * error
        pushes = pushes + (tl.where(z > 0, push, 0.0) if output_relu else push,)
    new = ()
    for k in tl.static_range(m):
        back = weights[k * each] * pushes[0]
        for i in tl.static_range(1, each):
            back += weights[k * each + i] * pushes[i]
        back = tl.sum(back, axis=1, keep_dims=True)
        if hidden_relu:
            back = tl.where(hidden[k] > 0, back, 0.0)
        for i in tl.static_range(each):
            new = new + (sums[k * each + i] + pushes[i] * hidden[k] + back * x[i],)
    for i in tl.static_range(each):
        new = new + (sums[m * each + i] + pushes[i],)
    return new + (loss,)


@triton.jit(do_not_specialize=["begin", "count", "quarter"])
def few_features(
    parameters, first, second, gradients, seeds, active, schedule, highs, slopes, importances, losses,
    begin, count, quarter, size, momentum, beta, epsilon,
    n: tl.constexpr, m: tl.constexpr, batch: tl.constexpr, lanes: tl.constexpr, share: tl.constexpr,
    room: tl.constexpr, adam: tl.constexpr, hidden_relu: tl.constexpr, output_relu: tl.constexpr,
):  # fmt: skip
    """Take `count` steps of one model; a program for each.

    Args:
        parameters: W and b, shape (models, m n + n).
        first: first moments.
        second: second moments; not read unless `adam`.
        gradients: room for a gradient, shape of the parameters.
        seeds: shape (models,).
        active: whether a model moves, shape (models,).
        schedule: shape (steps, PER_STEP).
        highs: a feature is on where its number is below this, shape (models, n).
        slopes: width of the amplitudes over `highs`.
        importances: shape (models, n).
        losses: filled, shape (models, count).
        begin: number of the first step.
        count: number of steps.
        quarter: number of samples that a word of the random numbers makes, ⌈batch / 4⌉.
        size: smallest amplitude.
        momentum: μ, or β₁.
        beta: β₂.
        epsilon: Adam's.
        n: number of features.
        m: number of hidden dimensions.
        batch: samples of a step.
        lanes: samples at once.
        share: lanes that share a sample's features, a power of two.
        room: power of two that holds m n + n.
        adam: Adam, else SGD.
        hidden_relu: f₁ is the ReLU.
        output_relu: f₂ is the ReLU.
    """
    wide: tl.constexpr = m * n + n
    each: tl.constexpr = (n + share - 1) // share
    whole: tl.constexpr = batch % (4 * lanes) == 0
    model = tl.program_id(0).to(tl.int64)
    if tl.load(active + model) == 0:
        return
    seed = tl.load(seeds + model)
    mine = parameters + model * wide
    place = tl.arange(0, room)
    inside = place < wide
    point = tl.load(mine + place, mask=inside, other=0.0)
    mean = tl.load(first + model * wide + place, mask=inside, other=0.0)
    square = mean
    if adam:
        square = tl.load(second + model * wide + place, mask=inside, other=0.0)
    lane, member = tl.arange(0, lanes)[:, None], tl.arange(0, share)[None, :]
    zero = tl.zeros([lanes, share], tl.float32)
    importance = ()
    for i in tl.static_range(each):
        there = i * share + member < n
        importance = importance + (tl.load(importances + model * n + i * share + member, mask=there, other=0.0),)
    for step in range(count):
        weights = ()
        for k in tl.static_range(m):
            for i in tl.static_range(each):
                there = i * share + member < n
                weights = weights + (tl.load(mine + k * n + i * share + member, mask=there, other=0.0),)
        bias = ()
        for i in tl.static_range(each):
            there = i * share + member < n
            bias = bias + (tl.load(mine + m * n + i * share + member, mask=there, other=0.0),)
        sums = ()
        for _ in tl.static_range(m * each + each + 1):
            sums = sums + (zero,)
        for start in range(0, quarter, lanes):
            position = start + lane
            x0 = ()
            x1 = ()
            x2 = ()
            x3 = ()
            for i in tl.static_range(each):
                there = i * share + member < n
                high = tl.load(highs + model * n + i * share + member, mask=there, other=0.0)
                slope = tl.load(slopes + model * n + i * share + member, mask=there, other=0.0)
                a, b, c, d = tl.philox(seed, position + 0 * member, i * share + member + 0 * lane, begin + step, 0, 10)
                x0 = x0 + (amplitude(a, high, slope, size),)
                x1 = x1 + (amplitude(b, high, slope, size),)
                x2 = x2 + (amplitude(c, high, slope, size),)
                x3 = x3 + (amplitude(d, high, slope, size),)
            here = position < quarter
            sums = _sample(sums, weights, bias, importance, x0, here, each, m, whole, hidden_relu, output_relu)
            sums = _sample(
                sums, weights, bias, importance, x1, here & (position + quarter < batch),
                each, m, whole, hidden_relu, output_relu,
            )  # fmt: skip
            sums = _sample(
                sums, weights, bias, importance, x2, here & (position + 2 * quarter < batch),
                each, m, whole, hidden_relu, output_relu,
            )  # fmt: skip
            sums = _sample(
                sums, weights, bias, importance, x3, here & (position + 3 * quarter < batch),
                each, m, whole, hidden_relu, output_relu,
            )  # fmt: skip
        for k in tl.static_range(m + 1):
            for i in tl.static_range(each):
                feature = i * share + tl.arange(0, share)
                total = tl.sum(sums[k * each + i], axis=0) * (2.0 / batch)
                tl.store(gradients + model * wide + k * n + feature, total, mask=feature < n)
        loss = tl.sum(tl.sum(sums[m * each + each], axis=1), axis=0) / batch
        tl.store(losses + model * count + step, loss)
        # From here on lanes read what others have written.
        tl.debug_barrier()
        gradient = tl.load(gradients + model * wide + place, mask=inside, other=0.0)
        row = schedule + (begin + step) * PER_STEP
        point, mean, square = moved(
            point, mean, square, gradient, tl.load(row), tl.load(row + 1), tl.load(row + 2),
            momentum, beta, epsilon, adam,
        )  # fmt: skip
        tl.store(mine + place, point, mask=inside)
        tl.debug_barrier()
    tl.store(first + model * wide + place, mean, mask=inside)
    if adam:
        tl.store(second + model * wide + place, square, mask=inside)
