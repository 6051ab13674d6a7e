"""Bounds on rounding, by counting operations.

Each operation of float64 gives its exact result times 1 + δ, |δ| ≤ u = 2⁻⁵³, in whatever order and with whatever
instructions it is done; fusing a product with a sum leaves one of the two δ out. So a result through which k operations
run is one with a factor between 1 ± γ_k on each of its terms (N. J. Higham, Accuracy and Stability of Numerical
Algorithms, 2002, lemma 3.1, doi:10.1137/1.9780898718027), and is off by at most γ_k times the sum of their sizes.
docs/errors.md lists what is bounded by it.
"""

from __future__ import annotations

import numpy as np

from .arrays import FloatArray

# Relative error u of one float64 operation.
UNIT = 2.0**-53


def gamma(steps: float | FloatArray, unit: float = UNIT) -> FloatArray:
    """Return γ_k = k u / (1 − k u): a bound on |Π_{i ≤ k} (1 + δ_i)^{±1} − 1| for |δ_i| ≤ u.

    Args:
        steps: k, operations that a term runs through, shape (...).
        unit: u of the numbers that are computed with.

    Returns:
        Shape (...), infinite where there are so many operations that nothing is left of a number.

    Example:
        >>> f"{gamma(9) / UNIT:.12f}"
        '9.000000000000'
    """
    lost = np.minimum(np.asarray(steps, dtype=np.float64) * unit, 1.0)
    return np.where(lost < 1, lost / np.where(lost < 1, 1 - lost, 1), np.inf)
