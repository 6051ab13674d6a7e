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

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any

import sympy

# SymPy carries no types.
Expression = Any
Corner = frozenset[int]

MAX_DERIVED_FEATURES = 3

DENSITY, RELATIVE_IMPORTANCE = sympy.symbols("p r", positive=True)
_BIAS = sympy.Symbol("b", real=True)
_OVERLAPS = sympy.symbols(f"G1:{MAX_DERIVED_FEATURES + 1}", real=True)


@dataclass(frozen=True)
class Region:
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
class OutputLoss:
    """The loss of one output, E(x_i − x'_i)², without its importance.

    Attributes:
        feature: i, numbered from 0.
        regions: they cover parameter space, and meet in their boundaries, where their expressions agree.
    """

    feature: int
    regions: tuple[Region, ...]

    @cached_property
    def expression(self) -> Expression:
        """The regions as one SymPy `Piecewise`."""
        return sympy.Piecewise(*((region.expression, region.assumptions) for region in self.regions), evaluate=False)


@dataclass(frozen=True)
class PublishedLoss:
    """A loss that was published as a candidate for the optimum of n = 2, m = 1 (arXiv:2209.10652).

    Attributes:
        name: the phase that it stands for.
        weights: W, n_hidden rows of n_features numbers.
        bias: b, expressions in the density.
        loss: L in the density and the relative importance.
        relative_importance: r at which the statement holds; the symbol r itself where it holds for every r.
    """

    name: str
    weights: tuple[tuple[Expression, ...], ...]
    bias: tuple[Expression, ...]
    loss: Expression
    relative_importance: Expression = RELATIVE_IMPORTANCE


_DROPPED = DENSITY / 3 - DENSITY**2 / 4
PUBLISHED_LOSSES = (
    PublishedLoss("axis(2) + drop(1)", ((0, 1),), (DENSITY / 2, 0), _DROPPED),
    PublishedLoss("axis(1) + drop(2)", ((1, 0),), (0, DENSITY / 2), RELATIVE_IMPORTANCE * _DROPPED),
    PublishedLoss("digon(1,2)", ((1, -1),), (0, 0), (1 + RELATIVE_IMPORTANCE) * DENSITY**2 / 6),
    PublishedLoss("digon(1,2), equal importance", ((1, -1),), (0, 0), DENSITY**2 / 3, sympy.Integer(1)),
)


@dataclass(frozen=True)
class LossFormula:
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
        pairs = combinations_with_replacement(range(self.n_features), 2)
        overlaps = [_overlap(self._weights(self.symbols), i, j) for i, j in pairs]
        general += [sympy.Le(density, 1), *(sympy.Ne(overlap, 0) for overlap in overlaps)]
        return (*general, *(region.assumptions for output in self.outputs for region in output.regions))

    def _weights(self, values: tuple[Any, ...]) -> tuple[tuple[Any, ...], ...]:
        """Return the rows of W among `values`, which are ordered as `symbols`."""
        return tuple(values[h * self.n_features : (h + 1) * self.n_features] for h in range(self.n_hidden))

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
        point = tuple(chosen.get(symbol, symbol) for symbol in self.symbols)
        density, ratio = point[-2:]
        if not _is_positive("p", density) or _is_positive("p − 1", density - 1):
            raise ValueError(f"density must lie in (0, 1], got {density}")
        if not _is_positive("r", ratio):
            raise ValueError(f"relative_importance must be positive, got {ratio}")
        weights, bias = (
            self._weights(point),
            [sympy.sympify(b).xreplace({DENSITY: density}) for b in point[-2 - self.n_features : -2]],
        )
        weights = tuple(tuple(sympy.sympify(w).xreplace({DENSITY: density}) for w in row) for row in weights)
        loss = sympy.Integer(0)
        for i, importance in enumerate(self.importances):
            slopes = [_overlap(weights, i, j) for j in range(self.n_features)]
            loss += importance.xreplace({self.symbols[-1]: ratio}) * _output_at(i, slopes, bias[i], density)
        return sympy.expand(sympy.cancel(loss))
