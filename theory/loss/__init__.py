"""theory/loss."""

from .engine import ExactLoss
from .functions import expected_loss, loss_gradient, loss_hessian
from .linear import LinearOptimum, linear_gradient, linear_loss, linear_optimum
from .rounding import loss_rounding, mean_square

__all__ = [
    "ExactLoss",
    "LinearOptimum",
    "expected_loss",
    "linear_gradient",
    "linear_loss",
    "linear_optimum",
    "loss_gradient",
    "loss_hessian",
    "loss_rounding",
    "mean_square",
]
