"""The expected loss to fifty digits, by code that the code under test shares nothing with.

The oracle is the loss's definition, a sum over activity patterns. Each pattern's integral is a signed sum over the
corners of a box, divided by the slopes; it is evaluated with so many digits that its cancellations leave fifty of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from itertools import chain, combinations, product
from math import ceil, comb, factorial, prod
from typing import Any

import mpmath
import numpy as np
from numpy.typing import ArrayLike

from tegum.theory import (
    Amplitude,
    AnticorrelatedFeatures,
    CorrelatedFeatures,
    FeatureLaw,
    HierarchicalFeatures,
    IndependentBlocks,
    IndependentFeatures,
    KHotFeatures,
    MixtureFeatures,
    TableFeatures,
    ToyModel,
)
from tegum.theory.numerics import FloatArray

# mpmath comes without types.
Real = Any
# Digits that the oracle keeps after its cancellations.
ORACLE_DIGITS = 50


def corner_outputs(weights: FloatArray, bias: FloatArray) -> FloatArray:
    """Return every pre-activation at every corner of the input cube [0, 1]ⁿ, shape (2^n, n)."""
    corners = np.array(list(product((0.0, 1.0), repeat=len(bias))))
    return np.asarray(corners @ (weights.T @ weights) + bias)


def _ramp(q: int, t: Real) -> Real:
    """Return R_q(t) = max(t, 0)^q / q!, with R_0(0) = 0; R_{−1} is Dirac's δ."""
    if q == -1:
        if t == 0:
            raise ValueError("δ(0): the point lies on a kink")
        return t * 0
    return t**q / factorial(q) if t > 0 else t * 0


def box_moment(
    slopes: tuple[Real, ...], powers: tuple[int, ...], offset: Real, q: int, known: dict[Any, Real] | None = None
) -> Real:
    """Return ∫ Π u_j^{α_j} R_q(offset + Σ a_j u_j) du over the unit cube.

    Integration by parts, one coordinate at a time:
    a ∫ u^α R_q(t + a u) du = R_{q+1}(t + a) − 0^α R_{q+1}(t) − α ∫ u^{α−1} R_{q+1}(t + a u) du.

    Moments of the same slopes share most of their parts: `known` holds those, at one working precision.
    """
    known = {} if known is None else known
    part = powers, offset, q
    if part in known:
        return known[part]
    if not slopes:
        found = _ramp(q, offset)
    elif slopes[0] == 0:
        found = box_moment(slopes[1:], powers[1:], offset, q, known) / (powers[0] + 1)
    else:
        slope, power = slopes[0], powers[0]
        upper = box_moment(slopes[1:], powers[1:], offset + slope, q + 1, known)
        if power == 0:
            lower = box_moment(slopes[1:], powers[1:], offset, q + 1, known)
        else:
            lower = power * box_moment(slopes, (power - 1, *powers[1:]), offset, q + 1, known)
        found = (upper - lower) / slope
    known[part] = found
    return found


def working_digits(slopes: list[Fraction], offset: Fraction, degree: int) -> int:
    """Return how many digits leave `ORACLE_DIGITS` of a moment of this degree after its cancellations."""
    sizes = [abs(slope) for slope in slopes if slope]
    if not sizes:
        return ORACLE_DIGITS
    largest = abs(offset) + sum(sizes)
    lost = float(mpmath.log10(_mpf(largest) / _mpf(min(sizes))))
    return ORACLE_DIGITS + (len(slopes) + degree) * max(1, ceil(lost))


def _mpf(value: Fraction) -> Real:
    return mpmath.mpf(value.numerator) / value.denominator


def exact_gram(weights: FloatArray) -> list[list[Fraction]]:
    """Return WᵀW without rounding."""
    columns = [[Fraction(float(x)) for x in column] for column in weights.T]
    return [[sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0)) for b in columns] for a in columns]


def pattern_chance(law: FeatureLaw, n: int, active: tuple[int, ...]) -> Real:
    """Return the probability that exactly these features are on, by the law's definition, at the working precision."""
    on = set(active)
    if isinstance(law, TableFeatures):
        return mpmath.mpf(float(law.table.get(active, 0)))
    if isinstance(law, KHotFeatures):
        return mpmath.mpf(len(on) == law.active) / comb(n, law.active)
    if isinstance(law, MixtureFeatures):
        shares = [mpmath.mpf(float(share)) for share in law.probabilities]
        each = (share * pattern_chance(one, n, active) for share, one in zip(shares, law.laws, strict=True))
        return mpmath.fsum(each)
    if isinstance(law, IndependentBlocks):
        parts = [
            pattern_chance(one, len(members), tuple(c for c, i in enumerate(members) if i in on))
            for members, one in law.parts
        ]
        return mpmath.fprod(parts)
    if isinstance(law, HierarchicalFeatures):
        chance, p = mpmath.mpf(1), [mpmath.mpf(float(p)) for p in np.broadcast_to(law.density, n)]
        for i, parent in enumerate(law.parents):
            given = p[i] if parent is None else p[i] / p[parent] if parent in on else mpmath.mpf(0)
            chance *= given if i in on else 1 - given
        return chance
    assert isinstance(law, IndependentFeatures | CorrelatedFeatures | AnticorrelatedFeatures)
    density = [mpmath.mpf(float(p)) for p in np.broadcast_to(law.density, n)]
    groups = [set(group) for group in getattr(law, "groups", ())]
    chance = mpmath.mpf(1)
    for group in [*groups, *({i} for i in range(n) if not any(i in group for group in groups))]:
        together = on & group
        if isinstance(law, AnticorrelatedFeatures):
            rest = max(1 - sum(density[i] for i in group), mpmath.mpf(0))
            chance *= rest if not together else density[min(together)] if len(together) == 1 else 0
        else:
            p = density[min(group)]
            chance *= p if together == group else 1 - p if not together else 0
    return chance


@dataclass(frozen=True)
class _Row:
    """An expectation of a signed sum, and its derivatives in (its slopes, its offset): those that aren't zero."""

    value: Real
    first: dict[int, Real] = field(default_factory=lambda: defaultdict(mpmath.mpf))
    second: dict[tuple[int, int], Real] = field(default_factory=lambda: defaultdict(mpmath.mpf))


class _Pattern:
    """Moments of z = offset + Σ a_j u_j, given that the features in `slopes` are the active ones."""

    def __init__(self, slopes: dict[int, Real], offset: Real, amplitude: Amplitude) -> None:
        """Turn amplitudes into positions v in [0, 1]: u = low + width v."""
        self.active = tuple(slopes)
        self.low, self.width = _mpf(Fraction(amplitude.low)), _mpf(Fraction(amplitude.width))
        self._slopes = tuple(slope * self.width for slope in slopes.values())
        self._offset = offset + self.low * sum(slopes.values())
        self._known: dict[Any, Real] = {}

    def moment(self, q: int, *features: int) -> Real:
        """Return E[Π u_j R_q(z)]; a feature that isn't active stands for the constant 1."""
        factors = [j for j in features if j in self.active]
        total = self._offset * 0
        for free in product((False, True), repeat=len(factors)):
            moved = [j for j, is_free in zip(factors, free, strict=True) if is_free]
            factor = self.low ** (len(factors) - len(moved)) * self.width ** len(moved)
            if factor:
                powers = tuple(moved.count(j) for j in self.active)
                total += factor * box_moment(self._slopes, powers, self._offset, q, self._known)
        return total


def _pattern_row(pattern: _Pattern, output: int, n: int, order: int) -> _Row:
    """Return E(x_i − ReLU(z_i))² and its derivatives in (G_i·, b_i), given a pattern."""
    mine, moment = output in pattern.active, pattern.moment
    # A feature n stands for the constant 1 that multiplies the bias.
    variables = (*pattern.active, n)
    value = 2 * moment(2)
    if mine:
        low, width = pattern.low, pattern.width
        value += low**2 + low * width + width**2 / 3 - 2 * moment(1, output)
    row = _Row(value)
    for j in variables if order > 0 else ():
        row.first[j] = 2 * moment(1, j) - (2 * moment(0, output, j) if mine else 0)
    for j, k in product(variables, repeat=2) if order > 1 else ():
        row.second[j, k] = 2 * moment(0, j, k) - (2 * moment(-1, output, j, k) if mine else 0)
    return row


def _size_row(pattern: _Pattern, sign: int, order: int) -> _Row:
    """Return E[R_1(sign h)] and its derivatives in the weights of h, given a pattern of the slopes sign W_h."""
    row = _Row(pattern.moment(1))
    for j in pattern.active if order > 0 else ():
        row.first[j] = sign * pattern.moment(0, j)
    for j, k in product(pattern.active, repeat=2) if order > 1 else ():
        row.second[j, k] = pattern.moment(-1, j, k)
    return row


# Activity patterns with their probabilities.
Chances = list[tuple[tuple[int, ...], Real]]


def _chances(model: ToyModel) -> Chances:
    """Return the activity patterns that can occur."""
    n = model.n_features
    patterns = chain.from_iterable(combinations(range(n), size) for size in range(n + 1))
    chances = ((active, pattern_chance(model.features, n, active)) for active in patterns)
    return [(active, chance) for active, chance in chances if chance != 0]


def _mean_row(
    chances: Chances, slopes: list[Real], offset: Real, amplitude: Amplitude, row: Callable[[_Pattern], _Row]
) -> _Row:
    """Return an expectation and its derivatives, summed over the activity patterns."""
    value, mean = mpmath.mpf(0), _Row(None)
    for active, chance in chances:
        found = row(_Pattern({j: slopes[j] for j in active}, offset, amplitude))
        value += chance * found.value
        for j, slope in found.first.items():
            mean.first[j] += chance * slope
        for pair, bend in found.second.items():
            mean.second[pair] += chance * bend
    return replace(mean, value=value)


@dataclass(frozen=True)
class Oracle:
    """The expected loss at one point, and its derivatives up to the order asked for, rounded to float64.

    Attributes:
        loss: L.
        gradient: ∂L/∂θ, θ being the weights row by row and then the biases, shape (P,).
        hessian: shape (P, P).
        digits: the loss before rounding.
    """

    loss: float
    gradient: FloatArray
    hessian: FloatArray
    digits: Real


def _digits(model: ToyModel, weights: FloatArray, bias: FloatArray, order: int) -> int:
    """Return the digits to compute with."""
    low, width = Fraction(model.features.amplitude.low), Fraction(model.features.amplitude.width)
    sums = list(zip(exact_gram(weights), map(Fraction, bias.tolist()), strict=True))
    if model.activation_penalty.any():
        sums += [([Fraction(w) for w in row], Fraction(0)) for row in weights.tolist()]
    return max(
        working_digits([a * width for a in slopes], abs(offset) + abs(low) * sum(map(abs, slopes)), 1 + order)
        for slopes, offset in sums
    )


def oracle(model: ToyModel, weights: ArrayLike, bias: ArrayLike, order: int = 0) -> Oracle:
    """Return the expected loss of a single model to fifty digits, penalties included.

    Where a ReLU's argument is zero its derivative counts as 0. Needs `order` < 2 on the kinks of the gradient.
    """
    W, b = np.asarray(weights, dtype=np.float64), np.asarray(bias, dtype=np.float64)
    n, m = model.n_features, model.n_hidden
    with mpmath.workdps(_digits(model, W, b, order)):
        w = [[mpmath.mpf(float(x)) for x in row] for row in W]
        gram = [[_mpf(x) for x in row] for row in exact_gram(W)]
        chances, amplitude, offsets = _chances(model), model.features.amplitude, [mpmath.mpf(float(x)) for x in b]
        of_output = [partial(_pattern_row, output=i, n=n, order=order) for i in range(n)]
        rows = [_mean_row(chances, gram[i], offsets[i], amplitude, of_output[i]) for i in range(n)]
        importance = [mpmath.mpf(float(x)) for x in model.importances()]
        loss = mpmath.fsum(i * row.value for i, row in zip(importance, rows, strict=True))
        exact_gradient, exact_hessian = _pull_back(w, importance, rows, order)
        loss += _penalties(model, chances, w, gram, exact_gradient, exact_hessian, order)
        size = (m + 1) * n
        gradient, hessian = np.zeros(size), np.zeros((size, size))
        if order > 0:
            gradient[:] = [float(x) for x in exact_gradient]
            hessian[:] = [[float(x) for x in row] for row in exact_hessian]
        return Oracle(float(loss), gradient, hessian, loss)


def _penalties(
    model: ToyModel,
    chances: Chances,
    w: list[list[Real]],
    gram: list[list[Real]],
    gradient: Any,
    hessian: Any,
    order: int,
) -> Real:
    """Return λ_I Σ_{i≠j} G_ij² + λ_W Σ W² + λ_A E‖Wx‖₁, adding its derivatives in the weights in place."""
    n, m = model.n_features, model.n_hidden
    names = ("interference_penalty", "weight_penalty", "activation_penalty")
    interference, decay, activation = (mpmath.mpf(float(getattr(model, name))) for name in names)
    total = interference * mpmath.fsum(gram[i][j] ** 2 for i in range(n) for j in range(n) if i != j)
    total += decay * mpmath.fsum(x**2 for row in w for x in row)
    for h, i in product(range(m), range(n)) if order > 0 else ():
        at = h * n + i
        gradient[at] += 4 * interference * mpmath.fsum(gram[i][j] * w[h][j] for j in range(n) if j != i)
        gradient[at] += 2 * decay * w[h][i]
        hessian[at][at] += 2 * decay
        for g, j in product(range(m), range(n)) if order > 1 else ():
            # ∂/∂W_gj of 4 λ Σ_{k≠i} G_ik W_hk.
            bend = gram[i][j] * (g == h) + w[g][i] * w[h][j] if j != i else 0
            if j == i:
                bend = mpmath.fsum(w[g][k] * w[h][k] for k in range(n) if k != i)
            hessian[at][g * n + j] += 4 * interference * bend
    for h, sign in product(range(m), (1, -1)) if activation else ():
        slopes, of_unit = [sign * x for x in w[h]], partial(_size_row, sign=sign, order=order)
        row = _mean_row(chances, slopes, mpmath.mpf(0), model.features.amplitude, of_unit)
        total += activation * row.value
        for j, slope in row.first.items():
            gradient[h * n + j] += activation * slope
        for (j, k), bend in row.second.items():
            hessian[h * n + j][h * n + k] += activation * bend
    return total


def _pull_back(
    w: list[list[Real]], importance: list[Real], rows: list[_Row], order: int
) -> tuple[list[Real], list[list[Real]]]:
    """Return gradient and Hessian in (W, b) from those in (G, b), by the chain rule through G_ij = Σ_h W_hi W_hj."""
    m, n = len(w), len(rows)
    size = (m + 1) * n
    zero = mpmath.mpf(0)
    gradient, hessian = [zero] * size, [[zero] * size for _ in range(size)]
    for i, row in enumerate(rows) if order > 0 else ():
        # Non-zero entries ∂(G_i·, b_i)/∂θ, by parameter.
        slopes: list[dict[int, Real]] = [{} for _ in range(size)]
        for h, k, j in product(range(m), range(n), range(n)):
            slope = (w[h][j] if k == i else 0) + (w[h][i] if k == j else 0)
            if slope:
                slopes[h * n + k][j] = slope
        slopes[m * n + i][n] = zero + 1
        for p in range(size):
            gradient[p] += importance[i] * mpmath.fsum(s * row.first[j] for j, s in slopes[p].items())
            for q in range(size) if order > 1 else ():
                terms = (s * t * row.second[j, k] for j, s in slopes[p].items() for k, t in slopes[q].items())
                hessian[p][q] += importance[i] * mpmath.fsum(terms)
        for h, j in product(range(m), range(n)) if order > 1 else ():
            # ∂²G_ij / ∂W_hi ∂W_hj = 1, and 2 where i = j: both orders of the pair add 1.
            hessian[h * n + i][h * n + j] += importance[i] * row.first[j]
            hessian[h * n + j][h * n + i] += importance[i] * row.first[j]
    return gradient, hessian


def counted_loss(overlaps: ArrayLike, bias: float, density: float) -> Real:
    """Return E(x_0 − ReLU(b + Σ_j G_0j x_j))² to thirty digits, for many features of which few have different overlaps.

    With m_c features of overlap a_c active besides the own one, the signed sum over the corners of their box depends on
    how many of each are at their high end alone.

    Args:
        overlaps: G_0·, equal ones exactly equal; the first is the output's own, none is 0.
        bias: b.
        density: of each feature, with amplitudes uniform on [0, 1].
    """
    own, *others = (float(x) for x in np.asarray(overlaps))
    sizes = {a: others.count(a) for a in dict.fromkeys(others)}
    digits = 30 + len(others) * ceil(-np.log10(min(map(abs, sizes), default=1.0)) + 1)
    with mpmath.workdps(digits + 10):
        p, a_0, b = mpmath.mpf(density), mpmath.mpf(own), mpmath.mpf(bias)
        slopes = [mpmath.mpf(a) for a in sizes]
        total = p / 3
        for on in product(*(range(size + 1) for size in sizes.values())):
            k, chance, scale = sum(on), mpmath.mpf(1), mpmath.mpf(1)
            for m, size, a in zip(on, sizes.values(), slopes, strict=True):
                chance *= comb(size, m) * p**m * (1 - p) ** (size - m)
                scale *= a**m
            for high in product(*(range(m + 1) for m in on)):
                t = b + mpmath.fsum(j * a for j, a in zip(high, slopes, strict=True))
                if max(t, t + a_0) <= 0:
                    continue
                count = (-1) ** (k - sum(high)) * prod(comb(m, j) for m, j in zip(on, high, strict=True))
                squared = (_ramp(k + 3, t + a_0) - _ramp(k + 3, t)) / a_0
                mixed = (_ramp(k + 2, t + a_0) - squared) / a_0
                total += chance * count / scale * 2 * ((1 - p) * _ramp(k + 2, t) + p * (squared - mixed))
        return total


def pattern_loss(model: ToyModel, weights: ArrayLike, bias: ArrayLike, active: tuple[int, ...]) -> float:
    """Return Σ I_i E(x_i − x'_i)², given that exactly the features in `active` are on; no penalties."""
    W, b = np.asarray(weights, dtype=np.float64), np.asarray(bias, dtype=np.float64)
    with mpmath.workdps(_digits(model, W, b, 0)):
        gram = [[_mpf(x) for x in row] for row in exact_gram(W)]
        patterns = [
            _Pattern({j: gram[i][j] for j in active}, mpmath.mpf(float(b[i])), model.features.amplitude)
            for i in range(model.n_features)
        ]
        terms = [
            mpmath.mpf(float(weight)) * _pattern_row(patterns[i], i, model.n_features, 0).value
            for i, weight in enumerate(model.importances())
        ]
        return float(mpmath.fsum(terms))
