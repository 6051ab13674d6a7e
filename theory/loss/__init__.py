"""The exact expected loss of x' = ReLU(WᵀWx + b), with gradient and Hessian: where it is integrated.

`moments` integrates over the part of a cube on which a ReLU is on, from its `cells`; `signed_sums` takes expectations
over the input law, `chain_rule` makes loss and derivatives of them. That is the engine of `arrays`; that of `compiled`
code goes through the same steps, written down as a `schedule`, and `inverted` transforms (`spectral`) reach hundreds of
features; finitely many inputs are `summed` over, and mixtures of laws `mixed`. All give an `evaluation`, with its
error; `engine` chooses one, and `functions` checks arguments. `linear` is the model without the ReLU. Begin with
`functions`, and docs/loss.md for the derivation:

    >>> from tegum.theory import IndependentFeatures, ToyModel, expected_loss
    >>> model = ToyModel(2, 1, IndependentFeatures(0.5))
    >>> round(float(expected_loss(model, [[1.0, -1.0]], [0.0, 0.0])), 12)  # (1 + r) p² / 6
    0.083333333333
"""

from .arrays import ArrayEngine
from .compiled import CompiledEngine
from .door import checked_parameters
from .engine import ExactLoss, engine_for
from .evaluation import Engine, Evaluation
from .functions import expected_loss, loss_gradient, loss_hessian
from .inverted import SpectralEngine
from .linear import LinearOptimum, linear_gradient, linear_loss, linear_optimum
from .mixed import MixtureEngine
from .rounding import loss_rounding, mean_square
from .summed import SummedEngine

__all__ = [
    "ArrayEngine",
    "CompiledEngine",
    "Engine",
    "Evaluation",
    "ExactLoss",
    "LinearOptimum",
    "MixtureEngine",
    "SpectralEngine",
    "SummedEngine",
    "checked_parameters",
    "engine_for",
    "expected_loss",
    "linear_gradient",
    "linear_loss",
    "linear_optimum",
    "loss_gradient",
    "loss_hessian",
    "loss_rounding",
    "mean_square",
]
