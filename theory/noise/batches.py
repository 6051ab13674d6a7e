"""The spread that a schedule leaves around each of many minima, to leading order."""

from __future__ import annotations

from typing import get_args

import numpy as np

from ..minima import Landscape, one_sided_hessians
from ..models import ToyModel
from ..numerics import MOST_SAMPLES, FloatArray, check_choice, check_count, check_kind, over_slices, reals
from .cells import MAX_FEATURES
from .covariance import Sampling, ZeroInputs, gradient_noise
from .dynamics import OptimiserRule, check_rule, spread_after
from .sampled import sampled_covariance

# Directions in which a Hessian that jumps is looked at.
SECTORS = 32
# One-sided Hessians that differ by less, against the largest entry, are the same.
SAME = 1e-9
# Features whose patterns are enumerated where amplitudes are constant.
MOST_ENUMERATED = 12
# With more sides than this, so many are followed of those that spread furthest, and that cost most, by every so many-th
# rate of the schedule. At 60 random minima of three features, of 20 sides each, that gave the
# largest spread of all, and of costs at least 99.8 % of the largest.
SCREENED, THINNED = 2, 10
# Minima that one thread looks at before it is asked again.
CHUNK = 16


def is_exact(model: ToyModel) -> bool:
    """Return whether few enough features can be active at once for the exact covariance of gradients."""
    if model.features.amplitude.is_constant:
        return model.n_features <= MOST_ENUMERATED
    if model.n_features <= MAX_FEATURES:
        return True
    patterns = model.features.patterns(model.n_features)
    return all(len(active) <= MAX_FEATURES for active, _ in patterns)


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
    """Return the excess loss and the spread E[δ δᵀ] that training leaves around minima, to leading order.

    At a kink the Hessian is another on each side, and weights spread furthest on the softest side. So both are those of
    a loss that is as soft on all sides: the largest trace of the spread over the one-sided Hessians, and over their
    mean. Where the Hessian doesn't jump, that is the prediction of `sampling_noise`; at a kink it lies above.

    Args:
        model: batch shape (K,). With more than four features active at once the covariance of gradients is estimated
            from inputs that are drawn, else exact.
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
        ValueError: as `gradient_noise`, `sampled_covariance` and `GradientNoise.covariance`; or for stratified samples
            with more than four features active at once.
    """
    check_kind("model", model, ToyModel)
    model.check_plain("the noise of training", "bias", "targets", "amplitude")
    shape = model.batch_shape
    if len(shape) != 1:
        raise ValueError(f"model must be a line of models, batch shape (K,), got batch shape {shape}")
    weights = reals("weights", weights, (*shape, model.n_hidden, model.n_features))
    bias = reals("bias", bias, (*shape, model.n_features))
    rates = reals("rates", rates, ("T",), least=0)
    check_rule(rule)
    check_count("batch_size", batch_size, 1, MOST_SAMPLES)
    check_choice("sampling", sampling, get_args(Sampling))
    check_choice("zero_inputs", zero_inputs, get_args(ZeroInputs))
    landscape = Landscape(model)
    theta = landscape.join(weights, bias)
    if is_exact(model):
        noise = gradient_noise(model, weights, bias).covariance(batch_size, sampling=sampling, zero_inputs=zero_inputs)
    elif (sampling, zero_inputs) == ("plain", "sampled"):
        noise = sampled_covariance(model, weights, bias) / batch_size
    else:
        raise ValueError(
            f"with more than {MAX_FEATURES} features active at once noise is predicted for plain samples only, got "
            f"sampling={sampling!r}, zero_inputs={zero_inputs!r}"
        )
    directions = np.random.default_rng(0).normal(size=(1, SECTORS, theta.shape[-1]))

    def work(part: slice) -> tuple[FloatArray, FloatArray]:
        each = np.broadcast_to(directions, (len(theta[part]), *directions.shape[1:]))
        sides = one_sided_hessians(landscape.take(part), theta[part], each)
        excess, spread = np.empty(len(sides)), np.empty((len(sides), *theta.shape[-1:] * 2))
        for k, (hessians, covariance) in enumerate(zip(sides, noise[part], strict=True)):
            softest = _softest(_distinct(hessians), covariance, rates, rule)
            spreads = [(h, spread_after(h, covariance, rates, rule)) for h in softest]
            excess[k] = max(_cost(h, s) for h, s in spreads)
            spread[k] = max((s for _, s in spreads), key=np.trace)
        return excess, spread

    parts = over_slices(work, len(theta), CHUNK)
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _cost(hessian: FloatArray, spread: FloatArray) -> float:
    """Return the mean excess loss of a spread."""
    return float(np.einsum("pq,qp->", hessian, spread)) / 2


def _softest(
    hessians: list[FloatArray], covariance: FloatArray, rates: FloatArray, rule: OptimiserRule
) -> list[FloatArray]:
    """Return the Hessians that a thinned schedule says may spread weights furthest, or cost most: a few of each."""
    if len(hessians) <= SCREENED:
        return hessians
    thin = [spread_after(hessian, covariance, rates[::THINNED], rule) for hessian in hessians]
    costs = [_cost(hessian, spread) for hessian, spread in zip(hessians, thin, strict=True)]
    far, dear = (np.argsort(values)[-SCREENED:] for values in ([np.trace(spread) for spread in thin], costs))
    return [hessians[k] for k in sorted({*far.tolist(), *dear.tolist()})]


def _distinct(hessians: FloatArray) -> list[FloatArray]:
    """Return the mean of one-sided Hessians, shape (D, P, P), and those of them that differ and bend up everywhere."""
    mean = hessians.mean(axis=0)
    found, same = [mean], SAME * np.abs(hessians).max()
    for hessian in hessians:
        # Where one bends down, outside of its own sector, no weights are led by it.
        if np.linalg.eigvalsh(hessian)[0] >= -same and all(np.abs(hessian - other).max() > same for other in found):
            found.append(hessian)
    return found
