r"""Closed forms of the noise of sampled gradients, and of what it does to a weight, as records.

g is the gradient of one input's loss, and C = Cov(g) / B that of a batch of B. Between kinks g is a polynomial of
degree two in the amplitudes, so that second moments are rational. docs/sampling-noise.md derives them.
"""

from __future__ import annotations

import numpy as np
import sympy

from ..loss import loss_hessian
from ..models import ToyModel
from ..noise import OptimiserRule, gradient_noise, spread_at_rest
from ..numerics import FloatArray
from .pairs import antipodal, bias, c, density, independent, p, r, ratio, relative_bias, s, scale, β
from .record import Definition, Formula, Values, Variable

NOISE = "Noise of sampled gradients"
DERIVED = "derived here, docs/sampling-noise.md"

η, μ, B, V = sympy.symbols("eta mu B V")
M_W, M_B = sympy.symbols("M_w M_b")
rate = Variable(η, "learning rate", 0.01, 0.3)
momentum = Variable(μ, "momentum of SGD, $v \\leftarrow \\mu v + g$", 0.0, 0.95)
batch = Variable(sympy.Symbol("B", integer=True), "inputs of a batch", 1, 512)

# Var(x) of a feature, and E[x^k].
VARIANCE = p / 3 - p**2 / 4
_x1, _x2, _x3, _x4 = (p / (k + 1) for k in (1, 2, 3, 4))


def _covariance(v: Values, weights: FloatArray, offsets: FloatArray, importance: object = 1.0) -> FloatArray:
    model = ToyModel(weights.shape[1], 1, independent(v), importance)
    return gradient_noise(model, weights, offsets).covariance()


def _dropped(v: Values) -> tuple[FloatArray, FloatArray]:
    """Return curvature and noise of the bias of a dropped output, shapes (1, 1)."""
    model = ToyModel(1, 1, independent(v), v["r"])
    weights, offsets = np.zeros((1, 1)), np.array([v["p"] / 2])
    covariance = gradient_noise(model, weights, offsets).covariance(v["B"])
    return np.asarray(loss_hessian(model, weights, offsets))[1:, 1:], covariance[1:, 1:]


def _spread(v: Values) -> FloatArray:
    hessian, noise = _dropped(v)
    return spread_at_rest(hessian, noise, v["eta"], OptimiserRule(False, v["mu"]))


def _excess(v: Values) -> FloatArray:
    return np.asarray((_dropped(v)[0] * _spread(v)).sum() / 2)


def _axis(v: Values) -> FloatArray:
    return _covariance(v, np.array([[np.sqrt(v["s"])]]), np.array([v["beta"]]))


_rest = η * r * V * (1 + μ) / (batch.symbol * (1 - μ) * (1 + μ - η * r))
_dropped_variables = (density, Variable(r, "its importance", 0.1, 3.0), rate, momentum, batch)
_variance = (Definition(V, VARIANCE),)

# Of the antipodal pair for 0 ≤ c ≤ 1: E[g] of W_1 and b_1, and E[g gᵀ], given which features are on.
_NONE, _ONE, _BOTH = (1 - p) ** 2, p * (1 - p), p**2
_root = sympy.sqrt(s)
MEAN_W = _root * (
    _ONE * (-2 * c**3 * s + 6 * c * s + 4 * s - 4) / 3
    + _BOTH * (2 * c**4 * s + 3 * c**4 - 4 * c**3 * s - 8 * c**3 + 6 * c**2 + 4 * c * s + 2 * s - 3) / 6
)
MEAN_B = (
    _NONE * 2 * c * s
    + _ONE * (2 * c * s + s - 1 + c**2 * s)
    - _BOTH * (c**3 * s + c**3 - 3 * c**2 * s - 3 * c**2 - 3 * c * s + 3 * c - s + 2) / 3
)
BIAS = (
    _NONE * 4 * c**2 * s**2
    + _ONE * sympy.Rational(4, 3) * (3 * c**2 * s**2 + 3 * c * s * (s - 1) + (s - 1) ** 2 + c**3 * s**2)
    - _BOTH
    * (
        c**4 * (s**2 + s + 1)
        - 4 * c**3 * (s**2 + s + 1)
        - 6 * c**2 * (s**2 - s - 1)
        - 4 * c * (s - 1) ** 2
        - s**2
        + 3 * s
        - 3
    )
    / 3
)
BIASES = (
    _NONE * 4 * c**2 * s**2
    + _ONE * 4 * c**3 * s * (4 * s - 1) / 3
    - _BOTH * c * (c**3 * (6 * s**2 + 6 * s - 1) - 4 * c**2 * s * (4 * s + 5) + 6 * c * (4 * s + 1) - 8) / 3
)
WEIGHT = (
    _ONE * 2 * s * (c**5 * s * (6 - 14 * s) + 40 * c**2 * s**2 + 60 * c * s * (s - 1) + 24 * (s - 1) ** 2) / 15
    + _BOTH
    * 2
    * s
    * (
        c**6 * (21 * s**2 + 41 * s - 24)
        - 18 * c**5 * (2 * s**2 + 7 * s - 4)
        + 15 * c**4 * (2 * s**2 + 11 * s - 6)
        - 20 * c**3 * (3 * s**2 + 8 * s - 3)
        + 15 * c**2 * s * (4 * s + 9)
        + 6 * c * (9 * s**2 - 16 * s - 6)
        + 16 * s**2
        - 45 * s
        + 40
    )
    / 45
)
WEIGHTS = (
    _ONE * 4 * c**5 * s**2 * (7 * s - 3) / 15
    - _BOTH
    * 2
    * s
    * (
        c**6 * (33 * s**2 + 67 * s - 16)
        - 6 * c**5 * s * (8 * s + 27)
        - 15 * c**4 * (2 * s**2 - 3 * s - 6)
        + 20 * c**3 * (3 * s**2 + 8 * s - 5)
        - 15 * c**2 * s * (2 * s + 9)
        - 6 * c * (3 * s**2 - 8 * s - 6)
        - 4 * s**2
        + 15 * s
        - 20
    )
    / 45
)
WEIGHT_BIAS = _root * (
    _ONE * (c**4 * s * (1 - 4 * s) + 12 * c**2 * s**2 + 16 * c * s * (s - 1) + 6 * (s - 1) ** 2) / 3
    + _BOTH
    * (
        c**5 * (3 * s**2 + 7)
        + 5 * c**4 * (s**2 + 3 * s - 6)
        - 10 * c**3 * (3 * s**2 + 5 * s - 4)
        + 10 * c**2 * (3 * s**2 + 6 * s - 1)
        + 5 * c * (5 * s**2 - 9 * s - 3)
        + 7 * s**2
        - 20 * s
        + 18
    )
    / 15
)
WEIGHT_OTHER_BIAS = _root * (
    _ONE * c**4 * s * (2 * s - 1) / 3
    + _BOTH
    * (c - 1)
    * (
        c**4 * (s**2 + 6 * s + 1)
        - c**3 * (14 * s**2 + 29 * s - 1)
        + c**2 * (16 * s**2 + 41 * s + 1)
        + c * (6 * s**2 - 19 * s - 9)
        + s**2
        - 4 * s
        + 6
    )
    / 15
)

# Name, quantity, its second moment, the means that are subtracted, and its place in (W_1, W_2, b_1, b_2).
_PAIR = (
    ("bias", r"\operatorname{Var} g_{b_1}", BIAS, M_B**2, (2, 2)),
    ("two-biases", r"\operatorname{Cov}(g_{b_1}, g_{b_2})", BIASES, M_B**2, (2, 3)),
    ("weight", r"\operatorname{Var} g_{W_1}", WEIGHT, M_W**2, (0, 0)),
    ("two-weights", r"\operatorname{Cov}(g_{W_1}, g_{W_2})", WEIGHTS, -(M_W**2), (0, 1)),
    ("weight-and-bias", r"\operatorname{Cov}(g_{W_1}, g_{b_1})", WEIGHT_BIAS, M_W * M_B, (0, 2)),
    ("weight-and-other-bias", r"\operatorname{Cov}(g_{W_1}, g_{b_2})", WEIGHT_OTHER_BIAS, M_W * M_B, (0, 3)),
)


def _pair(name: str, quantity: str, second: sympy.Expr, means: sympy.Expr, place: tuple[int, int]) -> Formula:
    return Formula(
        f"antipodal-pair-noise-{name}",
        NOISE,
        "The antipodal pair W = √s (1, −1), b = c s (1, 1) of equal importances: a polynomial of degree four in p. "
        "The means vanish at its minimum. Exchanging the features gives the other entries, W_2 with the opposite sign.",
        quantity,
        second - means,
        (density, scale, relative_bias),
        lambda v: _covariance(v, antipodal(v), np.full(2, v["c"] * v["s"]))[place],
        DERIVED,
        kind="gradient",
        assumptions=(c >= 0, c <= 1),
        definitions=(Definition(M_W, MEAN_W), Definition(M_B, MEAN_B)),
    )


NOISE_FORMULAS = (
    Formula(
        "dropped-noise",
        NOISE,
        "The gradient in the bias of a dropped output of importance r, W = 0, b = β: the noise is that of the feature, "
        "wherever the bias is.",
        r"\operatorname{Var} \frac{\partial \ell}{\partial b}",
        4 * r**2 * VARIANCE,
        (density, ratio, bias),
        lambda v: _covariance(v, np.array([[1.0, 0.0]]), np.array([0.0, v["beta"]]), (1.0, v["r"]))[3, 3],
        DERIVED,
        kind="gradient",
        assumptions=(β > 0,),
    ),
    Formula(
        "dropped-spread",
        NOISE,
        "How far SGD with momentum spreads the bias of a dropped output of importance r around p/2, once it is at rest "
        "at a constant rate; all weights are held.",
        r"\mathbb E (b - p/2)^2",
        _rest,
        _dropped_variables,
        _spread,
        DERIVED,
        kind="gradient",
        assumptions=(η * r < 1 + μ,),
        definitions=_variance,
    ),
    Formula(
        "dropped-excess",
        NOISE,
        "The mean excess loss that this costs. Without momentum it is η r² V / (B (1 − η r)); small rates with "
        "momentum act like η / (1 − μ).",
        r"\mathbb E L - \min_b L",
        r * _rest,
        _dropped_variables,
        _excess,
        DERIVED,
        kind="gradient",
        assumptions=(η * r < 1 + μ,),
        definitions=_variance,
    ),
    Formula(
        "axis-noise-bias",
        NOISE,
        "A feature with a dimension of its own, W = √s, b = β. At s = 1 the gradient in the bias has no noise.",
        r"\operatorname{Var} g_b",
        4 * (1 - s) ** 2 * VARIANCE,
        (density, scale, bias),
        lambda v: _axis(v)[1, 1],
        DERIVED,
        kind="gradient",
        assumptions=(β > 0,),
    ),
    Formula(
        "axis-noise-weight",
        NOISE,
        "The same for the weight. At its minimum, s = 1 and β = 0, no gradient has noise: to leading order nothing "
        "spreads, and Adam's steps grow until it does.",
        r"\operatorname{Var} g_W",
        16 * s * ((1 - s) ** 2 * _x4 - 2 * (1 - s) * β * _x3 + β**2 * _x2 - ((1 - s) * _x2 - β * _x1) ** 2),
        (density, scale, bias),
        lambda v: _axis(v)[0, 0],
        DERIVED,
        kind="gradient",
        assumptions=(β > 0,),
    ),
    Formula(
        "axis-noise-weight-and-bias",
        NOISE,
        "And for the two together.",
        r"\operatorname{Cov}(g_W, g_b)",
        8 * sympy.sqrt(s) * (1 - s) * ((1 - s) * (_x3 - _x2 * _x1) - β * VARIANCE),
        (density, scale, bias),
        lambda v: _axis(v)[0, 1],
        DERIVED,
        kind="gradient",
        assumptions=(β > 0,),
    ),
    *(_pair(*row) for row in _PAIR),
)
