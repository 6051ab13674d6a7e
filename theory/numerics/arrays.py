"""Numbers at the door: one array type, and conversions that refuse what isn't a number."""

from __future__ import annotations

from fractions import Fraction
from types import EllipsisType
from typing import Any

import array_api_compat
import numpy as np
from numpy.typing import ArrayLike, NDArray

from .checks import demanded, is_real, members, shown

# What exact mathematics computes with.
FloatArray = NDArray[np.float64]
# NumPy's or torch's, whichever the caller brought.
Array = Any
# Sizes of axes, or letters for those of any size; "..." in front for leading dimensions.
Shape = tuple["int | str | EllipsisType", ...]


def numbers(name: str, values: ArrayLike) -> NDArray[Any]:
    """Return real numbers as a read-only float64 array, or as an array of `Fraction` if there are any among them.

    Integers and floats of any precision, lists of them and tensors are numbers. Truth values, text, dates and complex
    numbers aren't, not even those without an imaginary part, and entries that are masked have no value. NaN and ∞ pass
    here; `reals` refuses them.

    Raises:
        ValueError: if the values are not real numbers.
    """
    try:
        given = np.asarray(real_values(values))
        if given.dtype.kind not in "iufO":
            raise ValueError(f"they are of type {given.dtype}")
        if given.dtype == object:
            strange = next((value for value in given.flat if not is_real(value)), None)
            if strange is not None or None in given.flat:
                raise ValueError(f"{shown(strange)} is none")
        rational = given.dtype == object and any(isinstance(value, Fraction) for value in given.flat)
        array = np.frompyfunc(Fraction, 1, 1)(given) if rational else np.array(given, dtype=np.float64)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        masked = ", none of them masked" if isinstance(values, np.ma.MaskedArray) else ""
        raise ValueError(f"{name} must be real numbers{masked}, got {shown(values)}") from error
    array = np.asarray(array)
    array.flags.writeable = False
    return array


def float_array(name: str, values: Any) -> NDArray[np.float64]:
    """Return values as they are where they are a float64 array, else `numbers` in float64: a door of inner loops."""
    if type(values) is np.ndarray and values.dtype == np.float64:
        return values
    return np.asarray(numbers(name, values), dtype=np.float64)


def real_values(values: Any) -> Any:
    """Return values as they came, or raise `ValueError` if a mask hides some of them."""
    if isinstance(values, np.ma.MaskedArray):
        if np.ma.is_masked(values) or values is np.ma.masked:
            raise ValueError("masked entries have no value")
        return values.data
    if isinstance(values, (list, tuple)) and any(value is np.ma.masked for value in values):
        raise ValueError("masked entries have no value")
    return values.detach().cpu() if array_api_compat.is_torch_array(values) else values


def reals(
    name: str,
    values: Any,
    shape: Shape | None = None,
    *,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> FloatArray:
    """Return finite real numbers as a new float64 array of a shape and within a range.

    Args:
        name: of the argument, for the message.
        values: what came.
        shape: sizes, with letters for those that are free and an ellipsis in front for a batch; None for any shape.
        least: smallest value.
        most: largest value.
        above: what every value is larger than.
        below: what every value is smaller than.

    Raises:
        ValueError: if the values aren't real numbers, one isn't finite, the shape is another or one is out of range.
    """
    try:
        plain = type(values) is np.ndarray and values.dtype == np.float64
        array = np.array(values if plain else numbers(name, values), dtype=np.float64, order="C")
    except OverflowError:
        raise ValueError(f"{name} must be finite, got {shown(values)}") from None
    if shape is not None:
        check_shape(name, array.shape, shape)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got NaN or infinite entries")
    bad = np.zeros(array.shape, dtype=bool)
    for end, outside in ((least, np.less), (most, np.greater), (above, np.less_equal), (below, np.greater_equal)):
        if end is not None:
            bad |= outside(array, end)
    if bad.any():
        raise ValueError(f"{name} must {demanded(least, most, above, below)}, got {array[bad].flat[0]}")
    return array


def whole_numbers(
    name: str, values: Any, shape: Shape | None = None, *, least: int | None = None, most: int | None = None
) -> NDArray[np.int64]:
    """Return integers as an int64 array of a shape and within a range; whole floats aren't integers.

    Raises:
        ValueError: if the values aren't integers, the shape is another or one is out of range.
    """
    try:
        array = numbers(name, values)
        given = np.asarray(real_values(values))
    except ValueError:
        raise ValueError(f"{name} must be integers, got {shown(values)}") from None
    if array.size and (given.dtype.kind not in "iu" or (given.dtype.kind == "u" and int(given.max()) > 2**63 - 1)):
        raise ValueError(f"{name} must be integers, got {shown(values)}")
    reals(name, array, shape, least=least, most=most)
    return given.astype(np.int64)


def truths(name: str, values: Any, shape: Shape) -> NDArray[np.bool_]:
    """Return truth values as an array of a shape.

    Raises:
        ValueError: if the values aren't truth values, or the shape is another.
    """
    try:
        array = np.asarray(real_values(values))
    except (TypeError, ValueError, RuntimeError):
        array = np.asarray(0.0)
    if array.dtype != bool:
        raise ValueError(f"{name} must be an array of truth values, got {shown(values)}")
    check_shape(name, array.shape, shape)
    return array


def rationals(name: str, values: Any, count: int | None = None) -> NDArray[Any]:
    """Return exact numbers as `Fraction`s, shape (k,): numbers mean what they are, text such as "1/3" what it says.

    Raises:
        ValueError: if the values aren't `count` rational numbers.
    """
    given = members(name, values, int, float, Fraction, np.integer, np.floating, str, count=count)
    try:
        if any(isinstance(value, (bool, np.timedelta64)) for value in given):
            raise ValueError("a truth value")
        given = tuple(int(value) if isinstance(value, np.integer) else value for value in given)
        exact = [Fraction(value) if isinstance(value, str) else Fraction(*value.as_integer_ratio()) for value in given]
        return np.array([*exact, None], dtype=object)[:-1]
    except (ValueError, OverflowError, ZeroDivisionError):
        raise ValueError(f"{name} must be rational numbers, got {shown(values)}") from None


def check_like(like: Any) -> None:
    """Raise `ValueError` unless a value is an array of NumPy's or torch's of floating-point numbers."""
    # A model's loss takes as long as a few questions to a namespace.
    if type(like) is np.ndarray and like.dtype == np.float64:
        return
    known = array_api_compat.is_numpy_array(like) or array_api_compat.is_torch_array(like)
    known = known and not isinstance(like, np.ma.MaskedArray)
    if not known or not array_api_compat.array_namespace(like).isdtype(like.dtype, "real floating"):
        raise ValueError(f"like must be an array of float32 or float64, of NumPy or torch, got {shown(like)}")
    if like.dtype.itemsize not in (4, 8):
        raise ValueError(f"like must be an array of float32 or float64, got {like.dtype}")


def check_shape(name: str, found: tuple[int, ...], shape: Shape) -> None:
    """Raise `ValueError` unless a shape fits a pattern; one letter stands for one size."""
    batched = bool(shape) and shape[0] is Ellipsis
    wanted = shape[1:] if batched else shape
    last = tuple(found)[len(found) - len(wanted) :] if len(found) >= len(wanted) else ()
    sizes: dict[Any, int] = {}
    fits = len(last) == len(wanted) and (batched or len(found) == len(wanted))
    fits = fits and all(
        sizes.setdefault(size, have) == have if isinstance(size, str) else size == have
        for size, have in zip(wanted, last, strict=True)
    )
    if not fits:
        parts = ["..." if size is Ellipsis else str(size) for size in shape]
        text = f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"
        raise ValueError(f"{name} must have shape {text}, got {tuple(found)}")


def check_broadcast(**shapes: Any) -> None:
    """Raise `ValueError` unless batch shapes, by the names of what has them, broadcast."""
    first, *rest = map(tuple, shapes.values())
    if all(shape in ((), first) for shape in rest):
        return
    try:
        np.broadcast_shapes(first, *rest)
    except ValueError:
        found = ", ".join(f"{name} {tuple(shape)}" for name, shape in shapes.items())
        raise ValueError(f"batch shapes of {found} don't broadcast") from None


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
