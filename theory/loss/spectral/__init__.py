"""The expected loss of hundreds of features, from the Laplace transform of each output's argument.

`blocks` says which features are independent of each other, `rows` prepares the rows of WᵀW, `transforms` has the
factors of the transform, `contour` sums along a line, `simple_patterns` and `few` are the terms that are subtracted
before, and `inversion` knows when to stop. Begin with `engine`, and docs/spectral.md for the derivation:

    >>> import numpy as np
    >>> from tegum.theory import IndependentFeatures, ToyModel
    >>> from tegum.theory.loss.spectral import SpectralLoss
    >>> model = ToyModel(50, 25, IndependentFeatures(0.1))
    >>> axes = np.eye(25, 50)  # half of the features stored, half dropped without a bias: 25 p / 3
    >>> bool(abs(SpectralLoss(model).output_losses(axes, np.zeros(50)).sum() - 25 * 0.1 / 3) < 1e-9)
    True
"""

from .blocks import BlockLaw
from .contour import Line
from .engine import Inverted, SpectralLoss
from .errors import output_errors
from .rows import Rows

__all__ = [
    "BlockLaw",
    "Inverted",
    "Line",
    "Rows",
    "SpectralLoss",
    "output_errors",
]
