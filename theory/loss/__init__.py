"""The exact expected loss of x' = ReLU(WᵀWx + b), with gradient and Hessian: where it is integrated.

`moments` integrates over the part of a cube on which a ReLU is on, from its `faces`; `signed_sums` takes expectations
over the input law, `engine` makes loss and derivatives of them and `functions` checks arguments. For small models a
`schedule` writes the same steps down for the compiled `kernel`; `spectral` is for hundreds of features and `linear` for
the model without the ReLU. Begin with `functions`, and docs/loss.md for the derivation:

    >>> from tegum.theory import IndependentFeatures, ToyModel, expected_loss
    >>> model = ToyModel(2, 1, IndependentFeatures(0.5))
    >>> round(float(expected_loss(model, [[1.0, -1.0]], [0.0, 0.0])), 12)  # (1 + r) p² / 6
    0.083333333333
"""

from .engine import ExactLoss
from .functions import expected_loss, loss_gradient, loss_hessian
from .linear import LinearOptimum, linear_gradient, linear_loss, linear_optimum

__all__ = [
    "ExactLoss",
    "LinearOptimum",
    "expected_loss",
    "linear_gradient",
    "linear_loss",
    "linear_optimum",
    "loss_gradient",
    "loss_hessian",
]
