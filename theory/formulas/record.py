"""The record of a closed form: statement, variables, assumptions, source, and how its left side is measured.

A `Formula` says that a quantity equals an expression wherever its assumptions hold. It can draw random admissible
points, evaluate the expression there in rational arithmetic, and measure the quantity with the engine, so that one
test checks all of them. The records themselves are data: `pairs.py`, `shapes.py` and `identities.py` hold
them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import sympy
from numpy.typing import NDArray
from scipy.linalg import helmert

from ..derivation import Expression
from ..loss import expected_loss, loss_gradient
from ..models import FeatureLaw, ToyModel
from ..numerics import FloatArray, Summarised

# What a formula's variables are at a point, by name.
Values = Mapping[str, Any]
Point = Mapping[Expression, Expression]

# Random numbers are multiples of this, so that floats and rationals are the same number.
GRAIN = 2**-20
# Digits of algebraic numbers.
DIGITS = 30
# How many random points are tried for one that satisfies the assumptions.
TRIALS = 1_000


class Ramp(sympy.Function):  # type: ignore[misc]
    """R_k(t) = max(t, 0)^k / k!, evaluated as soon as t is a number."""

    nargs = 2

    @classmethod
    def eval(cls, order: Expression, argument: Expression) -> Expression | None:
        """Return the value at numbers, and None for symbols."""
        if not (order.is_Integer and argument.is_number):
            return None
        return argument**order / sympy.factorial(order) if argument.is_positive else sympy.Integer(0)

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        order, argument = map(printer.doprint, self.args)
        return rf"R_{{{order}}}\left({argument}\right)" + ("" if exp is None else f"^{{{exp}}}")


@dataclass(frozen=True)
class Variable:
    """A free variable of a formula, with the range from which random points are drawn.

    Attributes:
        symbol: it is a whole number if SymPy says so.
        meaning: in words.
        low: smallest value of a random point; the formula's assumptions are what it needs.
        high: largest value of a random point.
    """

    symbol: Expression
    meaning: str
    low: float
    high: float

    def draw(self, rng: np.random.Generator) -> Expression:
        """Return a random value, rational."""
        if self.symbol.is_integer:
            return sympy.Integer(int(rng.integers(int(self.low), int(self.high) + 1)))
        return sympy.Rational(round(rng.uniform(self.low, self.high) / GRAIN) * GRAIN)


@dataclass(frozen=True)
class Definition:
    """An abbreviation: the symbol stands for an expression in the variables."""

    symbol: Expression
    expression: Expression

    def solve(self, point: Point) -> Expression | None:
        """Return the value at a point."""
        return _summed(_at(self.expression, point))


@dataclass(frozen=True)
class Root:
    """A variable given implicitly, as a root of a polynomial.

    Attributes:
        symbol: the variable.
        polynomial: what vanishes, in the symbol and the variables before it.
        low: the root lies above, …
        high: … and below.
        equation: LaTeX of the equation, where the polynomial is too long to be read.
    """

    symbol: Expression
    polynomial: Expression
    low: Expression
    high: Expression
    equation: str = ""

    def solve(self, point: Point) -> Expression | None:
        """Return the smallest root in the interval as the float64 number next to it, or None if there is none."""
        low, high = (float(_at(sympy.sympify(end), point)) for end in (self.low, self.high))
        if low >= high:
            return None
        if self.polynomial.has(sympy.Sum):
            coefficients = _coefficients(sympy.N(_summed(_at(self.polynomial, point)), DIGITS), self.symbol)
        else:
            coefficients = _coefficients(self.polynomial, self.symbol)
        roots = np.roots([float(_at(coefficient, point)) for coefficient in coefficients])
        inside = [root.real for root in roots if abs(root.imag) < GRAIN and low < root.real < high]
        return sympy.Rational(float(min(inside))) if inside else None

    def shown(self) -> Expression:
        """Return the polynomial in powers of the symbol, without factors that never vanish."""
        _, polynomial = sympy.Poly(self.polynomial).terms_gcd()
        return sympy.collect(polynomial.primitive()[1].as_expr(), self.symbol)


@dataclass(frozen=True)
class Formula(Summarised):
    """A quantity, and the closed form that it equals.

    Attributes:
        name: unique, in kebab case.
        group: heading that it stands under.
        statement: a sentence for people.
        quantity: what is given, as LaTeX.
        expression: what it equals, in the symbols of variables and definitions.
        variables: the free variables.
        measure: returns the quantity, from the values of the variables by name, by means that don't use the formula; an
            array where every entry equals the expression.
        source: where it comes from.
        kind: what is measured: a loss, a gradient, or an identity that needs no model.
        assumptions: relations that are sufficient for the formula to hold.
        definitions: abbreviations and implicit variables, each in terms of those before.
    """

    name: str
    group: str
    statement: str
    quantity: str
    expression: Expression
    variables: tuple[Variable, ...]
    measure: Callable[[Values], Any]
    source: str
    kind: Literal["loss", "gradient", "identity"] = "loss"
    assumptions: tuple[Expression, ...] = ()
    definitions: tuple[Definition | Root, ...] = ()

    def point(self, **values: Any) -> dict[Expression, Expression]:
        """Return a point: the values given for the variables, and those of the definitions.

        Args:
            **values: a number, or a rational number as text, for each variable by name.

        Raises:
            ValueError: if names are unknown or missing, or the point isn't admissible.

        Example:
            >>> from tegum.theory.formulas import FORMULAS
            >>> (pair,) = (formula for formula in FORMULAS if formula.name == "antipodal-pair-optimum")
            >>> {str(symbol): round(float(value), 4) for symbol, value in pair.point(p="1/10").items()}
            {'p': 0.1, 'c': 0.0012, 'A': 0.0309, 'B': 0.0626, 's': 1.0116}
        """
        by_name = {str(variable.symbol): variable.symbol for variable in self.variables}
        if set(values) != set(by_name):
            raise ValueError(f"{self.name} has the variables {', '.join(by_name)}, got {', '.join(values) or 'none'}")
        point = self._complete({by_name[name]: sympy.Rational(value) for name, value in values.items()})
        if point is None:
            raise ValueError(f"{self.name} assumes something else than {values}")
        return point

    def random_point(self, rng: np.random.Generator) -> dict[Expression, Expression]:
        """Return a random point that satisfies the assumptions: rational values of variables and definitions.

        Raises:
            RuntimeError: if none is found, which means that the record's ranges don't fit its assumptions.
        """
        for _ in range(TRIALS):
            point = self._complete({variable.symbol: variable.draw(rng) for variable in self.variables})
            if point is not None:
                return point
        raise RuntimeError(f"{self.name}: no admissible point in {TRIALS} trials")

    def _complete(self, point: dict[Expression, Expression]) -> dict[Expression, Expression] | None:
        """Add the definitions' values to a point; None if one has no value or an assumption fails."""
        waiting = self.assumptions
        # Definitions may be costly: none is evaluated where an assumption about those before it fails.
        for definition in (*self.definitions, None):
            ready = [assumption for assumption in waiting if assumption.free_symbols <= point.keys()]
            waiting = tuple(assumption for assumption in waiting if assumption not in ready)
            if any(_at(assumption, point) != sympy.true for assumption in ready):
                return None
            if definition is not None:
                value = definition.solve(point)
                if value is None:
                    return None
                point[definition.symbol] = value
        return None if waiting else point

    def value(self, point: Point) -> float:
        """Return the closed form's value, computed exactly and rounded once."""
        return float(sympy.N(_summed(_at(self.expression, point)), DIGITS))

    def measured(self, point: Point) -> NDArray[np.float64]:
        """Return the quantity itself at a point."""
        values = {str(s): int(x) if s.is_integer else float(x) for s, x in point.items()}
        return np.asarray(self.measure(values), dtype=np.float64)

    def latex(self) -> str:
        """Return the formula as LaTeX, without its definitions."""
        return f"{self.quantity} = {sympy.latex(self.expression)}"


@lru_cache(maxsize=64)
def _coefficients(polynomial: Expression, symbol: Expression) -> tuple[Expression, ...]:
    """Return the coefficients in powers of a symbol, highest first."""
    return tuple(sympy.Poly(polynomial, symbol).all_coeffs())


def _at(expression: Expression, point: Point) -> Expression:
    """Return an expression with a point's numbers for its symbols, all at once: `subs` goes through it for each."""
    return expression.xreplace(dict(point))


def _summed(expression: Expression) -> Expression:
    """Return an expression with its sums written out, the outer ones first: their limits have to be numbers."""
    if not expression.has(sympy.Sum):
        return expression
    if isinstance(expression, sympy.Sum):
        ((index, low, high),) = expression.limits
        terms = (_summed(_at(expression.function, {index: sympy.Integer(i)})) for i in range(int(low), int(high) + 1))
        return sympy.Add(*terms)
    return expression.func(*map(_summed, expression.args))


def loss_at(features: FeatureLaw, weights: Any, bias: Any, importance: Any = 1.0, **penalties: float) -> FloatArray:
    """Return the exact loss, with the sizes that W has."""
    return np.asarray(expected_loss(_model(features, weights, importance, penalties), weights, bias))


def gradient_at(features: FeatureLaw, weights: Any, bias: Any, importance: Any = 1.0) -> FloatArray:
    """Return the exact gradient in weights and biases, flat, with the sizes that W has."""
    parts = loss_gradient(_model(features, weights, importance, {}), weights, bias)
    return np.concatenate([np.ravel(part) for part in parts])


def _model(features: FeatureLaw, weights: Any, importance: Any, penalties: dict[str, Any]) -> ToyModel:
    n_hidden, n_features = np.shape(weights)
    return ToyModel(n_features, n_hidden, features, importance, **penalties)


def equiangular(k: int, square: float, overlap: float) -> FloatArray:
    """Return W, shape (k, k), whose Gram matrix has `square` on the diagonal and `overlap` elsewhere."""
    mean = np.full((k, k), 1 / k)
    # Rounding may take an eigenvalue of 0 below 0.
    along, across = (max(x, 0.0) ** 0.5 for x in (square + (k - 1) * overlap, square - overlap))
    return np.asarray(across * (np.eye(k) - mean) + along * mean)


def simplex(k: int, square: float) -> FloatArray:
    """Return W, shape (k − 1, k), of a regular simplex with ‖W_i‖² = `square`."""
    return np.asarray(helmert(k) * float((square * k / (k - 1)) ** 0.5))


def polygon(k: int, square: float) -> FloatArray:
    """Return W, shape (2, k), of a regular k-gon with ‖W_i‖² = `square`."""
    angles = 2 * np.pi * np.arange(k) / k
    return np.stack([np.cos(angles), np.sin(angles)]) * float(square**0.5)
