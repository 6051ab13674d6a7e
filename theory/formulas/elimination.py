"""Boundary points and curves as roots of polynomials, derived by elimination.

A boundary is given by polynomial equations in weights, biases, p and r. Resultants (FLINT, by python-flint) eliminate
all but one of these and leave a polynomial in the density alone; its real roots are isolated with proof. The
polynomials are long, so they are derived when asked for. docs/boundary-forms.md says what each stands for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from itertools import combinations, pairwise
from typing import Any

import sympy
from flint import fmpq, fmpz_mpoly_ctx, fmpz_poly, nmod_mpoly_ctx, nmod_poly

from ..derivation import DENSITY, Expression
from ..numerics import Interval, Summarised
from .pairs import PAIR_A, PAIR_B, c, r, s
from .shapes import TRIANGLE_A, TRIANGLE_B
from .stability import ANTIPODAL, CUBIC, KAPPA, VARIANCE, silenced_output_loss, stored_output_loss, σ, τ

p = DENSITY
γ, x, y, u, v = sympy.symbols("gamma x y u v")
# A flint number whose type python-flint doesn't name.
Polynomial = Any

# Primes below 2^31: exponents and coefficients fit into machine words.
PRIME = 2_147_483_629
# Of the intervals that hold a root.
WIDTH = Fraction(1, 2**80)
# Between these densities lie the two tricritical points.
SPANS = (Fraction(1, 2), Fraction(53, 100)), (Fraction(4, 5), Fraction(9, 10))


@dataclass(frozen=True)
class AlgebraicDensity(Summarised):
    """A density at which something happens, as the root of a polynomial with integer coefficients.

    Attributes:
        name: what happens there.
        polynomial: in p, irreducible over the rational numbers.
        density: a proven enclosure of the root.
    """

    name: str
    polynomial: Expression = field(repr=False)
    density: Interval

    @property
    def degree(self) -> int:
        """The degree of the density over the rational numbers."""
        return int(sympy.degree(self.polynomial, p))


def _ring(symbols: Sequence[Expression]) -> Any:
    return fmpz_mpoly_ctx.get([str(symbol) for symbol in symbols], "lex")


def _integral(expression: Expression, symbols: Sequence[Expression]) -> dict[tuple[int, ...], int]:
    """Return the numerator of a rational expression as exponents and integer coefficients."""
    polynomial = sympy.Poly(sympy.expand(sympy.numer(sympy.together(expression))), *symbols)
    common = sympy.ilcm(*(number.q for number in polynomial.coeffs()))
    return {powers: int(number * common) for powers, number in polynomial.terms()}


def eliminate(first: Expression, second: Expression, symbol: Expression, others: Sequence[Expression]) -> Polynomial:
    """Return the resultant of two rational expressions' numerators with respect to a symbol."""
    ring = _ring([symbol, *others])
    one, two = (ring.from_dict(_integral(e, [symbol, *others])) for e in (first, second))
    return one.resultant(two, str(symbol))


def _in_density(polynomial: Polynomial) -> fmpz_poly:
    """Return a polynomial of FLINT in which only the last symbol occurs, in one variable."""
    terms = {powers[-1]: number for powers, number in polynomial.to_dict().items()}
    return fmpz_poly([terms.get(power, 0) for power in range(max(terms) + 1)])


def _variations(polynomial: fmpz_poly, low: Fraction, high: Fraction) -> int:
    """Return Descartes' bound on the number of roots between two numbers: if it is 0 or 1, it is their number."""
    common = low.denominator * high.denominator
    start, step = int(low * common), int((high - low) * common)
    # d^n P((start + step x) / d), reversed and shifted: (1 + y)^n times its value at x = 1 / (1 + y).
    degree = polynomial.degree()
    scaled = fmpz_poly([int(a) * common ** (degree - k) for k, a in enumerate(polynomial.coeffs())])
    along = scaled(fmpz_poly([start, step])).coeffs()
    shifted = fmpz_poly(along[::-1])(fmpz_poly([1, 1])).coeffs()
    signs = [number > 0 for number in shifted if number != 0]
    return sum(one != two for one, two in pairwise(signs))


def _root_between(name: str, polynomial: Polynomial, low: Fraction, high: Fraction) -> AlgebraicDensity:
    """Return the record of the one root between two numbers, of all factors together.

    Raises:
        ArithmeticError: if there is none, or Descartes' rule leaves open whether there are more.
    """
    factors = [factor for factor, _ in _in_density(polynomial).factor()[1]]
    counts = [_variations(factor, low, high) for factor in factors]
    if sum(counts) != 1:
        raise ArithmeticError(f"{name}: {sum(counts)} changes of sign between {low} and {high}")
    factor = factors[counts.index(1)]
    rising = _value(factor, high) > 0
    while high - low > WIDTH:
        middle = (low + high) / 2
        if (_value(factor, middle) > 0) == rising:
            high = middle
        else:
            low = middle
    expression = sympy.Add(*(int(number) * p**power for power, number in enumerate(factor.coeffs())))
    return AlgebraicDensity(name, expression, Interval(low, high))


def _value(polynomial: fmpz_poly, at: Fraction) -> fmpq:
    return polynomial(fmpq(at.numerator, at.denominator))


@cache
def tricritical_densities() -> tuple[AlgebraicDensity, AlgebraicDensity]:
    """Return where the axis phase's limit of stability becomes continuous, and where it ceases to be."""
    definitions = {definition.symbol: definition.expression for definition in ANTIPODAL}
    slope = definitions[σ]
    # The quadratic of which τ is a root, and the cubic term on r = κ / ℓ₀.
    quadratic = sympy.diff(KAPPA, τ).subs(σ, slope)
    term = CUBIC.subs(r, KAPPA / VARIANCE).subs(σ, slope)
    polynomial = eliminate(quadratic, sympy.cancel(term), τ, [p])
    names = ("the transition from axis to digon becomes continuous", "that transition becomes first order again")
    lower, upper = (_root_between(name, polynomial, *span) for name, span in zip(names, SPANS, strict=True))
    return lower, upper


@cache
def pair_limit() -> AlgebraicDensity:
    """Return the density above which the symmetric antipodal pair of equal importances is no minimum.

    At W = √s (1, −1), b = c s (1, 1) the curvature in direction ((1, 1), η (1, −1)) vanishes for some η.
    """
    w = sympy.symbols("w_1 w_2 b_1 b_2")
    overlap = w[0] * w[1]
    # With |w_2|: the second weight is negative.
    loss = stored_output_loss(w[0] ** 2, overlap, w[2]) + stored_output_loss(w[1] ** 2, overlap, w[3])
    pair = {w[0]: v, w[1]: v, w[2]: c * v**2, w[3]: c * v**2}

    def across(one: int, two: int) -> Expression:
        """Return the curvature between two directions that are odd under exchange of the features."""
        partners = {0: 1, 2: 3}
        difference = sympy.diff(loss, w[one], w[two]) - sympy.diff(loss, w[one], w[partners[two]])
        return sympy.cancel(sympy.together(difference.subs(pair)))

    determinant = sympy.numer(sympy.cancel(across(0, 0) * across(2, 2) - across(0, 2) ** 2))
    # It is a polynomial in v² = s, and the best scale is s = B / 2A.
    terms = sympy.Poly(determinant.subs(v, sympy.sqrt(s)), s).terms()
    degree = max(power for (power,), _ in terms)
    balance = sum(factor * PAIR_B**power * (2 * PAIR_A) ** (degree - power) for (power,), factor in terms)
    shape = 2 * PAIR_A * sympy.diff(PAIR_B, c) - sympy.diff(PAIR_A, c) * PAIR_B
    name = "the symmetric antipodal pair of equal importances stops being a minimum"
    return _root_between(name, eliminate(shape, balance, c, [p]), Fraction(2, 3), Fraction(3, 4))


@cache
def triangle_onset() -> AlgebraicDensity:
    """Return where, with three equal features in two dimensions, the triangle costs what axis and digon cost."""

    def gains(A: Expression, B: Expression, gain: Expression) -> list[Polynomial]:
        """Return the factors of the polynomial of the largest B² / A, with `gain` in its place."""
        shape = 2 * A * sympy.diff(B, c) - sympy.diff(A, c) * B
        factors = eliminate(shape, gain * A - B**2, c, [u, p]).factor()[1]
        return [factor for factor, _ in factors if factor.degrees()[1] > 0]

    # p − 3 v / 4 = 2 p / 3 − u / 2 for the largest quotients v of the triangle and u of the pair.
    (pair,) = gains(PAIR_A, PAIR_B, u)
    (triangle,) = gains(TRIANGLE_A, TRIANGLE_B, 4 * p / 9 + 2 * u / 3)
    name = "triangle and axis + digon of equal importances cost the same"
    return _root_between(name, pair.resultant(triangle, "u"), Fraction(1, 2), Fraction(8, 15))


@cache
def largest_penalty() -> AlgebraicDensity:
    """Return the density at which the symmetric pair of equal importances withstands the largest penalty.

    It maximises λ = 6 B² / p (4 + 3p) − A over c and p (record `critical-penalty-of-the-pair`).
    """
    penalty = 6 * PAIR_B**2 / (p * (4 + 3 * p)) - PAIR_A
    shape, along = (sympy.cancel(sympy.diff(penalty, symbol)) for symbol in (c, p))
    name = "the interference penalty up to which the pair is optimal is largest"
    return _root_between(name, eliminate(shape, along, c, [p]), Fraction(1, 4), Fraction(7, 25))


def algebraic_densities() -> tuple[AlgebraicDensity, ...]:
    """Return the densities at which the diagrams change that are known as roots of polynomials; it takes seconds.

    Example:
        >>> for point in algebraic_densities():
        ...     print(f"{point.density.midpoint:.8f}  degree {point.degree:3}  {point.name}")
        0.52024774  degree   9  the transition from axis to digon becomes continuous
        0.83731958  degree   9  that transition becomes first order again
        0.71301302  degree  36  the symmetric antipodal pair of equal importances stops being a minimum
        0.52183766  degree 439  triangle and axis + digon of equal importances cost the same
        0.26729910  degree  22  the interference penalty up to which the pair is optimal is largest
    """
    return (*tricritical_densities(), pair_limit(), triangle_onset(), largest_penalty())


def coexistence_degrees(density: Expression, prime: int = PRIME) -> tuple[int, ...]:
    """Return the degrees, modulo a prime, of the factors of the polynomial of γ where digon and axis cost the same.

    On the part of the boundary where the second output is silent when feature 1 is fully on, at one rational density.
    Importances at which the two cost the same are critical values of E(s, γ, b) / (ℓ₀ − E₂(h, γ, b₂)), h = γ²/s: five
    equations in s, γ, b, b₂ and r. It takes ten seconds. Degrees over the rational numbers are sums of those returned.

    No record is made of it: it is how docs/boundary-forms.md knows that the curve has no simple form, and tests run it.

    Args:
        density: p, rational.
        prime: a prime below 2^31.
    """
    offset, other = x, y
    one = stored_output_loss(s, γ, offset).subs(p, density)
    two = silenced_output_loss(γ**2 / s, γ, other).subs(p, density)
    left = VARIANCE.subs(p, density) - two
    slopes = [(sympy.diff(one, symbol), sympy.diff(two, symbol)) for symbol in (s, γ)]
    critical = [a * left + one * b for a, b in slopes]
    critical.append(slopes[0][0] * slopes[1][1] - slopes[1][0] * slopes[0][1])
    symbols = [other, offset, s, γ]
    # The stubs of python-flint have the arguments in another order.
    context: Any = nmod_mpoly_ctx
    ring = context.get([str(symbol) for symbol in symbols], prime, "lex")

    def reduced(expression: Expression) -> Polynomial:
        return ring.from_dict({powers: number % prime for powers, number in _integral(expression, symbols).items()})

    def largest(polynomial: Polynomial) -> Polynomial:
        return max((factor for factor, _ in polynomial.factor()[1]), key=lambda factor: sum(factor.degrees()))

    first, second = reduced(sympy.diff(one, offset)), reduced(sympy.diff(two, other))
    curves = []
    for equation in critical:
        without_other = largest(second.resultant(largest(reduced(equation)), str(other)))
        curves.append(largest(first.resultant(without_other, str(offset))))
    common = nmod_poly([0], prime)
    for a, b in combinations(curves, 2):
        terms = {powers[-1]: int(number) for powers, number in a.resultant(b, str(s)).to_dict().items()}
        common = common.gcd(nmod_poly([terms.get(power, 0) for power in range(max(terms) + 1)], prime))
    simple = common // common.gcd(common.derivative())
    return tuple(sorted(factor.degree() for factor, _ in simple.factor()[1]))
