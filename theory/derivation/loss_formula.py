r"""The expected loss as a formula: derived from the input law in exact arithmetic, region by region.

The model is x' = ReLU(WᵀW x + b) with x_i = s_i u_i, s_i ~ Bernoulli(p) and u_i uniform on [0, 1], all independent
(arXiv:2209.10652, section 2). With R_k(t) = max(t, 0)^k / k! and G = WᵀW, output i costs

    E(x_i − x'_i)² = E[x_i²] − 2 E[x_i R_1(z_i)] + 2 E[R_2(z_i)],   z_i = b_i + Σ_j G_ij x_j.

Given which features are active, each expectation is an integral over a box, and one box difference per active
feature does it:

    ∫₀¹ R_k(t + a u) du   = [R_{k+1}(t + a) − R_{k+1}(t)] / a,
    ∫₀¹ u R_k(t + a u) du = R_{k+1}(t + a) / a − [R_{k+2}(t + a) − R_{k+2}(t)] / a².

What is left is a sum over the corners c_S = b_i + Σ_{j∈S} G_ij, rational in (W, b, p) wherever no corner changes
sign: those are the regions. docs/derivation.md tells it at length. For numbers in floating point use
`expected_loss`, which is stable where an overlap G_ij is small or zero; the formulas here divide by overlaps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import sympy

from ..numerics import Summarised, check_count
from .box_differences import (
    BIAS,
    DENSITY,
    MAX_DERIVED_FEATURES,
    OVERLAPS,
    RELATIVE_IMPORTANCE,
    Corner,
    Expression,
    corner_value,
    corners_of,
    region_loss,
    region_loss_in_weights,
    sign_regions,
)
from .programs import python_function, source_code


@dataclass(frozen=True)
class Region(Summarised):
    """A part of parameter space on which one output's loss is a rational function.

    Attributes:
        positive_corners: the sets S (features numbered from 0) with b_i + Σ_{j∈S} G_ij ≥ 0; all others are ≤ 0.
        assumptions: the same as closed inequalities, without those that follow from G_ii ≥ 0.
        expression: E(x_i − x'_i)² there, in the symbols of the `LossFormula`, in lowest terms.
    """

    positive_corners: frozenset[Corner]
    assumptions: Expression
    expression: Expression


@dataclass(frozen=True)
class OutputLoss(Summarised):
    """The loss of one output, E(x_i − x'_i)², without its importance.

    Attributes:
        feature: i, numbered from 0.
        corners: c_S = b_i + Σ_{j∈S} G_ij for every set S of features, in the symbols of the `LossFormula`.
        regions: they cover parameter space, and meet in their boundaries, where their expressions agree.
    """

    feature: int
    corners: Mapping[Corner, Expression] = field(repr=False)
    regions: tuple[Region, ...]

    @cached_property
    def expression(self) -> Expression:
        """The regions as one SymPy `Piecewise`."""
        return sympy.Piecewise(*((region.expression, region.assumptions) for region in self.regions), evaluate=False)


@dataclass(frozen=True)
class LossFormula(Summarised):
    """The exact expected loss L = Σ_i I_i E(x_i − x'_i)² with importances (1, …, 1, r); made by `derive_loss`.

    Attributes:
        n_features: n.
        n_hidden: m.
        symbols: the weights row by row, the biases, the density p and the relative importance r.
        outputs: the loss of each output, region by region.
    """

    n_features: int
    n_hidden: int
    symbols: tuple[Expression, ...] = field(repr=False)
    outputs: tuple[OutputLoss, ...] = field(repr=False)

    @property
    def importances(self) -> tuple[Expression, ...]:
        """The importances (1, …, 1, r)."""
        return (*[sympy.Integer(1)] * (self.n_features - 1), self.symbols[-1])

    @cached_property
    def expression(self) -> Expression:
        """L as a sum over outputs of importance times a `Piecewise` over regions."""
        return sympy.Add(*(i * output.expression for i, output in zip(self.importances, self.outputs, strict=True)))

    @cached_property
    def assumptions(self) -> tuple[Expression, ...]:
        """What the formulas take for granted, then each region's inequalities, output by output.

        In general 0 < p ≤ 1, r > 0, and G_ij ≠ 0 for every overlap that some region divides by.
        """
        density, ratio = self.symbols[-2:]
        # Unevaluated: SymPy knows that these symbols are positive, and would answer "true".
        general = [sympy.StrictGreaterThan(s, 0, evaluate=False) for s in (density, ratio)]
        rows = _rows(self.symbols[: self.n_hidden * self.n_features], self.n_features)
        pairs = combinations_with_replacement(range(self.n_features), 2)
        general += [sympy.Le(density, 1), *(sympy.Ne(_overlaps(rows, i)[j], 0) for i, j in pairs)]
        return (*general, *(region.assumptions for output in self.outputs for region in output.regions))

    def latex(self) -> str:
        """Return L as LaTeX."""
        return f"L = {sympy.latex(self.expression)}"

    def specialise(self, values: Mapping[Any, Any]) -> Expression:
        """Return L at given weights and biases as an expression in what is left.

        An overlap that vanishes is no obstacle: its coordinate is then integrated as the constant that it is.

        Args:
            values: for every weight and bias, and optionally p and r, a number or an expression such as p/2. Keys
                are symbols of the formula or their names. Floats mean the binary fractions that they are.

        Returns:
            The loss in lowest terms, for 0 < p ≤ 1 where p is left free.

        Raises:
            ValueError: if a key is unknown or missing, a value isn't real and finite, or the values leave open which
                overlaps vanish or which corners are positive.

        Example:
            >>> derive_loss(2, 1).specialise({"w1": 1, "w2": -1, "b1": 0, "b2": 0})
            p**2*r/6 + p**2/6
        """
        by_name = {symbol.name: symbol for symbol in self.symbols}
        chosen = {by_name.get(key, key) if isinstance(key, str) else key: _number(key, v) for key, v in values.items()}
        unknown = set(chosen) - set(self.symbols)
        missing = [symbol for symbol in self.symbols[:-2] if symbol not in chosen]
        if unknown or missing:
            raise ValueError(
                f"values must have the keys {list(by_name)}, of which p and r are optional; "
                f"got unknown {sorted(map(str, unknown))}, missing {[s.name for s in missing]}"
            )
        given: list[Expression] = [chosen.get(symbol, symbol) for symbol in self.symbols]
        density, ratio = given[-2:]
        if not _is_positive(density) or _is_positive(density - 1):
            raise ValueError(f"density must lie in (0, 1], got {density}")
        if not _is_positive(ratio):
            raise ValueError(f"relative_importance must be positive, got {ratio}")
        point = [value.xreplace({DENSITY: density, RELATIVE_IMPORTANCE: ratio}) for value in given[:-2]]
        n_weights = self.n_hidden * self.n_features
        rows, bias = _rows(point[:n_weights], self.n_features), point[n_weights:]
        loss = sympy.Integer(0)
        for i, importance in enumerate(self.importances):
            overlaps = [sympy.expand(overlap) for overlap in _overlaps(rows, i)]
            loss += importance.xreplace({RELATIVE_IMPORTANCE: ratio}) * _output_at(i, overlaps, bias[i], density)
        return sympy.expand(sympy.cancel(loss))

    def at(self, weights: Any, bias: Any, density: Any, relative_importance: Any) -> Expression:
        """Return L at a rational point, exactly, vanishing overlaps included.

        Args:
            weights: W, n_hidden rows of n_features rationals: SymPy's, `Fraction`, int, strings such as "1/12", or
                floats, which mean the binary fractions that they are.
            bias: b, n_features rationals.
            density: p in (0, 1].
            relative_importance: r > 0.

        Returns:
            A SymPy `Rational`.

        Raises:
            ValueError: if a shape doesn't fit, or a number isn't rational or out of range.

        Example:
            >>> derive_loss(2, 1).at([[1, -1]], ["1/12", "1/12"], "1/2", 1)
            19079/248832
        """
        shapes = [(self.n_hidden, self.n_features), (self.n_features,)]
        try:
            arrays = [np.asarray(array, dtype=object) for array in (weights, bias)]
        except ValueError as error:
            raise ValueError(f"weights and bias must have shapes {shapes[0]} and {shapes[1]}: {error}") from None
        if [array.shape for array in arrays] != shapes:
            raise ValueError(
                f"weights and bias must have shapes {shapes[0]} and {shapes[1]}, "
                f"got {arrays[0].shape} and {arrays[1].shape}"
            )
        numbers = [*arrays[0].flat, *arrays[1].flat, density, relative_importance]
        values = {symbol: _number(symbol, number) for symbol, number in zip(self.symbols, numbers, strict=True)}
        for symbol, value in values.items():
            if not value.is_Rational:
                raise ValueError(f"{symbol} must be rational, got {value}")
        return self.specialise(values)

    def lambdify(self, modules: str = "numpy") -> Callable[[Any, Any, Any, Any], Any]:
        """Return a function that evaluates the formula.

        It divides by overlaps. Where one vanishes the value may not be finite (with NumPy's warning; "math" and
        "mpmath" raise `ZeroDivisionError`), and near there digits are lost: this is for checking and for work with
        many digits. `expected_loss` is the stable evaluation.

        Args:
            modules: "numpy" or "torch" for arrays with any batch dimensions, "math" or "mpmath" for single numbers.

        Returns:
            f(weights, bias, density, relative_importance) with weights of shape (..., n_hidden, n_features) and bias
            of shape (..., n_features), nested sequences for "math" and "mpmath"; it returns L, shape (...).

        Raises:
            ValueError: if `modules` is none of the four.

        Example:
            >>> evaluate = derive_loss(2, 1).lambdify("math")
            >>> round(evaluate([[1.0, -1.0]], [0.0, 0.0], 0.5, 1.0), 12)  # (1 + r) p² / 6
            0.083333333333
        """
        return python_function(self, modules)

    def code(self, language: str) -> str:
        r"""Return the formula as a program of its own: `loss`, a function of the formula's symbols in their order.

        Every overlap is named, and every region has its own expression, with common subexpressions named. Like
        `lambdify`, the program divides by overlaps: where one vanishes its result may not be finite.

        Args:
            language: "c" for C99, where `loss` takes and returns double, or "javascript".

        Returns:
            Source text that needs nothing but, in C, the standard library's math.h.

        Raises:
            ValueError: if the language is neither.

        Example:
            >>> print(*derive_loss(1, 1).code("javascript").splitlines()[-4:-1], sep="\n")
            function loss(w1, b1, p, r) {
                const G11 = (w1*w1);
                return r*outputLoss(b1, G11, p);
        """
        return source_code(self, language)


def derive_loss(n_features: int, n_hidden: int) -> LossFormula:
    """Derive the exact expected loss of x' = ReLU(WᵀW x + b) for independent features, in closed form.

    L = Σ_i I_i E(x_i − x'_i)² with importances (1, …, 1, r). Every output's loss is a rational function of (W, b, p)
    on each of 3, 9 or 59 regions for 1, 2 or 3 features. Four features have 993 regions per output, with about ten
    thousand characters each: that is no formula that anyone could read, so three is the limit.

    Args:
        n_features: n, from 1 to 3.
        n_hidden: m, from 1 to n_features; more hidden dimensions allow no other overlaps.

    Returns:
        The formula. Its symbols are w1 … wn for one hidden dimension and w1_1 … wm_n (hidden dimension first) for
        more, then b1 … bn, p, r.

    Raises:
        ValueError: if a size isn't an integer within these limits.

    Example:
        >>> formula = derive_loss(2, 1)
        >>> formula.symbols, [len(output.regions) for output in formula.outputs]
        ((w1, w2, b1, b2, p, r), [9, 9])
    """
    check_count("n_hidden", n_hidden)
    for name, size, limit in (("n_features", n_features, MAX_DERIVED_FEATURES), ("n_hidden", n_hidden, n_features)):
        # Why there is a limit is said to whom it meets.
        if name == "n_features" and isinstance(size, (int, np.integer)) and size > limit:
            raise ValueError(
                f"{name} must be an integer from 1 to {limit} for a derived formula (four have 993 regions per output; "
                f"expected_loss gives numbers), got {size!r}"
            )
        check_count(name, size, 1, limit)
    return _derive(int(n_features), int(n_hidden))


@cache
def _derive(n_features: int, n_hidden: int) -> LossFormula:
    """Do what `derive_loss` says, once."""
    columns = range(1, n_features + 1)
    names = [f"w{i}" if n_hidden == 1 else f"w{h + 1}_{i}" for h in range(n_hidden) for i in columns]
    weights = sympy.symbols(names, real=True)
    bias = sympy.symbols([f"b{i}" for i in columns], real=True)
    rows = _rows(weights, n_features)
    outputs = tuple(_derive_output(i, rows, bias[i]) for i in range(n_features))
    return LossFormula(n_features, n_hidden, (*weights, *bias, DENSITY, RELATIVE_IMPORTANCE), outputs)


def _derive_output(feature: int, rows: list[Sequence[Expression]], bias: Expression) -> OutputLoss:
    """Write every region of one output in terms of the weights."""
    overlaps = _overlaps(rows, feature)
    n, regions = len(overlaps), []
    corners = {corner: corner_value(corner, overlaps, bias) for corner in corners_of(range(n))}
    for positive in sign_regions(n, feature):
        # G_ii ≥ 0 orders the corners in pairs S, S ∪ {i}: a positive lower one makes the upper one positive.
        bounds = []
        for corner, value in corners.items():
            if corner in positive and (feature not in corner or corner - {feature} not in positive):
                bounds.append(sympy.Ge(value, 0))
            elif corner not in positive and (feature in corner or corner | {feature} in positive):
                bounds.append(sympy.Le(value, 0))
        if len(rows) == 1:
            # Overlaps share factors. With more hidden dimensions they are coprime, and nothing else cancels.
            loss = region_loss_in_weights(feature, rows[0], bias, positive)
        else:
            loss = region_loss(n, feature, frozenset(range(n)), positive)
            loss = loss.xreplace({BIAS: bias, **dict(zip(OVERLAPS, overlaps, strict=False))})
        regions.append(Region(positive, sympy.And(*bounds), loss))
    return OutputLoss(feature, corners, tuple(regions))


def _output_at(feature: int, overlaps: list[Expression], bias: Expression, density: Expression) -> Expression:
    """Return one output's loss at a point; overlaps that vanish there are left out before anything is divided."""
    for overlap in overlaps:
        if overlap.is_zero is None:
            raise ValueError(f"values must decide whether the overlap {overlap} vanishes")
    live = frozenset(j for j, overlap in enumerate(overlaps) if not overlap.is_zero)
    positive = frozenset(corner for corner in corners_of(live) if _is_positive(corner_value(corner, overlaps, bias)))
    loss = region_loss(len(overlaps), feature, live, positive)
    return loss.xreplace({BIAS: bias, DENSITY: density, **dict(zip(OVERLAPS, overlaps, strict=False))})


def _rows(weights: Sequence[Any], n: int) -> list[Sequence[Any]]:
    """Cut a flat list of weights into the rows of W."""
    return [weights[start : start + n] for start in range(0, len(weights), n)]


def _overlaps(rows: list[Sequence[Any]], feature: int) -> list[Expression]:
    """Return G_ij = Σ_h W_hi W_hj for one i and every j."""
    return [sympy.Add(*(row[feature] * row[j] for row in rows)) for j in range(len(rows[0]))]


def _number(name: Any, value: Any) -> Expression:
    """Return a value as a real SymPy expression without floats."""
    try:
        # SymPy would evaluate other text as code.
        number = sympy.Rational(value) if isinstance(value, str) else sympy.sympify(value, strict=True)
        number = number.xreplace({part: sympy.Rational(part) for part in number.atoms(sympy.Float)})
        real = number.is_extended_real is not False and not number.has(sympy.nan, sympy.oo, -sympy.oo, sympy.zoo)
    except (sympy.SympifyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise ValueError(f"{name} must be a number or an expression, got {value!r}") from error
    if not (real and isinstance(number, sympy.Expr)):
        raise ValueError(f"{name} must be real and finite, got {value!r}")
    return number


def _is_positive(value: Expression) -> bool:
    """Return whether a quantity is positive for 0 < p ≤ 1, and raise if that isn't the same for all of them."""
    # p = 1 / (1 + q) with q ≥ 0 lets SymPy use p ≤ 1.
    q = sympy.Symbol("q", nonnegative=True)
    substituted = sympy.factor(sympy.together(value.xreplace({DENSITY: 1 / (1 + q)})))
    if substituted.is_positive:
        return True
    if substituted.is_nonpositive:
        return False
    raise ValueError(f"values must decide the sign of {value} for all 0 < p ≤ 1")
