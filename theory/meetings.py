"""The equations of special points: several states at one place of a plane, each with conditions of its own.

A meeting is a list of pieces that share q, the last two unknowns, and have the same loss. A piece is a minimum, or a
state at its limit of stability (a fold or a kink), on request with a vanishing third derivative along the direction
that goes flat. docs/phase-transitions.md derives the equations and counts them: a meeting has as many as unknowns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .continuation import System, jacobian
from .curvature import INFINITESIMAL
from .descent import expand
from .equations import Equations
from .features import FloatArray
from .loss import ExactLoss

# Third derivatives: nodes, and their reach along the unit direction.
NODES, REACH = 9, 0.04
CORRECTIONS = 25
LONGEST_CORRECTION = 0.3
# Singular values below this fraction of the largest count as zero: freedom of the states that doesn't move q.
RANK = 1e-8
# Rounding of gradients and losses, of curvatures, and of third derivatives.
ROUNDING = {"slope": 1e-15, "curvature": 2e-15, "third": 2e-12}


@dataclass(frozen=True, eq=False)
class Piece:
    """A state of a meeting, with the unknowns that belong to it.

    Attributes:
        first: its unknowns at the first guess, shape (unknowns,).
        conditions: from rows of unknowns and of q to rows of equations.
        state: from rows of unknowns to packed parameters.
        rounding: of each equation, shape (equations,).
    """

    first: FloatArray
    conditions: Callable[[FloatArray, FloatArray], FloatArray]
    state: Callable[[FloatArray], FloatArray]
    rounding: FloatArray


def _joined(system: System) -> Callable[[FloatArray, FloatArray], FloatArray]:
    return lambda unknowns, q: system(np.concatenate([unknowns, q], axis=1))


def minimum_piece(equations: Equations, theta: FloatArray, held: FloatArray) -> Piece:
    """Return ∇L(θ) = 0, over the coordinates that aren't held."""
    free = np.isnan(held)

    def conditions(unknowns: FloatArray, q: FloatArray) -> FloatArray:
        return np.asarray(equations.slope(equations.place(unknowns, held), q)[1][:, free])

    rounding = np.full(int(free.sum()), ROUNDING["slope"])
    return Piece(theta[free], conditions, lambda unknowns: equations.place(unknowns, held), rounding)


def limit_piece(
    equations: Equations, theta: FloatArray, direction: FloatArray, held: FloatArray, frame: FloatArray, *, third: bool
) -> Piece:
    """Return the conditions of a fold, or of a kink if a free coordinate of the frame is held.

    Args:
        equations: of the plane.
        theta: first guess, shape (P,).
        direction: first guess of the flat direction, shape (P,).
        held: as `hold` returns it for a kink; the frame for a fold.
        frame: as `hold_frame` returns it.
        third: whether the third derivative along the direction vanishes as well.
    """
    free, turning = np.isnan(held), np.isnan(frame)
    on_kink = bool((free != turning).any())
    system = _joined(equations.kink(held, frame) if on_kink else equations.fold(frame))
    size = int(free.sum())

    def conditions(unknowns: FloatArray, q: FloatArray) -> FloatArray:
        values = system(unknowns, q)
        if not third:
            return values
        states, along = equations.place(unknowns[:, :size], held), equations.place(unknowns[:, size:], frame)
        slope = third_derivative(equations, states, along, q, one_sided=on_kink)
        return np.concatenate([values, slope[:, None]], axis=1)

    first = np.concatenate([theta[free], direction[turning] / np.linalg.norm(direction[turning])])
    rounding = [
        np.full(size, ROUNDING["slope"]),
        np.full(int(turning.sum()) + 1, ROUNDING["curvature"]),
        np.full(int(third), ROUNDING["third"]),
    ]
    return Piece(first, conditions, lambda y: equations.place(y[:, :size], held), np.concatenate(rounding))


def third_derivative(
    equations: Equations, theta: FloatArray, direction: FloatArray, q: FloatArray, *, one_sided: bool
) -> FloatArray:
    """Return d/dε vᵀH(θ + εv)v at ε = 0, from above where θ sits on a kink, shape (rows,).

    The loss is piecewise analytic along a line, so the derivative of the polynomial through a few values of the exact
    curvature is the derivative to rounding.

    Args:
        equations: of the plane.
        theta: states, shape (rows, P).
        direction: unit vectors v, shape (rows, P).
        q: positions, shape (rows, 2).
        one_sided: whether to look at ε > 0 only.
    """
    nodes, weights = _differentiation(one_sided)
    rows, size = theta.shape
    there = theta[:, None] + nodes[:, None] * direction[:, None]
    model = equations.model(np.repeat(q, len(nodes), axis=0))
    hessian = expand(ExactLoss(model), there.reshape(-1, size))[2].reshape(rows, len(nodes), size, size)
    curvature = np.einsum("ri,rkij,rj->rk", direction, hessian, direction)
    return np.asarray(curvature @ weights)


def _differentiation(one_sided: bool) -> tuple[FloatArray, FloatArray]:
    """Return nodes ε and the weights with which values there give the derivative at 0."""
    nodes = REACH * np.cos(np.pi * np.arange(NODES) / (NODES - 1))
    if one_sided:
        nodes = (REACH - nodes) / 2
        nodes[0] = INFINITESIMAL
    scaled = nodes / REACH
    powers = scaled[None] ** np.arange(NODES)[:, None]
    return nodes, np.asarray(np.linalg.solve(powers, np.eye(NODES)[1]) / REACH)


@dataclass(frozen=True, eq=False)
class Meeting:
    """A solution of the equations of a special point.

    Attributes:
        q: positions in the plane, shape (2,).
        states: packed parameters of each piece, shape (pieces, P).
        residual: largest residual.
        error: first-order bound on the error of each position, shape (2,): what the inverse of the Jacobian makes of
            residuals and of the rounding of the equations.
    """

    q: FloatArray
    states: FloatArray
    residual: float
    error: FloatArray


def meet(equations: Equations, pieces: Sequence[Piece], q: FloatArray) -> Meeting | None:
    """Return where pieces meet with the same loss, by Newton's method from first guesses; None if it doesn't converge.

    Args:
        equations: of the plane.
        pieces: with their first guesses.
        q: first guess of the positions, shape (2,).
    """
    cuts = np.cumsum([len(piece.first) for piece in pieces])

    def system(y: FloatArray) -> FloatArray:
        *parts, place = np.split(y, cuts, axis=1)
        values = [piece.conditions(part, place) for piece, part in zip(pieces, parts, strict=True)]
        losses = [equations.slope(piece.state(part), place)[0] for piece, part in zip(pieces, parts, strict=True)]
        gaps = [(losses[0] - other)[:, None] for other in losses[1:]]
        return np.concatenate([*values, *gaps], axis=1)

    y = np.concatenate([*(piece.first for piece in pieces), q])
    best, least, value = y, np.inf, system(y[None])[0]
    for _ in range(CORRECTIONS):
        if not np.isfinite(value).all():
            return None
        size = float(np.abs(value).max())
        if size >= least and least < 1e-9:
            break
        if size < least:
            best, least = y, size
        matrix = jacobian(system, y)
        if not np.isfinite(matrix).all():
            return None
        step = -np.linalg.lstsq(matrix, value, rcond=RANK)[0]
        step *= min(1.0, LONGEST_CORRECTION / max(float(np.linalg.norm(step)), 1e-300))
        y = y + step
        value = system(y[None])[0]
    matrix = jacobian(system, best)
    inverse = np.linalg.pinv(matrix, rcond=RANK)
    rounding = np.concatenate([*(piece.rounding for piece in pieces), np.full(len(pieces) - 1, ROUNDING["slope"])])
    error = np.abs(inverse[-2:]) @ (np.abs(system(best[None])[0]) + rounding)
    *parts, place = np.split(best[None], cuts, axis=1)
    states = np.concatenate([piece.state(part) for piece, part in zip(pieces, parts, strict=True)])
    return Meeting(place[0], states, least, np.asarray(error))
