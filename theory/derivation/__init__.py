"""The loss as a formula: one rational function of weights, biases and density on each region of parameter space.

`box_differences` integrates one activity pattern in SymPy, `loss_formula` puts the regions together, `programs` prints
the result as Python, C or JavaScript, and `rigid_shapes` does the same for a shape of which only the scale is free.
Begin with `loss_formula`, and docs/derivation.md for the mathematics:

    >>> from tegum.theory import derive_loss
    >>> formula = derive_loss(1, 1)
    >>> [str(symbol) for symbol in formula.symbols]
    ['w1', 'b1', 'p', 'r']
"""

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
