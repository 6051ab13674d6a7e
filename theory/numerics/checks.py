"""What single arguments must be; those that aren't are refused by name, with what was expected and what came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AnySet
from fractions import Fraction
from inspect import signature
from numbers import Integral
from typing import Any

import numpy as np

# Characters of a refused value that a message shows.
SHOWN = 120
# Seeds are kept as 64-bit integers.
MOST_SEED = 2**63 - 1
# Upper limits from here on are there for time and memory, not for meaning.
WORK = 100


def shown(value: Any) -> str:
    """Return how a message shows a value: the beginning of its `repr`, or its kind where there is none."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # An object may raise whatever it likes when it is asked for its name.
        text = f"a {type(value).__name__}"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({type(value).__name__})"


def is_real(value: Any) -> bool:
    """Return whether a value is a real number, not an array of them, and not a truth value."""
    return isinstance(value, (int, float, Fraction, np.integer, np.floating)) and not isinstance(
        value, (bool, np.timedelta64)
    )


def demanded(
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    *,
    infinite: bool = False,
) -> str:
    """Return what a number must do to be in a range, for messages: "lie in (0, 1]", "be positive and finite"."""
    low, high = (least if above is None else above), (most if below is None else below)
    if low is not None and high is not None:
        return f"lie in {'[' if above is None else '('}{low:g}, {high:g}{']' if below is None else ')'}"
    if above == 0:
        return "be positive" if infinite else "be positive and finite"
    if least == 0:
        return "not be negative" if infinite else "be finite and not negative"
    words = {"at least": least, "at most": most, "above": above, "below": below}
    limits = " and ".join(f"{word} {end:g}" for word, end in words.items() if end is not None)
    return f"be a{'' if infinite else ' finite'} number{' ' if limits else ''}{limits}"


def check_number(
    name: str,
    value: Any,
    *,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    infinite: bool = False,
) -> float:
    """Return a real number as a float, or raise `ValueError` unless it is in a range, and finite unless +∞ may be."""
    try:
        number = float(value) if is_real(value) else np.nan
    except OverflowError:
        number = np.nan
    fits = (least is None or number >= least) and (most is None or number <= most)
    fits = fits and (above is None or number > above) and (below is None or number < below)
    if not fits or not (np.isfinite(number) or (infinite and number == np.inf)):
        wanted = demanded(least, most, above, below, infinite=infinite)
        raise ValueError(f"{name} must {wanted}, got {shown(value)}")
    return number


def check_count(name: str, value: Any, least: int = 1, most: int | None = None) -> None:
    """Raise `ValueError` unless a value is a whole number, Python's or NumPy's, of at least `least`, up to `most`."""
    whole = isinstance(value, Integral) and not isinstance(value, (bool, np.timedelta64))
    if not whole or value < least or (most is not None and value > most):
        # A limit on work is said to whom it meets.
        unlimited = most is None or (most >= WORK and not (whole and value > most))
        allowed = f"of at least {least}" if unlimited else f"from {least} to {most}"
        raise ValueError(f"{name} must be an integer {allowed}, got {shown(value)}")


def check_seed(name: str, value: Any) -> None:
    """Raise `ValueError` unless a value is a seed of random numbers."""
    check_count(name, value, 0, MOST_SEED)


def check_rate(name: str, value: Any, *, zero: bool = False) -> float:
    """Return a value as a plain number if it is finite and positive, or 0 where that may be.

    Raises:
        ValueError: if it isn't.
    """
    try:
        finite = is_real(value) and np.isfinite(float(value))
    except OverflowError:
        finite = False
    if not (finite and (value > 0 or (zero and value == 0))):
        raise ValueError(f"{name} must be finite and {'not negative' if zero else 'positive'}, got {shown(value)}")
    return float(value)


def check_choice(name: str, value: Any, options: Iterable[str]) -> None:
    """Raise `ValueError` unless a value is one of the options."""
    options = tuple(options)
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{name} must be one of {', '.join(options)}, got {shown(value)}")


def check_flag(name: str, value: Any) -> None:
    """Raise `ValueError` unless a value is true or false."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name} must be True or False, got {shown(value)}")


def check_text(name: str, value: Any) -> None:
    """Raise `ValueError` unless a value is text."""
    if not isinstance(value, str):
        raise ValueError(f"{name} must be text, got {shown(value)}")


def check_callable(name: str, value: Any, takes: int, *names: str, optional: bool = False) -> None:
    """Raise `ValueError` unless a value can be called with so many arguments, or is None where that may be.

    A class isn't meant where something is to be done or computed. Found out here, an error costs no work.

    Args:
        name: of the argument, for the message.
        value: what came.
        takes: how many arguments it is called with.
        names: of further ones, which are given by name.
        optional: whether it may be None.
    """
    if optional and value is None:
        return
    if not callable(value) or isinstance(value, type) or not _takes(value, takes, names):
        wanted = f"{takes} argument{'s' if takes > 1 else ''}{''.join(f' and {one}=' for one in names)}"
        raise ValueError(f"{name} must be a function of {wanted}{' or None' if optional else ''}, got {shown(value)}")


def _takes(function: Callable[..., Any], count: int, names: tuple[str, ...]) -> bool:
    """Return whether a function can be called with such arguments, where it says what it takes."""
    try:
        signature(function).bind(*range(count), **dict.fromkeys(names))
    except TypeError:
        return False
    except ValueError:
        # Functions of compiled modules don't say.
        return True
    return True


def check_kind(name: str, value: Any, *kinds: type, optional: bool = False) -> None:
    """Raise `ValueError` unless a value is one of some kinds of record, or None where that may be."""
    if not (isinstance(value, kinds) or (optional and value is None)):
        article = "an" if kinds[0].__name__[0] in "AEIOU" else "a"
        names = " or ".join(kind.__name__ for kind in kinds)
        raise ValueError(f"{name} must be {article} {names}, got {type(value).__name__}")


def check_range(name: str, ends: Any) -> tuple[float, float]:
    """Return two numbers in order as floats, or raise `ValueError` unless a value is such."""
    both = members(name, ends, object)
    if len(both) != 2:
        raise ValueError(f"{name} must be two numbers, low and high, got {shown(ends)}")
    low = check_number(f"low end of {name}", both[0])
    return low, check_number(f"high end of {name}", both[1], least=low, infinite=True)


def members(name: str, values: Any, *kinds: type, least: int = 0, count: int | None = None) -> tuple[Any, ...]:
    """Return the members of a sequence, or raise `ValueError` unless it is one, all of some kinds.

    Text, sets and mappings aren't sequences of anything else; generators are.
    """
    wanted = " or ".join(kind.__name__ for kind in kinds)
    found: tuple[Any, ...] | None = None
    if isinstance(values, Iterable) and not isinstance(values, (str, bytes, type, AnySet, Mapping)):
        try:
            found = tuple(values)
        except (TypeError, ValueError):
            found = None
    if found is None or len(found) < least or (count is not None and len(found) != count):
        amount = f"{least} or more " if least else "" if count is None else f"{count} "
        raise ValueError(f"{name} must be a sequence of {amount}{wanted}, got {shown(values)}")
    for member in found:
        if not isinstance(member, kinds):
            raise ValueError(f"{name} must be a sequence of {wanted}, got {shown(member)} in it")
    return found
