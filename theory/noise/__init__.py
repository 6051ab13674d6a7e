"""The noise of sampled training: the exact covariance of gradients, and how weights spread around a minimum.

`cells` averages products of one input's gradient exactly over each activity pattern, `covariance` makes of them the
covariance of a batch's gradient, `dynamics` follows second moments of weights through SGD and Adam, and `prediction`
puts them together; `batches` does so for many minima, of more than four features with
the help of `sampled`. Begin with `prediction`, and docs/sampling-noise.md for the
derivation and measurements:

    >>> from tegum.theory import diagram_model, global_minimum
    >>> model = diagram_model(2, 1, 0.3, 1.0)
    >>> f"{sampling_noise(model, global_minimum(model), 0.01, 256, 'adam').excess:.1e}"  # mean excess loss
    '1.0e-04'
"""

from .batches import spreads_after
from .cells import MAX_FEATURES
from .covariance import GradientNoise, Sampling, ZeroInputs, gradient_noise
from .dynamics import OptimiserRule, spread_after, spread_at_rest, spread_of_steps
from .prediction import SamplingNoise, mean_hessian, sampling_noise

__all__ = [
    "MAX_FEATURES",
    "GradientNoise",
    "OptimiserRule",
    "Sampling",
    "SamplingNoise",
    "ZeroInputs",
    "gradient_noise",
    "mean_hessian",
    "sampling_noise",
    "spread_after",
    "spread_at_rest",
    "spread_of_steps",
    "spreads_after",
]
