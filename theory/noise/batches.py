"""The spread that a schedule leaves around each of many minima, to leading order."""

from __future__ import annotations

import numpy as np

from ..minima import Landscape, one_sided_hessians
from ..models import ToyModel
from ..numerics import FloatArray, over_slices
from .covariance import Sampling, ZeroInputs, gradient_noise
from .dynamics import OptimiserRule, spread_after

# Directions over which a Hessian that jumps is averaged.
SECTORS = 32
# Minima that one thread looks at before it is asked again.
CHUNK = 16


def spreads_after(
    model: ToyModel,
    weights: FloatArray,
    bias: FloatArray,
    rates: FloatArray,
    rule: OptimiserRule,
    batch_size: int,
    *,
    sampling: Sampling = "plain",
    zero_inputs: ZeroInputs = "sampled",
) -> tuple[FloatArray, FloatArray]:
    """Return the mean excess loss and the spread E[δ δᵀ] that training leaves around minima, to leading order.

    Args:
        model: batch shape (K,), at most four features active at once.
        weights: W of each minimum, shape (K, n_hidden, n_features), with exact zeros where it has them.
        bias: b, shape (K, n_features).
        rates: learning rate of each step, shape (T,).
        rule: the optimiser.
        batch_size: B.
        sampling: see `GradientNoise.covariance`.
        zero_inputs: see there.

    Returns:
        Shapes (K,) and (K, P, P).

    Raises:
        ValueError: as `gradient_noise` and `GradientNoise.covariance`.
    """
    landscape = Landscape(model)
    theta = landscape.join(weights, bias)
    noise = gradient_noise(model, weights, bias).covariance(batch_size, sampling=sampling, zero_inputs=zero_inputs)
    directions = np.random.default_rng(0).normal(size=(1, SECTORS, theta.shape[-1]))

    def work(part: slice) -> tuple[FloatArray, FloatArray]:
        each = np.broadcast_to(directions, (len(theta[part]), *directions.shape[1:]))
        hessians = one_sided_hessians(landscape.take(part), theta[part], each).mean(axis=1)
        found = [spread_after(h, c, rates, rule) for h, c in zip(hessians, noise[part], strict=True)]
        spread = np.array(found).reshape(hessians.shape)
        return np.einsum("kpq,kqp->k", hessians, spread) / 2, spread

    parts = over_slices(work, len(theta), CHUNK)
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
