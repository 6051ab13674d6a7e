"""Densities that fall with a feature's rank, as frequencies of words do."""

from __future__ import annotations

import numpy as np

from ..numerics import MOST_SIZE, FloatArray, check_count, check_number


def zipf_densities(n_features: int, exponent: float = 1.0, largest: float = 1.0) -> FloatArray:
    """Return densities p_i = p_1 i^{−α} of features ranked i = 1 … n: Zipf's law.

    Frequencies of words follow it with α near 1 (G. K. Zipf, Human Behavior and the Principle of Least Effort, 1949);
    toy models of superposition with such features are studied in arXiv:2505.10465.

    Args:
        n_features: number of features n.
        exponent: α ≥ 0; 0 gives equal densities.
        largest: p_1, in (0, 1].

    Returns:
        Shape (n,), for a law such as `IndependentFeatures`.

    Raises:
        ValueError: if a number is out of its range, or the smallest density is too small for float64.

    Example:
        >>> zipf_densities(4, 1.0, 0.5).tolist()
        [0.5, 0.25, 0.16666666666666666, 0.125]
    """
    check_count("n_features", n_features, 1, MOST_SIZE)
    exponent = check_number("exponent", exponent, least=0)
    largest = check_number("largest", largest, above=0, most=1)
    with np.errstate(under="ignore", over="ignore"):
        densities = largest / np.arange(1, n_features + 1, dtype=np.float64) ** exponent
    if not densities[-1] > 0:
        raise ValueError(
            f"densities must be positive, got {largest:g} times {n_features}^−{exponent:g}, too small for float64: "
            "a smaller exponent or fewer features"
        )
    return densities
