r"""Closed forms of one feature's loss and of two features in one dimension, and their critical points, as records.

Weights are √s times a fixed shape and biases c s, so every pre-activation is s times a fixed function of the input. As
long as c stays in a region, the loss is Σ I_i E[x_i²] − s B + s² A with A and B polynomials in c: the best scale is
s = B / 2A, and the best c a root of 2 A B′ − A′ B. docs/derivation.md derives it, docs/formulas.md lists all records.
"""

from __future__ import annotations

import numpy as np
import sympy

from ..derivation import DENSITY, RELATIVE_IMPORTANCE, Expression
from ..models import Amplitude, IndependentFeatures
from ..numerics import FloatArray
from .published import PUBLISHED_LOSSES, PublishedLoss
from .record import Definition, Formula, Root, Values, Variable, gradient_at, loss_at

p, r = DENSITY, RELATIVE_IMPORTANCE
importance, s, β, c, low, high = sympy.symbols("I s beta c l h")
A, B = sympy.symbols("A B")

density = Variable(p, "feature density $1-S$", 0.05, 1.0)
ratio = Variable(r, "importance of the last feature against the others", 0.1, 3.0)
scale = Variable(s, "squared length of each $W_i$", 0.1, 2.0)
bias = Variable(β, "bias of every output", -1.0, 1.0)
relative_bias = Variable(c, "bias of every output, in units of $s$", -1.0, 1.0)
amplitudes = (
    Variable(low, "smallest amplitude of an active feature", -1.0, 1.0),
    Variable(high, "largest amplitude of an active feature", 0.0, 2.0),
)
_mean, _second_moment = (low + high) / 2, (low**2 + low * high + high**2) / 3
DERIVED = "derived here, docs/derivation.md"

SINGLE, PAIR = "One feature", "Two features in one dimension"


def independent(v: Values) -> IndependentFeatures:
    """Return the law of independent features with density p."""
    return IndependentFeatures(v["p"])


def antipodal(v: Values) -> FloatArray:
    """Return W = √s (1, −1)."""
    return np.array([[1.0, -1.0]]) * float(v["s"] ** 0.5)


def abbreviations(A_: Expression, B_: Expression) -> tuple[Definition, ...]:
    """Return the definitions of A and B."""
    return Definition(A, A_), Definition(B, B_)


def best_shape(A_: Expression, B_: Expression, above: Expression, below: Expression, *, shown: bool = False) -> Root:
    """Return the c that is best with the best scale, written out if it is `shown`."""
    equation = "" if shown else r"2 A \frac{dB}{dc} = B \frac{dA}{dc}"
    return Root(c, 2 * A_ * sympy.diff(B_, c) - sympy.diff(A_, c) * B_, above, below, equation)


# The antipodal pair for 0 ≤ c ≤ 1, the merged pair for −1 ≤ c ≤ 0.
PAIR_A = c**2 + p * (1 + 3 * c - 3 * c**2 + c**3) / 3 - p**2 * (3 + 8 * c - 6 * c**2 + c**4) / 12
PAIR_B = p * (2 + 3 * c) / 3 - p**2 * (5 + 4 * c - 6 * c**2 + 4 * c**3 - c**4) / 12
MERGED_A = 2 * p * (1 + c) ** 3 / 3 + p**2 * (6 - 12 * c**2 - 8 * c**3 - c**4) / 12
MERGED_B = p * (2 + 3 * c - c**3) / 3 + p**2 * (6 + 4 * c**3 + c**4) / 12

best_scale = Definition(s, B / (2 * A))


def _published(published: PublishedLoss) -> Formula:
    """Return the record of a published candidate."""
    W = np.array(published.weights, dtype=np.float64)
    free = published.relative_importance == r

    def measure(v: Values) -> FloatArray:
        b = [float(sympy.sympify(entry).subs(p, v["p"])) for entry in published.bias]
        return loss_at(independent(v), W, b, (1.0, v["r"] if free else 1.0))

    words = published.name.replace(" + ", "-and-").replace(", ", "-").replace(" ", "-")
    row, offsets = (", ".join(map(str, entries)) for entries in (published.weights[0], published.bias))
    return Formula(
        f"published-{words.replace('(', '-').replace(')', '').replace(',', '-')}",
        PAIR,
        f"The published candidate `{published.name}`: W = ({row}), b = ({offsets}), importances (1, r)"
        + (" for any r." if free else " with r = 1."),
        "L",
        published.loss,
        (density, ratio) if free else (density,),
        measure,
        "arXiv:2209.10652; docs/derivation.md",
    )


def _amplitude(v: Values) -> Amplitude:
    return Amplitude(v["l"], v["h"])


SINGLE_FORMULAS = (
    Formula(
        "dropped",
        SINGLE,
        "A feature that isn't represented costs its variance, answered by its mean: W = 0, b = E[x] = p/2.",
        "L",
        importance * (p / 3 - p**2 / 4),
        (density, Variable(importance, "importance", 0.1, 3.0)),
        lambda v: loss_at(independent(v), [[0.0]], [v["p"] / 2], v["I"]),
        DERIVED,
    ),
    Formula(
        "dropped-any-amplitude",
        SINGLE,
        "The same for amplitudes that are uniform on [l, h] with a mean that isn't negative: b = p (l + h)/2.",
        "L",
        p * _second_moment - p**2 * _mean**2,
        (density, *amplitudes),
        lambda v: loss_at(
            IndependentFeatures(v["p"], amplitude=_amplitude(v)), [[0.0]], [v["p"] * (v["l"] + v["h"]) / 2]
        ),
        DERIVED,
        assumptions=(low < high, low + high >= 0),
    ),
    Formula(
        "dead",
        SINGLE,
        "An output that no input switches on costs E[x²], whatever its weight: W = √s, amplitudes uniform on [l, h].",
        "L",
        p * _second_moment,
        (density, scale, Variable(β, "bias", -4.0, 0.0), *amplitudes),
        lambda v: loss_at(IndependentFeatures(v["p"], amplitude=_amplitude(v)), [[np.sqrt(v["s"])]], [v["beta"]]),
        DERIVED,
        assumptions=(low < high, β <= -s * high),
    ),
    Formula(
        "axis",
        SINGLE,
        "A feature with a dimension of its own, W = √s, and a bias that isn't negative. It is stored perfectly, L = 0, "
        "at s = 1, β = 0.",
        "L",
        p * (1 - s) ** 2 / 3 - p * (1 - s) * β + β**2,
        (density, scale, bias),
        lambda v: loss_at(independent(v), [[np.sqrt(v["s"])]], [v["beta"]]),
        DERIVED,
        assumptions=(β >= 0,),
    ),
    Formula(
        "axis-negative-bias",
        SINGLE,
        "The same with a bias that keeps small inputs silent.",
        "L",
        p / 3 - p * (s + β) ** 2 * (2 * s - β) / (3 * s**2) + p * (s + β) ** 3 / (3 * s),
        (density, scale, bias),
        lambda v: loss_at(independent(v), [[np.sqrt(v["s"])]], [v["beta"]]),
        DERIVED,
        assumptions=(-s <= β, β <= 0),
    ),
)

PAIR_FORMULAS = (
    *map(_published, PUBLISHED_LOSSES),
    Formula(
        "antipodal-pair",
        PAIR,
        "The antipodal pair W = √s (1, −1), b = c s (1, 1), importances (1, r).",
        "L",
        (1 + r) * (p / 3 - s * B + s**2 * A),
        (density, ratio, scale, relative_bias),
        lambda v: loss_at(independent(v), antipodal(v), [v["c"] * v["s"]] * 2, (1.0, v["r"])),
        DERIVED,
        assumptions=(c >= 0, c <= 1),
        definitions=abbreviations(PAIR_A, PAIR_B),
    ),
    Formula(
        "antipodal-pair-best-bias",
        PAIR,
        "The bias that suits an antipodal pair of given scale: both biases are stationary at b = β (1, 1).",
        r"\frac{\partial L}{\partial b}",
        sympy.Integer(0),
        (density, scale),
        lambda v: gradient_at(independent(v), antipodal(v), [v["beta"]] * 2)[2:],
        DERIVED,
        kind="gradient",
        definitions=(
            Root(
                β,
                p**2 * (1 + s) * β**3
                - 3 * p * s * (p + s) * β**2
                - 3 * s**2 * ((p**2 - 2 * p + 2) * s - p**2) * β
                + p * s**3 * ((2 * p - 3) * s - p + 3),
                sympy.Integer(0),
                s,
            ),
        ),
    ),
    Formula(
        "antipodal-pair-optimum",
        PAIR,
        "The deformed antipodal pair of equal importances is a critical point, in all directions: W = √s (1, −1), "
        "b = c s (1, 1). A and B are those of antipodal-pair. Its loss is 2 (p/3 − B²/4A).",
        r"\nabla L",
        sympy.Integer(0),
        (density,),
        lambda v: gradient_at(independent(v), antipodal(v), [v["c"] * v["s"]] * 2),
        DERIVED,
        kind="gradient",
        definitions=(
            best_shape(PAIR_A, PAIR_B, sympy.Integer(0), sympy.Integer(1), shown=True),
            *abbreviations(PAIR_A, PAIR_B),
            best_scale,
        ),
    ),
    Formula(
        "antipodal-pair-slope",
        PAIR,
        "The published antipodal candidate is no critical point: at W = (1, −1), b = 0 both biases should grow.",
        r"\frac{1}{I_i} \frac{\partial L}{\partial b_i}",
        -(p**2) / 3,
        (density, ratio),
        lambda v: gradient_at(independent(v), [[1.0, -1.0]], [0.0, 0.0], (1.0, v["r"]))[2:] / np.array([1.0, v["r"]]),
        DERIVED,
        kind="gradient",
    ),
    Formula(
        "merged-pair",
        PAIR,
        "Two features on the same side, W = √s (1, 1), b = c s (1, 1), importances (1, r).",
        "L",
        (1 + r) * (p / 3 - s * B + s**2 * A),
        (density, ratio, scale, relative_bias),
        lambda v: loss_at(independent(v), np.sqrt(v["s"]) * np.ones((1, 2)), [v["c"] * v["s"]] * 2, (1.0, v["r"])),
        DERIVED,
        assumptions=(c >= -1, c <= 0),
        definitions=abbreviations(MERGED_A, MERGED_B),
    ),
)
