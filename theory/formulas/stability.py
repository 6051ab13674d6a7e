r"""Closed forms of limits of stability, as records: where storing a dropped feature begins, with or without a penalty.

Next to features on axes of their own, a dropped feature that begins to be stored with overlap −γ costs output 1

    E(s, γ, b) = ℓ₀ ((1−s)² + γ²) + (b − p (1−s+γ)/2)² − p (1−p) (γ−b)³ / 3γ − p² (1+s) (γ−b)⁴ / 12 s²γ

and gains r ℓ₀ (1 − (1−h)² − γ²) at its own output, h = γ²/s. With s = 1 + σγ, b = τγ the first is κγ² + O(γ³), κ a
minimum over (σ, τ) that a quadratic equation gives. docs/boundary-forms.md derives it; the polynomials of degree 9 and
more are derived by machine in `elimination.py`.
"""

from __future__ import annotations

import numpy as np
import sympy

from ..derivation import Expression
from ..loss import expected_loss, loss_gradient
from ..minima import Landscape, one_sided_hessians, pack
from ..models import ToyModel
from ..numerics import FloatArray
from .pairs import (
    PAIR_A,
    PAIR_B,
    A,
    B,
    abbreviations,
    antipodal,
    best_scale,
    best_shape,
    c,
    density,
    independent,
    p,
    r,
    ratio,
    s,
)
from .record import Definition, Formula, Root, Values, Variable, loss_at

GROUP = "Boundaries"
DERIVED = "derived here, docs/boundary-forms.md"

λ, γ, σ, τ, κ, D = sympy.symbols("lambda gamma sigma tau kappa D")
b, h = sympy.symbols("b h")
m = sympy.Symbol("m", integer=True, positive=True)

VARIANCE = p / 3 - p**2 / 4
penalty = Variable(λ, "coefficient of the interference penalty", 0.0, 0.1)
partial_density = Variable(p, "feature density $1-S$", 0.05, 0.95)
axes = Variable(m, "features on axes of their own", 1, 3)


def stored_output_loss(square: Expression, overlap: Expression, offset: Expression) -> Expression:
    """Return E(s, γ, b), what an output with ‖W_i‖² = s, one overlap −γ and the bias b costs; 0 ≤ b ≤ γ ≤ b + s."""
    spread = VARIANCE * ((1 - square) ** 2 + overlap**2) + (offset - p * (1 - square + overlap) / 2) ** 2
    clipped = overlap - offset
    silent = p * (1 - p) * clipped**3 / (3 * overlap)
    return spread - silent - p**2 * (1 + square) * clipped**4 / (12 * square**2 * overlap)


def silenced_output_loss(square: Expression, overlap: Expression, offset: Expression) -> Expression:
    """Return what such an output costs if the other feature at 1 switches it off altogether; 0 ≤ b ≤ γ − s.

    `elimination.coexistence_degrees` needs it; no record does.
    """
    alone = offset**2 - p * (1 - square) * offset + p * (1 - square) ** 2 / 3
    together = (
        offset**3 / 3
        - p * (1 - square) * offset**2 / 2
        + p * ((1 - square) ** 2 - 1) * offset / 3
        - p * square**2 / 4
        + p * square**3 / 12
    )
    return (1 - p) * alone + p**2 / 3 + p * together / overlap


def second_order(slope: Expression, offset: Expression) -> Expression:
    """Return the form J(σ, τ) of which κ is the minimum: E(1 + σγ, γ, τγ) = J γ² + O(γ³)."""
    # E is a Laurent polynomial in γ over powers of s = 1 + σγ, and the quotient is one in γ.
    expression = stored_output_loss(1 + slope * γ, γ, offset * γ) / γ**2
    return sympy.expand(sympy.limit(sympy.expand(expression), γ, 0))


# κ and where it is attained. D² + 4 p³ (1 − p) is positive for 0 < p ≤ 1.
_D = Definition(D, 4 - 7 * p + 4 * p**2)
_τ = Definition(τ, p**2 / (D + sympy.sqrt(D**2 + 4 * p**3 * (1 - p))))
_σ = Definition(σ, sympy.Rational(3, 4) * (p - 2 * τ))
KAPPA = (
    (1 - p) ** 2 * τ**2
    + p * (1 - p) * (τ**3 / 3 + τ**2 + τ * σ + σ**2 / 3)
    + p**2 * (τ**2 + σ**2 / 3 + sympy.Rational(1, 3) + τ * σ - τ - σ / 2)
)
_κ = Definition(κ, KAPPA)
ANTIPODAL = (_D, _τ, _σ, _κ)
CUBIC = 2 * r * VARIANCE * σ - p**2 * (1 - τ) ** 4 / 6

# Where the cubic term vanishes on the limit of stability without a penalty; `elimination.py` derives it.
TRICRITICAL = sum(
    coefficient * p**power
    for power, coefficient in enumerate((-192, 1696, -6496, 14188, -19449, 17265, -9882, 3546, -756, 81))
)


def _axes_and_drop(v: Values, m_: int) -> tuple[ToyModel, FloatArray]:
    """Return the model of m + 1 features in m dimensions, and the packed point at which the last one is dropped."""
    importance = np.append(np.ones(m_), v["r"])
    model = ToyModel(m_ + 1, m_, independent(v), importance, v.get("lambda", 0.0))
    return model, pack(np.eye(m_, m_ + 1), np.append(np.zeros(m_), v["p"] / 2))


def _turn(v: Values, sign: int) -> FloatArray:
    """Return H(θ + 0v) v for the direction v in which the dropped feature is stored with overlaps of a sign."""
    m_ = v.get("m", 1)
    model, theta = _axes_and_drop(v, m_)
    sizes = np.arange(1.0, m_ + 1) / m_
    weights = np.concatenate([np.diag(v["sigma"] * sizes / 2), sign * sizes[:, None]], axis=1)
    direction = pack(weights, np.append(v["tau"] * sizes, -sign * v["p"] * sizes.sum() / 2))
    landscape = Landscape(model).take((None,))
    hessian = one_sided_hessians(landscape, theta[None], direction[None, None])[0, 0]
    return np.asarray(hessian @ direction)


def _cubic_coefficient(v: Values) -> float:
    """Return the coefficient of γ³ in the loss along s = 1 + σγ, b = τγ, by interpolation.

    The loss times s² is a polynomial in γ of degree 4: five of its values determine it, eight do so with less rounding.
    """
    σ_, τ_, p_ = v["sigma"], v["tau"], v["p"]
    sizes = p_ / 4 * (1 - np.cos(np.pi * (np.arange(8) + 0.5) / 8))
    squares = 1 + σ_ * sizes
    row = np.stack([np.sqrt(squares), -sizes / np.sqrt(squares)], axis=-1)
    bias = np.stack([τ_ * sizes, p_ / 2 * (1 - sizes**2 / squares + sizes)], axis=-1)
    model, _ = _axes_and_drop(v, 1)
    loss = expected_loss(model, row[:, None, :], bias)
    x = np.polynomial.Polynomial.fit(sizes, loss * squares**2, 4).convert().coef
    # 1 / s² = Σ (−1)^k (k + 1) (σγ)^k
    return float(sum(x[3 - k] * (-1) ** k * (k + 1) * σ_**k for k in range(4)))


def _critical(v: Values) -> FloatArray:
    return np.append(_turn(v, -1), _cubic_coefficient(v))


def _penalised(v: Values) -> FloatArray:
    """Return the gradient of the penalised loss of the antipodal pair, importances 1."""
    W, offsets = antipodal(v), np.full(2, v["c"] * v["s"])
    parts = loss_gradient(ToyModel(2, 1, independent(v), 1.0, v["lambda"]), W, offsets)
    return np.concatenate([np.ravel(part) for part in parts])


def _penalised_gap(v: Values) -> FloatArray:
    """Return that gradient, and by how much the penalised pair costs more than a dropped feature."""
    loss = loss_at(independent(v), antipodal(v), [v["c"] * v["s"]] * 2, interference_penalty=v["lambda"])
    dropped = loss_at(independent(v), [[1.0, 0.0]], [0.0, v["p"] / 2])
    return np.append(_penalised(v), loss - dropped)


def _weakly_stored(v: Values) -> FloatArray:
    """Return the loss of a feature stored with a small overlap −γ beside another, its own bias at its best."""
    s_, γ_, p_ = v["s"], v["gamma"], v["p"]
    bias = [v["b"], p_ / 2 * (1 - γ_**2 / s_ + γ_)]
    W = [[s_**0.5, -γ_ / s_**0.5]]
    return loss_at(independent(v), W, bias, (1.0, v["r"]), interference_penalty=v["lambda"])


def _tricritical(name: str, words: str, low: float, high: float) -> Formula:
    """Return the record of one of the points where the cubic term vanishes on the limit of stability."""
    return Formula(
        name,
        GROUP,
        "Without a penalty, the axis phase's limit of stability is a continuous transition from p = 0.5202 to "
        f"p = 0.8373 (where no other phase is cheaper), and of first order outside. This is {words}: curvature and "
        "cubic term vanish together.",
        r"H_v v,\ [\gamma^3] L",
        sympy.Integer(0),
        (),
        _critical,
        DERIVED,
        kind="gradient",
        definitions=(
            Root(p, TRICRITICAL, sympy.Float(low), sympy.Float(high)),
            *ANTIPODAL,
            Definition(r, κ / VARIANCE),
        ),
    )


# Records repeat each other's parts: a formula is data that is read by itself, and says everything once more.
STABILITY_FORMULAS = (
    Formula(
        "stored-output",
        GROUP,
        "An antipodal pair of unequal lengths, W = (√s, −γ/√s), importances (1, r), whose second output is never "
        "clipped, b = (b, p(1 − h + γ)/2), h = γ²/s: the loss while an axis begins to be shared. Penalty λ.",
        "L",
        stored_output_loss(s, γ, b) + r * VARIANCE * ((1 - h) ** 2 + γ**2) + 2 * λ * γ**2,
        (
            density,
            ratio,
            penalty,
            Variable(s, "squared length of $W_1$", 0.5, 1.5),
            Variable(γ, "overlap, without its sign", 0.01, 0.6),
            Variable(b, "bias of output 1", 0.0, 0.6),
        ),
        _weakly_stored,
        DERIVED,
        assumptions=(b <= γ, γ <= b + s, γ <= p / 2 * (1 - h + γ)),
        definitions=(Definition(h, γ**2 / s),),
    ),
    Formula(
        "dropped-feature-limit",
        GROUP,
        "m features of importance 1 on axes of their own, one of importance r dropped, interference penalty λ: the "
        "dropped feature is stable exactly for r ≤ (κ + 2λ)/ℓ₀, ℓ₀ = p/3 − p²/4. There the curvature vanishes in a "
        "direction v that stores it with negative overlaps. H_v is the Hessian on the side of v.",
        r"H_v v",
        sympy.Integer(0),
        (partial_density, penalty, axes),
        lambda v: _turn(v, -1),
        DERIVED,
        kind="gradient",
        definitions=(*ANTIPODAL, Definition(r, (κ + 2 * λ) / VARIANCE)),
    ),
    Formula(
        "merged-feature-limit",
        GROUP,
        "The same for positive overlaps: where merged storage shrinks to nothing.",
        r"H_v v",
        sympy.Integer(0),
        (partial_density, penalty, axes),
        lambda v: _turn(v, 1),
        DERIVED,
        kind="gradient",
        definitions=(
            Definition(τ, sympy.Rational(-1, 2)),
            Definition(σ, sympy.Rational(3, 4) * (1 - p)),
            Definition(r, ((5 + 8 * p - 9 * p**2) * p / 48 + 2 * λ) / VARIANCE),
        ),
    ),
    Formula(
        "weak-storage-cubic",
        GROUP,
        "The loss along the soft direction of dropped-feature-limit, s = 1 + σγ, b = τγ, to third order: the penalty "
        "doesn't enter. Where it is negative the transition is of first order.",
        r"[\gamma^3] L",
        CUBIC,
        (Variable(p, "feature density $1-S$", 0.2, 1.0), ratio, penalty),
        _cubic_coefficient,
        DERIVED,
        kind="gradient",
        definitions=(_D, _τ, _σ),
    ),
    Formula(
        "tricritical-penalty",
        GROUP,
        "On the axis phase's limit of stability the transition changes from first order to continuous where the cubic "
        "term vanishes, at this r and λ: curvature and cubic term are both zero.",
        r"H_v v,\ [\gamma^3] L",
        sympy.Integer(0),
        (Variable(p, "feature density $1-S$", 0.2, 0.95),),
        _critical,
        DERIVED,
        kind="gradient",
        assumptions=(λ >= 0,),
        definitions=(
            *ANTIPODAL,
            Definition(r, p**2 * (1 - τ) ** 4 / (12 * σ * VARIANCE)),
            Definition(λ, (r * VARIANCE - κ) / 2),
        ),
    ),
    _tricritical("tricritical-lower", "the lower end", 0.51, 0.53),
    _tricritical("tricritical-upper", "the upper end", 0.8, 0.9),
    Formula(
        "penalised-pair-optimum",
        GROUP,
        "The antipodal pair of equal importances under the interference penalty λ·2w₁²w₂² is a critical point: "
        "W = √s (1, −1), b = c s (1, 1). Its penalised loss is 2 (p/3 − B²/4A), A being that of antipodal-pair with "
        "λ added.",
        r"\nabla (L + \lambda R)",
        sympy.Integer(0),
        (density, penalty),
        _penalised,
        DERIVED,
        kind="gradient",
        definitions=(
            best_shape(PAIR_A + λ, PAIR_B, sympy.Integer(0), sympy.Integer(1)),
            *abbreviations(PAIR_A + λ, PAIR_B),
            best_scale,
        ),
    ),
    Formula(
        "critical-penalty-of-the-pair",
        GROUP,
        "Equal importances: at this penalty the best symmetric antipodal pair costs as much as storing one feature. "
        "(From p = 0.2366 to 0.4983 no other minimum is cheaper there.) Critical point and equal cost.",
        r"\nabla (L + \lambda R),\ L + \lambda R - \ell_0",
        sympy.Integer(0),
        (Variable(p, "feature density $1-S$", 0.05, 0.95),),
        _penalised_gap,
        DERIVED,
        kind="gradient",
        assumptions=(λ >= 0,),
        definitions=(
            Root(
                c,
                12 * PAIR_B * sympy.diff(PAIR_B, c) - p * (4 + 3 * p) * sympy.diff(PAIR_A, c),
                sympy.Integer(0),
                sympy.Integer(1),
                r"12 B \frac{dB}{dc} = p (4 + 3 p) \frac{dA}{dc}",
            ),
            *abbreviations(PAIR_A, PAIR_B),
            Definition(s, p * (4 + 3 * p) / (12 * B)),
            Definition(λ, 6 * B**2 / (p * (4 + 3 * p)) - A),
        ),
    ),
)
