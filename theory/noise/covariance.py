"""The exact covariance of the stochastic gradient at a point, for every way in which training draws its inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from ..models import ActivePattern, ToyModel, stratified_counts
from ..numerics import (
    MOST_SAMPLES,
    FloatArray,
    Summarised,
    check_broadcast,
    check_count,
    check_kind,
    over_slices,
    reals,
)
from .cells import MAX_FEATURES, Points, pattern_moments

Sampling = Literal["plain", "stratified"]
ZeroInputs = Literal["sampled", "exact"]
# Points that one thread looks at before it is asked again.
CHUNK = 64


@dataclass(frozen=True, eq=False)
class GradientNoise(Summarised):
    """Moments of the gradient g of one input's loss, for each set A of active features.

    Attributes:
        patterns: the sets A.
        chances: P(A), shape (..., patterns).
        means: E[g | A], shape (..., patterns, P).
        seconds: E[g gᵀ | A], shape (..., patterns, P, P).

    Example:
        >>> from tegum.theory import diagram_model
        >>> noise = gradient_noise(diagram_model(2, 1, 0.5, 1.0), [[1.0, 0.0]], [0.0, 0.25])  # an axis, and a drop
        >>> round(float(noise.covariance()[3, 3]), 12)  # of the dropped one's bias: 4 (p/3 − p²/4)
        0.416666666667
    """

    patterns: tuple[ActivePattern, ...]
    chances: FloatArray
    means: FloatArray
    seconds: FloatArray

    @property
    def mean(self) -> FloatArray:
        """E[g], shape (..., P): the gradient of the loss without its penalties on weights."""
        return np.asarray(np.einsum("...a,...ap->...p", self.chances, self.means))

    def covariance(
        self, batch_size: int = 1, *, sampling: Sampling = "plain", zero_inputs: ZeroInputs = "sampled"
    ) -> FloatArray:
        """Return the covariance of the mean gradient of a batch of inputs, shape (..., P, P).

        Args:
            batch_size: B, inputs of a batch.
            sampling: "plain": Cov(g) / B. "stratified" by activity pattern: Σ_A P(A)² Cov(g | A) / n_A, with the n_A of
                `stratified_counts`.
            zero_inputs: "exact": x = 0 isn't drawn but added exactly, so that of plain samples P(x ≠ 0)² Cov(g | x ≠ 0)
                / B is left.

        Raises:
            ValueError: if the batch is smaller than 1, or than the number of patterns of a stratified one, or a word
                isn't a choice.
        """
        for name, value, words in (("sampling", sampling, Sampling), ("zero_inputs", zero_inputs, ZeroInputs)):
            if value not in get_args(words):
                raise ValueError(f"{name} must be one of {', '.join(get_args(words))}, got {value!r}")
        check_count("batch_size", batch_size, 1, MOST_SAMPLES)
        drawn = np.array([bool(active) or zero_inputs == "sampled" for active in self.patterns])
        chances = self.chances * drawn
        if sampling == "stratified":
            rows = chances[..., drawn].reshape(int(np.prod(chances.shape[:-1])), drawn.sum())
            active = np.array([len(active) for active in self.patterns])[drawn]
            counts = stratified_counts(rows, active, batch_size).reshape(*chances.shape[:-1], -1)
            weights = np.divide(rows.reshape(counts.shape) ** 2, counts, out=np.zeros(counts.shape), where=counts > 0)
            within = self.seconds - self.means[..., :, None] * self.means[..., None, :]
            return np.asarray(np.einsum("...a,...apq->...pq", weights, within[..., drawn, :, :]))
        mass = chances.sum(axis=-1)[..., None, None]
        second = np.einsum("...a,...apq->...pq", chances, self.seconds)
        mean = np.einsum("...a,...ap->...p", chances, self.means)
        return np.asarray((mass * second - mean[..., :, None] * mean[..., None, :]) / batch_size)


def gradient_noise(model: ToyModel, weights: ArrayLike, bias: ArrayLike) -> GradientNoise:
    """Return the exact moments of the gradient of one input's loss.

    Between kinks the gradient is a polynomial in the amplitudes; `cells` integrates its products. On a kink that has a
    probability of its own (z_i = 0 for all inputs of a pattern) an output counts as off, as it does in training.

    Args:
        model: batch shape (...). Up to four features can be active at once, any number if amplitudes are constant.
        weights: W, shape (..., n_hidden, n_features).
        bias: b, shape (..., n_features).

    Returns:
        The record, its leading shape that of model, weights and bias broadcast.

    Raises:
        ValueError: if shapes don't fit, too many features can be active at once, or weights are so large that float64
            doesn't hold the squares of gradients.
    """
    check_kind("model", model, ToyModel)
    model.check_plain("the covariance of gradients", "bias", "targets", "amplitude")
    m, n = model.n_hidden, model.n_features
    weights, bias = reals("weights", weights, (..., m, n)), reals("bias", bias, (..., n))
    check_broadcast(weights=weights.shape[:-2], bias=bias.shape[:-1], model=model.batch_shape)
    law = dict(model.features.patterns(n))
    amplitude = model.features.amplitude
    most = max(map(len, law))
    if most > MAX_FEATURES and not amplitude.is_constant:
        raise ValueError(
            f"the exact covariance of gradients integrates over at most {MAX_FEATURES} features that are active at "
            f"once, got {most}; amplitudes that are constant need no integration"
        )
    shape = np.broadcast_shapes(model.batch_shape, weights.shape[:-2], bias.shape[:-1])
    rows = int(np.prod(shape))

    # Copies: compiled code takes arrays that can be written to and lie in rows.
    def table(array: FloatArray, *last: int) -> FloatArray:
        return np.array(np.broadcast_to(array, (*shape, *last)), order="C").reshape(rows, *last)

    w = table(weights, m, n)
    gram, importance = np.array(w.mT @ w, order="C"), table(model.importances(), n)
    flat = [w, table(bias, n), gram, importance, table(model.activation_penalty)]
    active = [np.array(pattern, dtype=np.int64) for pattern in law]

    def work(part: slice) -> list[tuple[FloatArray, FloatArray]]:
        columns = [array[part] for array in flat]
        points = Points._make([*columns, float(amplitude.low), float(amplitude.width)])
        return [pattern_moments(points, pattern) for pattern in active]

    parts = over_slices(work, rows, CHUNK)
    means = np.stack([np.concatenate([part[a][0] for part in parts]) for a in range(len(law))], axis=1)
    seconds = np.stack([np.concatenate([part[a][1] for part in parts]) for a in range(len(law))], axis=1)
    if not np.isfinite(seconds).all():
        raise ValueError("weights and bias must be small enough for float64 to hold the squares of gradients")
    size = (m + 1) * n
    chances = np.stack([np.broadcast_to(np.asarray(c, dtype=np.float64), shape) for c in law.values()], axis=-1)
    return GradientNoise(
        tuple(law),
        chances,
        means.reshape(*shape, len(law), size),
        seconds.reshape(*shape, len(law), size, size),
    )
