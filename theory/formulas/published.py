"""The losses that were published for the candidates of two features in one dimension (`published_candidates`)."""

from __future__ import annotations

from dataclasses import dataclass

import sympy

from ..derivation import DENSITY, RELATIVE_IMPORTANCE, Expression
from ..geometry import published_candidates
from ..numerics import Summarised


@dataclass(frozen=True)
class PublishedLoss(Summarised):
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


def _published(phase: str, loss: Expression, remark: str = "", r: Expression = RELATIVE_IMPORTANCE) -> PublishedLoss:
    """Return what was published for the candidate that stands for a phase."""
    (candidate,) = (one for one in published_candidates(2, 1) if one.phase == phase)
    weights = tuple(tuple(map(sympy.Rational, row)) for row in candidate.weights.tolist())
    bias = tuple(DENSITY * sympy.Rational(share) for share in candidate.bias_per_density.tolist())
    return PublishedLoss(f"{phase}{remark}", weights, bias, loss, r)


_DROPPED = DENSITY / 3 - DENSITY**2 / 4
# Of two features in one dimension.
PUBLISHED_LOSSES = (
    _published("drop(1) + axis(2)", _DROPPED),
    _published("axis(1) + drop(2)", RELATIVE_IMPORTANCE * _DROPPED),
    _published("digon(1,2)", (1 + RELATIVE_IMPORTANCE) * DENSITY**2 / 6),
    _published("digon(1,2)", DENSITY**2 / 3, ", equal importance", sympy.Integer(1)),
)
