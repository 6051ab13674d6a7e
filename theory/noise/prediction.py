"""What sampling noise does to weights at a minimum: how far they spread, and what that costs.

Two answers. To leading order the loss is its second-order part at the minimum, and the noise is what it is there: exact
as rate and noise go to zero, wherever the Hessian has no jump. The closure assumes instead that weights are normally
distributed, and looks for the mean and the covariance that reproduce themselves when the exact gradient, Hessian and
noise are averaged over that law: kinks enter, noise that depends on the weights, and bowls that aren't parabolas.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from ..minima import CriticalPoint, Landscape, one_sided_hessians, orbit_projector
from ..models import ToyModel
from ..numerics import (
    MOST_SAMPLES,
    FloatArray,
    Summarised,
    check_choice,
    check_count,
    check_kind,
    check_number,
    reals,
)
from .covariance import GradientNoise, Sampling, ZeroInputs, gradient_noise
from .dynamics import OptimiserRule, spread_after, spread_at_rest, spread_of_steps

Optimiser = Literal["adam", "sgd"]
DEFAULT_MOMENTUM = 0.9
# Directions over which a Hessian that jumps is averaged to leading order, and rotated sets of points ±√P e_k that stand
# for a normal law in the closure: an average over them is exact for what is quadratic.
SECTORS, ROTATIONS = 64, 8
# Repetitions of the closure, the share of each that is taken, and the relative change of the excess over so many of
# them at which it stands.
ROUNDS, SHARE, SETTLED, WINDOW = 400, 0.3, 1e-4, 8
# Where the closure begins: a spread of this share of a step of Adam, and for SGD of what can't be seen.
FIRST, UNSEEN = 0.3, 1e-6
# Where gradients vanish Adam's steps grow until they overshoot: at most to this share of what would be unstable.
EDGE = 0.98
# Singular values of a mean Hessian below this share are flat directions.
RANK = 1e-9


@dataclass(frozen=True, eq=False)
class SamplingNoise(Summarised):
    """The law of the weights that training leaves around a minimum.

    Attributes:
        excess: E[L] − L(minimum), in units of the loss; NaN if nothing settles.
        covariance: E[δ δᵀ] of δ = (W, b) − minimum, shape (P, P), in the order of `tegum.theory.minima.pack`.
        shift: E[δ], shape (P,); zero to leading order.
        order: "leading" or "closure".
        status: "at rest", "after the steps" or "not settled".
        reason: what the status rests on.
    """

    excess: float
    covariance: FloatArray
    shift: FloatArray
    order: str
    status: str
    reason: str

    @property
    def distance(self) -> float:
        """Root mean square distance from the minimum in (W, b), flat directions left out."""
        return float(np.sqrt(np.trace(self.covariance)))


def sampling_noise(
    model: ToyModel,
    point: CriticalPoint,
    learning_rate: ArrayLike,
    batch_size: int,
    optimiser: Optimiser = "adam",
    *,
    momentum: float | None = None,
    sampling: Sampling = "plain",
    zero_inputs: ZeroInputs = "sampled",
    order: Literal["leading", "closure"] = "closure",
) -> SamplingNoise:
    """Predict how weights spread around a minimum in sampled training, and their mean excess loss.

    Gradients of a batch are those of the exact loss and a noise of the exact covariance (`gradient_noise`); second
    moments of weights and momentum follow a linear recursion. At a constant rate that is a discrete Lyapunov equation,
    solved in the modes of the (preconditioned) Hessian; through a schedule it is followed step by step from no spread.

    Args:
        model: a single model, at most four features active at once.
        point: its minimum.
        learning_rate: η, a number: the spread at rest. Or one for each step, shape (T,): the spread after them, to
            leading order.
        batch_size: B.
        optimiser: "adam" (arXiv:1412.6980; β₂ = 0.999, ε = 1e-8) or "sgd".
        momentum: SGD's μ or Adam's β₁, default 0.9.
        sampling: "plain" or "stratified", as `tegum.empirical.Sampling`.
        zero_inputs: "sampled" or "exact".
        order: "leading", or "closure" for constant rates.

    Returns:
        The record.

    Raises:
        ValueError: if a number is out of range, the model is a batch, or a closure is asked for through a schedule.

    Example:
        >>> from tegum.theory import diagram_model, global_minimum
        >>> model = diagram_model(2, 1, 0.3, 1.0)
        >>> noise = sampling_noise(model, global_minimum(model), 0.02, 256, "sgd", momentum=0.0, order="leading")
        >>> f"{noise.excess:.2e}"  # 105 runs of 10,000 steps: 2.8e-6, standard error 0.3e-6
        '2.79e-06'
    """
    check_kind("model", model, ToyModel)
    model.check_plain("the noise of training", "bias", "targets", "amplitude")
    check_kind("point", point, CriticalPoint)
    rates = reals("learning_rate", learning_rate, least=0)
    check_count("batch_size", batch_size, 1, MOST_SAMPLES)
    check_choice("optimiser", optimiser, get_args(Optimiser))
    if momentum is not None:
        momentum = check_number("momentum", momentum, least=0, below=1)
    check_choice("sampling", sampling, get_args(Sampling))
    check_choice("zero_inputs", zero_inputs, get_args(ZeroInputs))
    check_choice("order", order, ("leading", "closure"))
    if model.batch_shape != ():
        raise ValueError(f"expected a single model, got batch shape {model.batch_shape}; take one of it")
    mu = DEFAULT_MOMENTUM if momentum is None else momentum
    if rates.ndim > 1 or rates.size == 0 or not rates.max() > 0:
        raise ValueError(f"learning_rate must be positive, or one for each step, shape (T,), got {learning_rate!r}")
    rule = OptimiserRule(optimiser == "adam", float(mu))
    of_batch = partial(
        GradientNoise.covariance, batch_size=batch_size, sampling=sampling, zero_inputs=zero_inputs
    )  # fmt: skip
    theta = Landscape(model).join(point.weights, point.bias)
    if rates.ndim and order == "closure":
        raise ValueError("order 'closure' is for a constant rate; through a schedule pass order='leading'")
    if order == "closure":
        return _closure(model, theta, float(rates), rule, of_batch)
    hessian = mean_hessian(model, theta)
    noise = of_batch(gradient_noise(model, point.weights, point.bias))
    if rates.ndim:
        spread = spread_after(hessian, noise, rates, rule)
        status, reason = "after the steps", f"{len(rates)} steps from no spread"
    else:
        spread = spread_at_rest(hessian, noise, float(rates), rule)
        settled = bool(np.isfinite(spread).all())
        status = "at rest" if settled else "not settled"
        reason = "Lyapunov equation" if settled else "steps are too long for the curvature, or gradients have no noise"
    excess = float(np.einsum("pq,qp->", hessian, spread)) / 2
    return SamplingNoise(excess, spread, np.zeros(len(theta)), "leading", status, reason)


def mean_hessian(model: ToyModel, theta: FloatArray) -> FloatArray:
    """Return the Hessian at packed parameters, of a kink the mean over directions; shape (P, P).

    Args:
        model: a single model.
        theta: θ, shape (P,), with exact zeros where a critical point has them.
    """
    check_kind("model", model, ToyModel)
    if model.batch_shape != ():
        raise ValueError(f"model must be a single one, got batch shape {model.batch_shape}")
    theta = reals("theta", theta, (model.n_parameters,))
    directions = np.random.default_rng(0).normal(size=(1, SECTORS, len(theta)))
    landscape = Landscape(model.take((None,)))
    return np.asarray(one_sided_hessians(landscape, theta[None], directions)[0].mean(axis=0))


def _directions(size: int) -> FloatArray:
    """Return points ±√P e_k in several rotations, shape (2 P ROTATIONS, P): of mean 0 and covariance 1."""
    rng = np.random.default_rng(1)
    turns = [np.linalg.qr(rng.normal(size=(size, size)))[0] for _ in range(ROTATIONS)]
    return np.asarray(np.sqrt(size) * np.concatenate([part for turn in turns for part in (turn, -turn)]))


def _closure(
    model: ToyModel,
    theta: FloatArray,
    rate: float,
    rule: OptimiserRule,
    of_batch: Callable[[GradientNoise], FloatArray],
) -> SamplingNoise:
    """Return `sampling_noise` by the closure, for what takes the covariance of a batch from a record of moments."""
    size = len(theta)
    one = model.take((None,))
    landscape = Landscape(one)
    least = float(landscape.losses(theta[None])[0])
    directions = _directions(size)
    # Along rotations of the hidden space nothing changes but the name of the point: only distances across them count.
    across = np.eye(size) - orbit_projector(landscape.split(theta[None])[0])[0]
    spread = np.eye(size) * ((FIRST * rate) ** 2 if rule.adam else UNSEEN**2)
    shift, history = np.zeros(size), []
    status, reason = "not settled", f"the law still changes after {ROUNDS} repetitions"
    for _ in range(ROUNDS):
        values, vectors = np.linalg.eigh(spread)
        root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
        points = theta + shift + directions @ root
        losses, gradients, hessians = landscape.expand(points)
        noise = of_batch(gradient_noise(one, *landscape.split(points))).mean(axis=0)
        hessian, pull = across @ hessians.mean(axis=0) @ across, gradients.mean(axis=0)
        history.append(float(losses.mean() - least))
        steps = np.full(size, rate)
        if rule.adam:
            steps /= np.sqrt(np.diag(noise) + (gradients**2).mean(axis=0)) + rule.epsilon
            side = np.sqrt(steps)
            steepest = np.linalg.eigvalsh(side[:, None] * hessian * side)[-1] * rule.gain
            steps *= min(1, EDGE * 2 * (1 + rule.momentum) / steepest) if steepest > 0 else 1
        found = spread_of_steps(hessian, noise, steps, rule)
        if not np.isfinite(found).all():
            reason = "steps are too long for the curvature, or the mean Hessian isn't positive"
            break
        spread = (1 - SHARE) * spread + SHARE * found
        shift = shift - SHARE * (np.linalg.pinv(hessian, rcond=RANK, hermitian=True) @ pull)
        if len(history) > 2 * WINDOW and abs(history[-1] - history[-WINDOW]) <= SETTLED * abs(history[-1]):
            status, reason = "at rest", f"the law reproduces itself ({len(history)} repetitions)"
            break
    excess = history[-1] if status == "at rest" else float("nan")
    return SamplingNoise(excess, spread + np.outer(shift, shift), shift, "closure", status, reason)
