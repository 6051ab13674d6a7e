"""Plain values, as JSON and TOML have them: numbers as they are, and rational ones as text such as "1/3"."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..numerics import check_text, is_real, shown

# Whole numbers from here on are beyond float64.
LARGEST = 1 << 1023
# Fractions, and decimals with powers of ten that don't take long to write out.
RATIONAL = re.compile(r"[+-]?(\d+/\d+|(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,3})?)")
LONGEST = 4000
# Lists within lists; NumPy has no more axes.
DEEPEST = 32
# Numbers of one parameter that are said one by one.
FEW = 8
# Said where more than a few are told by how many they are.
WHOLE = " (to_json has all)"
# The only key of what stands for an array without entries.
SHAPE = "shape"


def check_keys(what: str, plain: Any, required: Collection[str], optional: Collection[str] = ()) -> Mapping[str, Any]:
    """Return a mapping, or raise `ValueError` unless it has all required keys, and none but these and the optional.

    Args:
        what: is described, for messages.
        plain: what came.
        required: keys that have to be there.
        optional: keys that may be.
    """
    if not isinstance(plain, Mapping):
        raise ValueError(f"{what} must be a mapping from names to values, got {shown(plain)}")
    known = (*required, *optional)
    for key in plain:
        if key not in known:
            raise ValueError(f"{what} has the keys {', '.join(known) or 'none'}, got {shown(key)} too")
    for key in required:
        if key not in plain:
            raise ValueError(f"{what} must have the key {key!r}, got {', '.join(map(str, plain)) or 'none'}")
    return plain


def plain_number(value: Any) -> int | float | str:
    """Return a number as JSON has it: a `Fraction` as text."""
    if isinstance(value, Fraction):
        return str(value)
    return int(value) if isinstance(value, (int, np.integer)) else float(value)


def plain_array(array: NDArray[Any]) -> Any:
    """Return an array of numbers as a number or nested lists."""
    if array.size == 0:
        return {SHAPE: list(array.shape)}
    return np.asarray(np.frompyfunc(plain_number, 1, 1)(array), dtype=object).tolist()


def plain_features(array: NDArray[Any]) -> Any:
    """Return an array whose last axis is over features likewise; one value for all of them is a number alone."""
    return plain_array(array.reshape(()) if array.shape == (1,) else array)


def array_of(name: str, plain: Any) -> Any:
    """Return what `plain_array` wrote, as numbers and lists that a model or law takes.

    Raises:
        ValueError: if it is none: a truth value, other text than of a rational number, or no list.
    """
    if isinstance(plain, Mapping):
        sizes = check_keys(f"{name} without entries", plain, (SHAPE,))[SHAPE]
        if not isinstance(sizes, list) or 0 not in sizes or not all(type(k) is int and 0 <= k < 2**31 for k in sizes):
            raise ValueError(f"{name} without entries must have a {SHAPE} such as [0, 2], got {shown(plain)}")
        return np.zeros(sizes)
    return _entry(name, plain, DEEPEST)


def _entry(name: str, plain: Any, depth: int) -> Any:
    if isinstance(plain, (list, tuple, np.ndarray)) and depth:
        return [_entry(name, entry, depth - 1) for entry in plain]
    if isinstance(plain, str) and len(plain) <= LONGEST and RATIONAL.fullmatch(plain.strip()):
        try:
            exact = Fraction(plain.strip())
            # Everything is computed in float64 as well.
            float(exact)
        except (ZeroDivisionError, OverflowError):
            pass
        else:
            return exact
    elif is_real(plain) and (not isinstance(plain, int) or abs(plain) < LARGEST):
        return plain
    raise ValueError(f'{name} must be a number, text such as "1/3", or lists of them, got {shown(plain)}')


def number_of(name: str, plain: Any) -> Any:
    """Return what `plain_number` wrote; arguments and errors as of `array_of`."""
    return _entry(name, plain, 0)


def is_number(plain: Any) -> bool:
    """Return whether `number_of` takes something."""
    try:
        number_of("a number", plain)
    except ValueError:
        return False
    return True


def whole_of(name: str, plain: Any) -> int:
    """Return a whole number.

    Raises:
        ValueError: if it is none.
    """
    if type(plain) is not int:
        raise ValueError(f"{name} must be a whole number, got {shown(plain)}")
    return plain


def text_of(value: Any) -> str:
    """Return a number with all its digits, whole ones without a decimal point."""
    # Floats that stand among rational numbers are told as floats.
    exact = isinstance(value, Fraction) and (value.denominator == 1 or Fraction(float(value)) != value)
    plain = plain_number(value if exact else float(value))
    return str(int(plain)) if isinstance(plain, float) and plain.is_integer() and abs(plain) < 1e15 else str(plain)


def label_of(features: Sequence[int] | None) -> Callable[[int], str]:
    """Return what tells a feature's number from 1, given which features are meant by 0, 1, …; None for all."""
    return lambda i: str((i if features is None else features[i]) + 1)


def told(name: str, names: str, array: NDArray[Any]) -> str:
    """Return a parameter in words: one value, a few of them, or their range and number.

    Args:
        name: of the parameter, such as "density".
        names: of several.
        array: its values, the last axis over features.
    """
    if array.size == 0:
        return f"no {names}"
    text = values_told(array, names)
    if (array == array.ravel()[0]).all():
        return f"{name} {text}"
    return text if names in text else f"{names} {text}"


def values_told(values: Any, names: str = "values") -> str:
    """Return numbers in words, none of them cut: one value, a few of them, or their range and number.

    Args:
        values: a number or lists of them, the last axis over features; rational ones may be text such as "1/3".
        names: what they are called.

    Raises:
        ValueError: if there are none, or one is no number.

    Example:
        >>> values_told([1.0, 0.9, 0.81]), values_told([[0.1, 0.2], [0.3, 0.4]]), values_told([0.5, 0.5])
        ('1, 0.9, 0.81', '2 × 2 values from 0.1 to 0.4', '0.5')
    """
    check_text("names", names)
    array = np.array(array_of(names, values.tolist() if isinstance(values, np.ndarray) else values), dtype=object)
    if array.size == 0:
        raise ValueError(f"{names} must be one or more numbers, got none")
    fields = isinstance(values, np.ndarray) and values.dtype.names is not None
    if fields or any(isinstance(one, (list, tuple)) for one in array.ravel()):
        raise ValueError(f"{names} must be numbers or lists of equal length, got {shown(values)}")
    # The same for all models of a batch.
    if array.ndim > 1 and (array == array.reshape(-1, array.shape[-1])[0]).all():
        array = array.reshape(-1, array.shape[-1])[0]
    several = array.ravel().tolist()
    low, high = min(several), max(several)
    if low == high:
        return text_of(low)
    if array.ndim <= 1 and len(several) <= FEW:
        return ", ".join(map(text_of, several))
    counts = " × ".join(str(length) for length in array.shape if length > 1)
    return f"{counts} {names} from {text_of(low)} to {text_of(high)}"
