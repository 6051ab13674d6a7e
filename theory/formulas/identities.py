"""Closed forms beside single structures: integrals of ramps, input laws, penalties and the linear model, as records."""

from __future__ import annotations

import numpy as np
import sympy

from ..derivation import DENSITY
from ..loss import linear_loss, linear_optimum
from ..models import Amplitude, AnticorrelatedFeatures, CorrelatedFeatures, IndependentFeatures, KHotFeatures, ToyModel
from ..numerics import FloatArray
from .record import Formula, Ramp, Values, Variable, loss_at

p = DENSITY
t, a, b, low, high, x, y = sympy.symbols("t a b l h w_1 w_2")
importances = sympy.symbols("I_1:4")
q = sympy.Symbol("q", integer=True, nonnegative=True)
k, n = sympy.symbols("k n", integer=True, positive=True)

INTEGRALS, LAWS, LINEAR = "Integrals", "Input laws and penalties", "The linear model"

_density = Variable(p, "feature density $1-S$", 0.05, 1.0)
_half_density = Variable(p, "feature density $1-S$", 0.05, 0.5)
_ramp_variables = (
    Variable(q, "order of the ramp $R_q(t) = \\max(t, 0)^q / q!$", 0, 4),
    Variable(t, "offset", -2.0, 2.0),
    Variable(a, "slope", -2.0, 2.0),
)
_active = Variable(k, "features that are on", 1, 5)
_features = Variable(n, "features", 2, 5)
_derived, _integrals = "derived here, docs/derivation.md", "derived here, docs/derivation.md, equations (2) and (3)"
_proved = "derived here, docs/linear.md"

# Gauss nodes that are exact for the polynomials that ramps are between their kinks.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(4)


def _ramp_integral(v: Values, power: int) -> float:
    """Return ∫₀¹ u^power R_q(t + a u) du by Gauss quadrature on either side of the kink."""
    kink = float(np.clip(-v["t"] / v["a"], 0.0, 1.0))
    total = 0.0
    for low, high in ((0.0, kink), (kink, 1.0)):
        nodes = low + (high - low) * (_NODES + 1) / 2
        z = v["t"] + v["a"] * nodes
        ramp = np.where(z > 0, z ** v["q"], 0.0) / float(sympy.factorial(v["q"]))
        total += (high - low) / 2 * float(_WEIGHTS @ (nodes**power * ramp))
    return total


def _activation_size(v: Values) -> FloatArray:
    """Return E|h| as the difference that a penalty on it makes."""
    W, features = [[v["a"], -v["b"]]], IndependentFeatures(v["p"])
    return loss_at(features, W, [0.0, 0.0], activation_penalty=1.0) - loss_at(features, W, [0.0, 0.0])


def _two_on(features: KHotFeatures | CorrelatedFeatures | AnticorrelatedFeatures, count: int) -> float:
    return float(features.pair_densities(count)[0, 1])


INTEGRAL_FORMULAS = (
    Formula(
        "box-difference",
        INTEGRALS,
        "A ramp averaged over an amplitude is a difference of ramps.",
        r"\int_0^1 R_q(t + a u)\, du",
        (Ramp(q + 1, t + a) - Ramp(q + 1, t)) / a,
        _ramp_variables,
        lambda v: _ramp_integral(v, 0),
        _integrals,
        kind="identity",
        assumptions=(sympy.Ne(a, 0),),
    ),
    Formula(
        "weighted-box-difference",
        INTEGRALS,
        "The same, weighted with the amplitude.",
        r"\int_0^1 u R_q(t + a u)\, du",
        Ramp(q + 1, t + a) / a - (Ramp(q + 2, t + a) - Ramp(q + 2, t)) / a**2,
        _ramp_variables,
        lambda v: _ramp_integral(v, 1),
        _integrals,
        kind="identity",
        assumptions=(sympy.Ne(a, 0),),
    ),
)

LAW_FORMULAS = (
    Formula(
        "activation-size",
        LAWS,
        "The mean size of a hidden activation h = a x_1 − b x_2 of two independent features, a ≥ b.",
        r"\mathbb{E}|h|",
        p * (1 - p) * (a + b) / 2 + p**2 * (3 * a**2 - 3 * a * b + 2 * b**2) / (6 * a),
        (_density, Variable(a, "larger weight", 0.1, 2.0), Variable(b, "smaller weight", 0.1, 2.0)),
        _activation_size,
        _derived,
        kind="identity",
        assumptions=(b <= a,),
    ),
    Formula(
        "second-moment",
        LAWS,
        "With W = 0 and negative biases the loss is Σ E[x_i²]: here k of n features on, amplitudes uniform on [l, h].",
        r"\sum_i \mathbb{E}[x_i^2]",
        k * (low**2 + low * high + high**2) / 3,
        (
            _active,
            _features,
            Variable(low, "smallest amplitude", -1.0, 1.0),
            Variable(high, "largest amplitude", -1.0, 2.0),
        ),
        lambda v: loss_at(
            KHotFeatures(v["k"], amplitude=Amplitude(v["l"], v["h"])), np.zeros((1, v["n"])), -np.ones(v["n"])
        ),
        _derived,
        assumptions=(k <= n, low < high),
    ),
    Formula(
        "k-hot-density",
        LAWS,
        "k of n features on, every set with the same probability.",
        r"P(i)",
        k / n,
        (_active, _features),
        lambda v: KHotFeatures(v["k"]).densities(v["n"]),
        _derived,
        kind="identity",
        assumptions=(k <= n,),
    ),
    Formula(
        "k-hot-pair-density",
        LAWS,
        "The probability that two given features are on together, k of n on.",
        r"P(i, j)",
        k * (k - 1) / (n * (n - 1)),
        (_active, _features),
        lambda v: _two_on(KHotFeatures(v["k"]), v["n"]),
        _derived,
        kind="identity",
        assumptions=(k <= n,),
    ),
    Formula(
        "correlated-pair-density",
        LAWS,
        "Two features of a correlated group are on together whenever one is.",
        r"P(i, j)",
        p,
        (_density,),
        lambda v: _two_on(CorrelatedFeatures(v["p"], [(0, 1)]), 2),
        "arXiv:2209.10652, by definition of the law",
        kind="identity",
    ),
    Formula(
        "anticorrelated-pair-density",
        LAWS,
        "Two features of an anticorrelated group are never on together.",
        r"P(i, j)",
        sympy.Integer(0),
        (_half_density,),
        lambda v: _two_on(AnticorrelatedFeatures(v["p"], [(0, 1)]), 2),
        "arXiv:2209.10652, by definition of the law",
        kind="identity",
    ),
)

_variance = p / 3 - p**2 / 4
_weights = (Variable(x, "weight of feature 1", -1.5, 1.5), Variable(y, "weight of feature 2", -1.5, 1.5))

LINEAR_FORMULAS = (
    Formula(
        "linear-pair",
        LINEAR,
        "The linear model x' = WᵀW x of two features in one dimension, without biases.",
        "L",
        _variance * ((1 - x**2) ** 2 + (1 - y**2) ** 2 + 2 * x**2 * y**2)
        + p**2 * ((1 - x**2 - x * y) ** 2 + (1 - y**2 - x * y) ** 2) / 4,
        (_density, *_weights),
        lambda v: linear_loss(
            ToyModel(2, 1, IndependentFeatures(v["p"])), np.array([[v["w_1"], v["w_2"]]]), np.zeros(2)
        ),
        _proved,
    ),
    Formula(
        "linear-optimum",
        LINEAR,
        "The smallest loss of a linear model of three independent features in one dimension. It keeps one of them.",
        r"\min_{W, b} L",
        _variance * (sum(importances) - sympy.Max(*importances)),
        (
            _density,
            *(Variable(symbol, f"importance of feature {i}", 0.1, 3.0) for i, symbol in enumerate(importances, 1)),
        ),
        lambda v: linear_optimum(ToyModel(3, 1, IndependentFeatures(v["p"]), [v[f"I_{i}"] for i in (1, 2, 3)])).loss,
        _proved,
    ),
    Formula(
        "linear-correlated-pair",
        LINEAR,
        "Two features that are always on together are stored as their sum; the spread of their difference remains.",
        r"\min_{W, b} L",
        p / 12,
        (_density,),
        lambda v: linear_optimum(ToyModel(2, 1, CorrelatedFeatures(v["p"], [(0, 1)]))).loss,
        _proved,
    ),
)

IDENTITIES = (*INTEGRAL_FORMULAS, *LAW_FORMULAS, *LINEAR_FORMULAS)
