"""theory/loss."""

from .arrays import ArrayEngine
from .compiled import CompiledEngine
from .engine import ExactLoss, engine_for
from .evaluation import Engine, Evaluation
from .functions import expected_loss, loss_gradient, loss_hessian
from .inverted import SpectralEngine
from .linear import LinearOptimum, linear_gradient, linear_loss, linear_optimum

__all__ = [
    "ArrayEngine",
    "CompiledEngine",
    "Engine",
    "Evaluation",
    "ExactLoss",
    "LinearOptimum",
    "SpectralEngine",
    "engine_for",
    "expected_loss",
    "linear_gradient",
    "linear_loss",
    "linear_optimum",
    "loss_gradient",
    "loss_hessian",
]
