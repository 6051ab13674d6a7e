r"""The loss of a rigid shape whose features are all alike, as polynomials derived by machine.

Features have ‖W_i‖² = s, every bias is c s, and an output's overlaps are s (1, a_2, …, a_k). Its pre-activation is then
s y with y = c + x_1 + Σ a_j x_j, and its loss

    p/3 − s B + s² A,    A = 2 E[R_2(y)],    B = 2 E[x_1 R_1(y)].

One box difference per active feature (`box_differences.py`) leaves sums over the corners c + Σ_{j∈T} a_j: as long as
none of them changes sign, A and B are polynomials in c and p.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from math import factorial, prod
from typing import Any

import sympy
from sympy.polys.rings import ring

from .box_differences import DENSITY, Expression

RELATIVE_BIAS = sympy.Symbol("c")


def shape_polynomials(
    overlaps: Sequence[Expression], low: Expression, high: Expression
) -> tuple[Expression, Expression]:
    """Return A and B for relative biases between two values.

    Args:
        overlaps: a_2 … a_k of one output with the others, in units of s, exact numbers. Zeros don't matter.
        low: the smallest c, …
        high: … and the largest.

    Returns:
        Polynomials in c and p.

    Raises:
        ValueError: if a corner changes sign between the two.

    Example:
        >>> A, B = shape_polynomials([-1], 0, 1)    # the antipodal pair
        >>> sympy.factor(B.coeff(DENSITY, 1))
        (3*c + 2)/3
    """
    slopes = [sympy.sympify(a) for a in overlaps if a != 0]
    ends = sympy.sympify(low), sympy.sympify(high)
    _check_signs(slopes, *ends)
    domain, _ = sympy.construct_domain([sympy.Rational(1, 2), *slopes], extension=True)
    _, c, p = ring([RELATIVE_BIAS, DENSITY], domain)
    numbers = [domain.from_sympy(a) for a in slopes]
    n = len(slopes)
    total_a, total_b = 0 * p, 0 * p
    for size in range(n + 1):
        square, own_square, own = 0 * p, 0 * p, 0 * p
        for active in combinations(range(n), size):
            for kept in product((False, True), repeat=size):
                part = [j for j, here in zip(active, kept, strict=True) if here]
                corner = c + sum((numbers[j] for j in part), domain.zero)
                lower, upper = (
                    _positive(sum((slopes[j] for j in part), sympy.Integer(add)) + sum(ends) / 2) for add in (0, 1)
                )
                sign = domain(-1) ** (size - len(part)) / prod((numbers[j] for j in active), start=domain.one)
                # The amplitude of the output's own feature is integrated last.
                after = _ramp(corner + 1, size + 3) * upper - _ramp(corner, size + 3) * lower
                square += sign * lower * _ramp(corner, size + 2)
                own_square += sign * after
                own += sign * (upper * _ramp(corner + 1, size + 2) - after)
        chance = p**size * (1 - p) ** (n - size)
        total_a += 2 * chance * ((1 - p) * square + p * own_square)
        total_b += 2 * chance * p * own
    return total_a.as_expr(), total_b.as_expr()


def _ramp(corner: Any, order: int) -> Any:
    """Return corner^order / order!, an element of a ring of polynomials over a field."""
    return corner**order * (corner.ring.domain.one / factorial(order))


def _check_signs(slopes: list[Expression], low: Expression, high: Expression) -> None:
    for size in range(len(slopes) + 1):
        for part in combinations(slopes, size):
            for own in (0, 1):
                corner = sum(part, sympy.Integer(own))
                if _positive(corner + high) and _positive(-corner - low):
                    raise ValueError(f"the corner c + {corner} changes sign for c between {low} and {high}")


def _positive(number: Expression) -> bool:
    """Return whether an algebraic number is positive; numerically, with digits to spare."""
    return bool(sympy.N(number, 30, chop=True) > 0)
