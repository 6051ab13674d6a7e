r"""Asymptotic expansions of boundaries and minima for small density, as records.

Each gives the first terms in p → 0, the order of what is left out, and how the quantity is measured by the exact
loss. One test checks all of them: what is left out shrinks as fast as the record says. docs/boundary-forms.md derives
them. Importance → ∞ needs no expansions of its own, since exchanging the features maps r to 1/r.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import sympy

from ..boundaries import critical_penalty, storage_cost
from ..derivation import DENSITY, RELATIVE_IMPORTANCE, Expression
from ..minima import Landscape, descend, pack
from ..models import ToyModel, diagram_model
from ..numerics import FloatArray, Summarised

p, r = DENSITY, RELATIVE_IMPORTANCE
ρ = sympy.Symbol("rho", positive=True)

# Rounds of the search for an importance at which two phases cost the same.
ROUNDS = 12


@dataclass(frozen=True)
class Expansion(Summarised):
    """The first terms of a quantity for p → 0.

    Attributes:
        name: unique, in kebab case.
        statement: a sentence for people.
        quantity: LaTeX of what is expanded.
        terms: the terms in p, and r or ρ where they are free.
        remainder: the power of p of what is left out.
        parameters: values at which the test measures, by name: each an importance r, or ρ = r / p.
        densities: where the test measures: the first is small enough for the claim, the last larger.
        measure: returns the quantity at (density, parameter).
    """

    name: str
    statement: str
    quantity: str
    terms: Expression
    remainder: Fraction
    parameters: tuple[float, ...]
    densities: tuple[float, ...]
    measure: Callable[[float, float], float]

    def value(self, density: float, parameter: float) -> float:
        """Return the sum of the terms."""
        return float(self.terms.subs({p: density, r: parameter, ρ: parameter}))


def _digon(density: float, ratio: float) -> tuple[FloatArray, float]:
    """Return the packed digon next to W = (1, −1) and its loss."""
    landscape = Landscape(diagram_model(2, 1, density, ratio)).take((None,))
    end = descend(landscape, np.array([[1.0, -1.0, density**2 / 6, density**2 / 6]]))
    return end.parameters[0], float(end.loss[0])


def _digon_entry(place: int) -> Callable[[float, float], float]:
    return lambda density, ratio: float(_digon(density, ratio)[0][place])


def _largest_axis_importance(density: float, _: float) -> float:
    """Return the importance up to which an axis is cheaper than the digon, the least of E₁ / (ℓ₀ − E₂) close by."""
    state = pack(np.array([[1.0, -0.58]]), np.array([0.0, density / 3]))[None]
    ratio = density / 2
    equal = Landscape(ToyModel(2, 1, diagram_model(2, 1, density, 1.0).features))
    for _round in range(ROUNDS):
        state = descend(Landscape(diagram_model(2, 1, density, ratio)).take((None,)), state).parameters
        one, two = equal.exact.output_losses(*equal.split(state[0]))
        ratio = float(one / (density / 3 - density**2 / 4 - two))
    return ratio


def _critical(density: float, ratio: float) -> float:
    return float(critical_penalty(density, ratio).penalty)


# All of them.
EXPANSIONS = (
    Expansion(
        "sparse-digon-loss",
        "The digon at fixed importance: interference costs p²/6 for each feature, and the weights' answer to it gains "
        "the next order.",
        "L",
        (1 + r) * p**2 / 6 - ((2 - r) ** 2 + (1 - 2 * r) ** 2 / r) * p**3 / 192,
        Fraction(4),
        (0.5, 1.0, 2.0),
        (1e-3, 4e-3),
        lambda density, ratio: _digon(density, ratio)[1],
    ),
    Expansion(
        "sparse-digon-weight",
        "Its first weight. For r > 2 it is shorter than 1.",
        r"w_1",
        1 + (2 - r) * p / 16,
        Fraction(2),
        (0.5, 1.0, 3.0),
        (1e-3, 4e-3),
        _digon_entry(0),
    ),
    Expansion(
        "sparse-digon-second-weight",
        "Its second weight. For r < 1/2 it is shorter than 1.",
        r"w_2",
        -1 - (2 - 1 / r) * p / 16,
        Fraction(2),
        (0.5, 1.0, 3.0),
        (1e-3, 4e-3),
        _digon_entry(1),
    ),
    Expansion(
        "sparse-digon-bias",
        "Its first bias; the second has 1/r in the place of r.",
        r"b_1",
        (2 + 3 * r) * p**2 / 48,
        Fraction(3),
        (0.5, 1.0, 3.0),
        (1e-3, 4e-3),
        _digon_entry(2),
    ),
    Expansion(
        "sparse-storage-cost",
        "What the first overlap costs, κ of dropped-feature-limit: the limit of stability is r = p + 3p²/16 + O(p³).",
        r"\kappa",
        p**2 / 3 - 3 * p**3 / 16,
        Fraction(4),
        (1.0,),
        (1e-3, 4e-3),
        lambda density, _: float(storage_cost(density)),
    ),
    Expansion(
        "sparse-coexistence",
        "Where axis and digon cost the same, r < 1. The overlap there tends to −(2 − √2).",
        r"r_c",
        (2 + sympy.sqrt(2)) * p / 8 + (11 + 4 * sympy.sqrt(2)) * p**2 / 32,
        Fraction(3),
        (1.0,),
        (1e-3, 4e-3),
        _largest_axis_importance,
    ),
    Expansion(
        "sparse-critical-penalty",
        "The critical interference penalty at a fixed importance r < 1. The overlap there is −√p (3/4(1 − r))^{1/4}.",
        r"\lambda_c",
        r * p / 3 - (sympy.Rational(1, 6) + 7 * r / 12 + r * sympy.sqrt((1 - r) / 12)) * p**2,
        Fraction(5, 2),
        (0.3, 0.6),
        (1e-4, 1.6e-3),
        _critical,
    ),
    Expansion(
        "sparse-critical-penalty-small-importance",
        "The same where the importance is small too, r = ρp. It vanishes at ρ = (2 + √2)/8, and the overlap there is "
        "−1/4ρ.",
        r"\lambda_c",
        p**2 * (32 * ρ**2 - 16 * ρ + 1) / (96 * ρ),
        Fraction(3),
        (0.6, 1.0),
        (1e-3, 4e-3),
        lambda density, share: _critical(density, share * density),
    ),
)
