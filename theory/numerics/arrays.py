"""Numbers at the door: one array type, and conversions that refuse what isn't a number."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import array_api_compat
import numpy as np
from numpy.typing import ArrayLike, NDArray

# What exact mathematics computes with.
FloatArray = NDArray[np.float64]
# NumPy's or torch's, whichever the caller brought.
Array = Any


def numbers(name: str, values: ArrayLike) -> NDArray[Any]:
    """Return real numbers as a read-only float64 array, or as an array of `Fraction` if there are any among them.

    Raises:
        ValueError: if the values are not real numbers.
    """
    try:
        given = np.asarray(values)
        rational = given.dtype == object and any(isinstance(value, Fraction) for value in given.flat)
        array = np.frompyfunc(Fraction, 1, 1)(given) if rational else np.array(given, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} must be real numbers, got {values!r}") from error
    array = np.asarray(array)
    array.flags.writeable = False
    return array


def exactly(array: NDArray[Any]) -> NDArray[Any]:
    """Return the `Fraction` that each number is."""
    return np.asarray(np.frompyfunc(Fraction, 1, 1)(array), dtype=object)


def stretched(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return `np.broadcast_to`, which takes as long as building a small model, of arrays that need it."""
    return array if array.shape == shape else np.broadcast_to(array, shape)


def as_numpy(array: Any) -> FloatArray:
    """Return an array of NumPy's or torch's as one of NumPy's, of float64, without its gradient."""
    if array_api_compat.is_torch_array(array):
        array = array.detach().cpu().numpy()
    return np.asarray(array, dtype=np.float64)
