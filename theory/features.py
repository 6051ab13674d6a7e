"""Laws of the input: which features are active together, and how strongly.

An input is x_i = s_i u_i with an activity pattern s and amplitudes u_i that are independent of the pattern and of
each other, uniform on [0, 1] (arXiv:2209.10652, section 2). All theory needs of a law are the probabilities of its
activity patterns, so a new law is one small class with the methods of `FeatureLaw`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
ActivePattern = tuple[int, ...]


@runtime_checkable
class FeatureLaw(Protocol):
    """What theory asks of an input law."""

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """Leading shape of the law's parameters."""
        ...

    def densities(self, n_features: int) -> FloatArray:
        """Return P(x_i ≠ 0), shape (*batch_shape, n_features)."""
        ...

    def check(self, n_features: int) -> None:
        """Raise `ValueError` if the law can't describe `n_features` features."""
        ...

    def patterns(self, n_features: int) -> Iterator[tuple[ActivePattern, FloatArray]]:
        """Yield every set of active features with its probability, shape `batch_shape`."""
        ...

    def take(self, batch_shape: tuple[int, ...], index: NDArray[np.int64]) -> FeatureLaw:
        """Return the laws at these flat indices of this law broadcast to `batch_shape`."""
        ...


def per_feature(name: str, values: ArrayLike) -> FloatArray:
    """Return `values` as float64 with a trailing feature axis; a scalar gets shape (1,).

    Raises:
        ValueError: if the values are not real numbers.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be real numbers, got {values!r}") from error
    array = np.atleast_1d(array).copy()
    array.flags.writeable = False
    return array


def check_feature_axis(name: str, array: FloatArray, n_features: int) -> None:
    """Raise `ValueError` unless the last axis of `array` has length 1 or `n_features`."""
    if array.shape[-1] not in (1, n_features):
        raise ValueError(
            f"{name} must be a scalar or have shape (..., 1) or (..., {n_features}) for {n_features} features, "
            f"got shape {array.shape}"
        )


@dataclass(frozen=True, eq=False)
class IndependentFeatures:
    """Features that are active independently of each other; the law of arXiv:2209.10652.

    P(A) = Π_{i∈A} p_i Π_{i∉A} (1 − p_i).

    Args:
        density: p = 1 − S = P(x_i ≠ 0), in (0, 1]. A scalar, or shape (..., 1) for one density per model of a batch,
            or shape (..., n_features) for one density per feature.

    Raises:
        ValueError: if a density lies outside (0, 1] or is NaN.

    Example:
        >>> law = IndependentFeatures(0.25)
        >>> {active: float(probability) for active, probability in law.patterns(2)}
        {(): 0.5625, (0,): 0.1875, (1,): 0.1875, (0, 1): 0.0625}
    """

    density: Any

    def __post_init__(self) -> None:
        """Validate, and store the density as a read-only array."""
        density = per_feature("density", self.density)
        bad = ~((density > 0) & (density <= 1))
        if bad.any():
            raise ValueError(f"density must lie in (0, 1], got {density[bad][0]}")
        object.__setattr__(self, "density", density)

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """Leading shape of the density, without the feature axis."""
        return tuple(self.density.shape[:-1])

    def densities(self, n_features: int) -> FloatArray:
        """Return the densities, shape (*batch_shape, n_features)."""
        return np.broadcast_to(self.density, (*self.batch_shape, n_features))

    def check(self, n_features: int) -> None:
        """Raise `ValueError` if the density's feature axis doesn't fit `n_features`."""
        check_feature_axis("density", self.density, n_features)

    def patterns(self, n_features: int) -> Iterator[tuple[ActivePattern, FloatArray]]:
        """Yield each of the 2^n_features patterns with its probability, shape `batch_shape`."""
        density = self.densities(n_features)
        for size in range(n_features + 1):
            for active in combinations(range(n_features), size):
                on = np.isin(np.arange(n_features), active)
                yield active, np.prod(np.where(on, density, 1 - density), axis=-1)

    def take(self, batch_shape: tuple[int, ...], index: NDArray[np.int64]) -> IndependentFeatures:
        """Return the laws at these flat indices of this law broadcast to `batch_shape`."""
        last = self.density.shape[-1]
        return IndependentFeatures(np.broadcast_to(self.density, (*batch_shape, last)).reshape(-1, last)[index])
