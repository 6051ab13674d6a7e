"""The loss of one model with its derivatives in ball arithmetic, for `enclosure`.

With G = WᵀW an output's loss is E[x_i²] + E[2 R_2(z_i) − 2 x_i R_1(z_i)], z_i = b_i + Σ_j G_ij x_j, and a hidden
activation's size is E|h| = E[R_1(h) + R_1(−h)], h = Σ_j W_hj x_j. `balls` gives these and their derivatives in
(G_i·, b_i) and W_h·, pattern by pattern; the chain rule through G = WᵀW does the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, product
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx, fmpq
from numpy.typing import NDArray

from ..models import PENALTIES, FeatureAmplitudes, ToyModel
from ..numerics import exactly
from .boxes import Box, Features, Ramp, amplitude_moment, derivatives

Rationals = NDArray[Any]
DERIVATIVE_NAMES = {1: "gradient", 2: "Hessian"}


@dataclass(frozen=True)
class _Term:
    """A weighted expectation over one pattern, as a function of the slopes of its variables.

    Attributes:
        chance: the pattern's probability times the expectation's weight.
        box: the pattern's amplitudes.
        ramps: what is expected.
        variables: features whose slopes are differentiated; n stands for the offset.
        name: of the linear function, for messages.
    """

    chance: fmpq
    box: Box
    ramps: tuple[Ramp, ...]
    variables: Features
    name: str


def _fmpq(value: Fraction) -> fmpq:
    return fmpq(value.numerator, value.denominator)


class BallLoss:
    """The loss of a single model at one rational point.

    Args:
        model: a model of batch shape ().
        weights: W, `Fraction`s of shape (m, n).
        bias: b, `Fraction`s of shape (n,).

    Attributes:
        scale: Σ_i I_i E[x_i²].
    """

    def __init__(self, model: ToyModel, weights: Rationals, bias: Rationals) -> None:
        """Turn the model's parameters into rational numbers."""
        n, law = model.n_features, model.features
        self._n, self._m = n, model.n_hidden
        self._weights, self._bias, self._gram = weights, bias, weights.T @ weights
        amplitude = law.amplitude
        each = amplitude.each if isinstance(amplitude, FeatureAmplitudes) else [amplitude] * n
        self._ends = [
            (_fmpq(exactly(np.asarray(one.low)).item()), _fmpq(exactly(np.asarray(one.high)).item())) for one in each
        ]
        chances = ((active, chance.item()) for active, chance in law.patterns(n, exact=True))
        self._patterns = [(active, _fmpq(chance)) for active, chance in chances if chance != 0]
        self._only_active = model.targets == "active"
        self._importance = model.exact_importances()
        self._penalty = {name: exactly(model.exact[name]).item() for name in PENALTIES}
        squares = [amplitude_moment(ends, 2) for ends in self._ends]
        scale = [_fmpq(self._importance[i]) * squares[i] * chance for active, chance in self._patterns for i in active]
        self._scale = sum(scale, fmpq(0))
        self.scale = Fraction(int(self._scale.p), int(self._scale.q))

    def _box(self, slopes: dict[int, fmpq], offset: fmpq) -> Box:
        return Box(slopes, offset, {j: self._ends[j] for j in slopes})

    def _output_terms(self, i: int) -> Iterator[_Term]:
        """Yield I_i P(A) E[2 R_2(z_i) − 2 x_i R_1(z_i)], pattern by pattern."""
        importance = _fmpq(self._importance[i])
        for active, chance in self._patterns:
            if self._only_active and i not in active:
                continue
            box = self._box({j: _fmpq(self._gram[i, j]) for j in active}, _fmpq(self._bias[i]))
            ramps = (Ramp(2, (), 2), Ramp(-2, (i,), 1)) if i in active else (Ramp(2, (), 2),)
            yield _Term(importance * chance, box, ramps, (*active, self._n), f"output {i}")

    def _activation_terms(self, h: int, sign: int) -> Iterator[_Term]:
        """Yield λ_A P(A) E[R_1(± h)], pattern by pattern."""
        penalty = _fmpq(self._penalty["activation_penalty"])
        for active, chance in self._patterns if penalty != 0 else ():
            box = self._box({j: _fmpq(sign * self._weights[h, j]) for j in active}, fmpq(0))
            yield _Term(penalty * chance, box, (Ramp(1, (), 1),), active, f"hidden activation {h}")

    def kinks(self, order: int) -> list[str]:
        """Return where derivatives up to `order` jump, the lowest first."""
        outputs = (term for i in range(self._n) for term in self._output_terms(i))
        activations = (term for h in range(self._m) for term in self._activation_terms(h, 1))
        found: list[tuple[int, str]] = []
        for term in (*outputs, *activations):
            for place, where in term.box.kinks(term.ramps, term.variables):
                if place <= order and term.chance > 0:
                    jump = f"the {DERIVATIVE_NAMES[place]} jumps"
                    active = "{" + ", ".join(map(str, term.box.slopes)) + "}"
                    found.append((place, f"{jump} because {term.name} is 0 {where} of pattern {active}"))
        return [text for _, text in sorted(found, key=lambda kink: kink[0])]

    def evaluate(self, order: int, precision: int) -> list[Any]:
        """Return balls around the loss and its derivatives.

        Args:
            order: how many derivatives.
            precision: bits to compute with.

        Returns:
            L, and up to `order` ∂L/∂θ and ∂²L/∂θ² as object arrays of shapes (P,) and (P, P), θ being the weights row
            by row and then the biases.
        """
        with ctx.workprec(precision):
            return self._evaluate(order)

    def _evaluate(self, order: int) -> list[Any]:
        n, m = self._n, self._m
        W = [[arb(_fmpq(x)) for x in row] for row in self._weights]
        value = arb(self._scale)
        # ∂L/∂G, from which ∂L/∂W = W(Γ + Γᵀ) and the Hessian's curvature term come.
        gamma = arb_mat(n, n)
        gradient, hessian = arb_mat(1, (m + 1) * n), arb_mat((m + 1) * n, (m + 1) * n)
        for i in range(n):
            sums = _summed(self._output_terms(i), order)
            value += sums[()]
            value += self._interference(sums, i, order)
            jacobian = self._row_jacobian(W, i)
            if order > 0:
                gradient += arb_mat([[sums.get((j,), arb(0)) for j in range(n + 1)]]) * jacobian
            if order > 1:
                second = [[sums.get((min(j, k), max(j, k)), arb(0)) for k in range(n + 1)] for j in range(n + 1)]
                hessian += jacobian.transpose() * arb_mat(second) * jacobian
                for j in range(n):
                    gamma[i, j] = sums.get((j,), arb(0))
        if order > 1:
            # ∂²G_ij / ∂W_hk ∂W_hl = δ_ik δ_jl + δ_il δ_jk.
            for h, k, j in product(range(m), range(n), range(n)):
                hessian[h * n + k, h * n + j] += gamma[k, j] + gamma[j, k]
        value += self._weight_penalties(gradient, hessian, order)
        # Both halves hold the same numbers; roundings may differ.
        for p, q in combinations(range((m + 1) * n), 2):
            hessian[q, p] = hessian[p, q]
        found = [
            np.array(value, dtype=object),
            np.array(gradient.entries(), dtype=object),
            np.array(hessian.entries(), dtype=object).reshape((m + 1) * n, (m + 1) * n),
        ]
        return found[: order + 1]

    def _row_jacobian(self, W: list[list[arb]], i: int) -> arb_mat:
        """Return ∂(G_i·, b_i)/∂θ, shape (n + 1, P): ∂G_ij/∂W_hk = δ_jk W_hi + δ_ik W_hj."""
        n, m = self._n, self._m
        jacobian = arb_mat(n + 1, (m + 1) * n)
        for h, j in product(range(m), range(n)):
            jacobian[j, h * n + j] += W[h][i]
            jacobian[j, h * n + i] += W[h][j]
        jacobian[n, m * n + i] = arb(1)
        return jacobian

    def _interference(self, sums: dict[Features, arb], i: int, order: int) -> arb:
        """Return λ_I Σ_{j≠i} G_ij², adding its derivatives in G_i· to `sums`."""
        penalty = _fmpq(self._penalty["interference_penalty"])
        value = arb(0)
        for j in range(self._n) if penalty != 0 else ():
            if j != i:
                overlap = _fmpq(self._gram[i, j])
                value += arb(penalty * overlap * overlap)
                if order > 0:
                    sums[j,] = sums.get((j,), arb(0)) + arb(2 * penalty * overlap)
                if order > 1:
                    sums[j, j] = sums.get((j, j), arb(0)) + arb(2 * penalty)
        return value

    def _weight_penalties(self, gradient: arb_mat, hessian: arb_mat, order: int) -> arb:
        """Return λ_W Σ W² + λ_A E‖W x‖₁, adding derivatives in place."""
        n, value = self._n, arb(0)
        decay = _fmpq(self._penalty["weight_penalty"])
        for h, j in product(range(self._m), range(n)) if decay != 0 else ():
            w = _fmpq(self._weights[h, j])
            value += arb(decay * w * w)
            gradient[0, h * n + j] += arb(2 * decay * w)
            hessian[h * n + j, h * n + j] += arb(2 * decay)
        for h, sign in product(range(self._m), (1, -1)):
            sums = _summed(self._activation_terms(h, sign), order)
            for key, part in sums.items():
                if len(key) == 0:
                    value += part
                elif len(key) == 1:
                    gradient[0, h * n + key[0]] += sign * part
                else:
                    j, k = key
                    hessian[h * n + j, h * n + k] += part
                    if j != k:
                        hessian[h * n + k, h * n + j] += part
        return value


def _summed(terms: Iterator[_Term], order: int) -> dict[Features, arb]:
    """Return the sum of terms under (), and that of their derivatives under the features they are in."""
    total: dict[Features, arb] = {(): arb(0)}
    for term in terms:
        chance = arb(term.chance)
        for key, part in derivatives(term.box, term.ramps, term.variables, order).items():
            total[key] = total.get(key, arb(0)) + chance * part
    return total
