"""theory/derivation."""

from .box_differences import DENSITY, RELATIVE_IMPORTANCE, Expression
from .loss_formula import LossFormula, OutputLoss, Region, derive_loss

__all__ = [
    "DENSITY",
    "RELATIVE_IMPORTANCE",
    "Expression",
    "LossFormula",
    "OutputLoss",
    "Region",
    "derive_loss",
]
