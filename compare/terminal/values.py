"""What options of a model's numbers stand for: one, one for each feature, or a rule."""

from __future__ import annotations

import re
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

# Decimals, with small powers of ten, or fractions.
NUMBER, LONGEST = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,3})?|\d+/\d+", re.IGNORECASE), 100
# Numbers that an option may stand for, one for each feature.
MOST_NUMBERS = 1_000_000
# Digits of powers, of which float64 has 17: after a million of them all but six of the others are right.
POWERS = Context(prec=60)


def number_of(name: str, text: str, *, exact: bool) -> float | str:
    """Return a number as a description has it.

    Raises:
        ValueError: if it is none.
    """
    try:
        if len(text) > LONGEST or not NUMBER.fullmatch(text.strip()):
            raise ValueError
        if exact or "/" in text:
            return str(Fraction(text.strip()))
        return float(text)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"--{name} must be a number such as 0.1 or 1/3, got {text[:40]!r}") from None


def _several(name: str, text: str, n: int, *, exact: bool) -> list[float | str]:
    """Return one number, or one for each feature.

    Raises:
        ValueError: if there are others than these.
    """
    parts = text.split(",")
    if len(parts) not in (1, n):
        raise ValueError(f"--{name} must be a number, or {n} of them, one for each feature, got {text[:80]!r}")
    return [number_of(name, part, exact=exact) for part in parts]


def _of_rule(name: str, text: str, most: int) -> list[float] | None:
    """Return the numbers behind "geometric:" or "zipf:"; None if a text is no such rule.

    Raises:
        ValueError: if they are no numbers, or too many.
    """
    rule, colon, rest = text.partition(":")
    if not colon:
        return None
    try:
        if rule.strip() != {"density": "zipf", "importance": "geometric"}[name]:
            raise ValueError
        numbers = [float(Fraction(number_of(name, part, exact=False))) for part in rest.split(":")]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= most:
        wanted = {"density": "zipf:EXPONENT or zipf:EXPONENT:LARGEST", "importance": "geometric:RATIO"}[name]
        raise ValueError(f"--{name} must be a number, one for each feature as 0.3,0.2, or {wanted}, got {text[:80]!r}")
    return numbers


def _check_several(name: str, n: int) -> None:
    """Raise `ValueError` if there are more features than an option has numbers."""
    if n > MOST_NUMBERS:
        raise ValueError(
            f"--{name} stands for a number for each feature, of {MOST_NUMBERS:,} features at most, got {n:,} features"
        )


def densities_of(text: str, n: int, *, exact: bool) -> Any:
    """Return the densities that an option stands for: one number, or one for each of n features.

    Raises:
        ValueError: if it stands for none, or there are too many features.
    """
    rule = _of_rule("density", text, 2)
    if rule is not None:
        from tegum.theory.models import zipf_densities

        _check_several("density", n)
        return zipf_densities(n, *rule).tolist()
    values = _several("density", text, n, exact=exact)
    return values[0] if len(values) == 1 else values


def importances_of(text: str, n: int, *, exact: bool) -> list[Any]:
    """Return the importances of n features that an option stands for; a single number is the last one's.

    Raises:
        ValueError: if it stands for none, or there are too many features.
    """
    _check_several("importance", n)
    rule = _of_rule("importance", text, 1)
    if rule is not None:
        if not 0 < rule[0] <= 1e6:
            raise ValueError(f"--importance geometric:RATIO needs a positive ratio, got {text!r}")
        # As text such as 1,0.7,0.49 says it, to the last digit.
        ratio = Fraction(text.partition(":")[2].strip())
        step, power, powers = POWERS.divide(Decimal(ratio.numerator), Decimal(ratio.denominator)), Decimal(1), []
        for _ in range(n):
            powers.append(float(power))
            power = POWERS.multiply(power, step)
        return powers
    values = _several("importance", text, n, exact=exact)
    one = "1" if exact else 1.0
    return values if len(values) == n else [one] * (n - 1) + values
