"""The equations of special points: several states at one place of a plane, each with conditions of its own.

A meeting is a list of pieces that share q, the last two unknowns, and have the same loss. A piece is a minimum, or a
state at its limit of stability (a fold or a kink), on request with a vanishing third derivative along the direction
that goes flat. docs/phase-transitions.md derives the equations and counts them: a meeting has as many as unknowns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..minima import CURVATURE_ROUNDING, SLOPE_ROUNDING
from ..numerics import DIFFERENCE, FloatArray, System, jacobian
from .equations import Equations
from .third_derivatives import clear_reach, differentiation, third_derivative

# Corrections at most, and without an improvement once residuals are this small: close to a tricritical point, where the
# losses that meet differ by the third power of a distance, a better place can have larger residuals on the way.
CORRECTIONS, PATIENCE, CONVERGED = 30, 4, 1e-9
LONGEST_CORRECTION = 0.3
# Singular values of a piece's own equations below this fraction of the largest are freedom that moves nothing.
RANK = 1e-8
# Conditions on q that change by less with it say nothing, and two that point the same way to this say one thing.
EMPTY, ALIGNED = 1e-7, 1e-6


@dataclass(frozen=True, eq=False)
class Piece:
    """A state of a meeting, with the unknowns that belong to it.

    Attributes:
        first: its unknowns at the first guess, shape (unknowns,).
        conditions: from rows of unknowns and of q to rows of equations.
        state: from rows of unknowns to packed parameters.
        rounding: of each equation for importances that sum up to 1, shape (equations,).
        free: which parameters its first unknowns are.
    """

    first: FloatArray
    conditions: Callable[[FloatArray, FloatArray], FloatArray]
    state: Callable[[FloatArray], FloatArray]
    rounding: FloatArray
    free: NDArray[np.int64]


def _joined(system: System) -> Callable[[FloatArray, FloatArray], FloatArray]:
    return lambda unknowns, q: system(np.concatenate([unknowns, q], axis=1))


def _joint(piece: Piece, size: int) -> System:
    return lambda y: piece.conditions(y[:, :size], y[:, size:])


def minimum_piece(equations: Equations, theta: FloatArray, held: FloatArray) -> Piece:
    """Return ∇L(θ) = 0, over the coordinates that aren't held."""
    free = np.isnan(held)

    def conditions(unknowns: FloatArray, q: FloatArray) -> FloatArray:
        return np.asarray(equations.slope(equations.place(unknowns, held), q)[1][:, free])

    rounding = np.full(int(free.sum()), SLOPE_ROUNDING)
    return Piece(
        theta[free], conditions, lambda unknowns: equations.place(unknowns, held), rounding, np.flatnonzero(free)
    )


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
    reach = clear_reach(equations, theta[None], direction[None], one_sided=on_kink)

    def conditions(unknowns: FloatArray, q: FloatArray) -> FloatArray:
        values = system(unknowns, q)
        if not third:
            return values
        states, along = equations.place(unknowns[:, :size], held), equations.place(unknowns[:, size:], frame)
        reaches = np.broadcast_to(reach, len(q))
        slope = third_derivative(equations, states, along, q, one_sided=on_kink, reach=reaches)
        return np.concatenate([values, slope[:, None]], axis=1)

    first = np.concatenate([theta[free], direction[turning] / np.linalg.norm(direction[turning])])
    rounding = [
        np.full(size, SLOPE_ROUNDING),
        np.full(int(turning.sum()) + 1, CURVATURE_ROUNDING),
        # A sum of curvatures.
        np.full(int(third), np.abs(differentiation(on_kink)[1]).sum() * CURVATURE_ROUNDING / reach[0]),
    ]
    return Piece(
        first,
        conditions,
        lambda y: equations.place(y[:, :size], held),
        np.concatenate(rounding),
        np.flatnonzero(free),
    )


@dataclass(frozen=True, eq=False)
class Meeting:
    """A solution of the equations of a special point.

    Attributes:
        q: positions in the plane, shape (2,).
        states: packed parameters of each piece, shape (pieces, P).
        residual: largest residual.
        error: how far each position is off, to first order, shape (2,): what the inverse of the Jacobian makes of
            residuals and of the rounding of the equations (docs/errors.md).
    """

    q: FloatArray
    states: FloatArray
    residual: float
    error: FloatArray


@dataclass(frozen=True, eq=False)
class _Linear:
    """What the equations say to first order: dq = −map F, where F are all equations' values."""

    value: FloatArray
    map: FloatArray
    steps: list[FloatArray]


def meet(equations: Equations, pieces: Sequence[Piece], q: FloatArray) -> Meeting | None:
    """Return where pieces meet with the same loss, by Newton's method from first guesses.

    Args:
        equations: of the plane.
        pieces: with their first guesses.
        q: first guess of the positions, shape (2,).

    Returns:
        The place, or None if the method doesn't converge, or the equations don't determine q to first order.
    """
    unknowns, place = [piece.first for piece in pieces], q
    best: tuple[list[FloatArray], FloatArray] = (unknowns, place)
    least, error, stalled = np.inf, np.full(2, np.inf), 0
    rounding = np.concatenate([*(piece.rounding for piece in pieces), np.full(len(pieces) - 1, SLOPE_ROUNDING)])
    for _ in range(CORRECTIONS):
        linear = _linear(equations, pieces, unknowns, place)
        if linear is None:
            return None
        size = float(np.abs(linear.value).max())
        stalled = 0 if size < least else stalled + 1
        if size < least:
            best, least = (unknowns, place), size
            total = max(float(equations.landscape(place[None]).model.importances().sum()), 1.0)
            # As `first_order` does.
            error = 2 * np.abs(linear.map) @ (np.abs(linear.value) + total * rounding)
            # What is left is rounding.
            stalled = PATIENCE if (np.abs(linear.value) <= total * rounding).all() else 0
        if stalled >= PATIENCE and least < CONVERGED:
            break
        *steps, step = linear.steps
        whole = float(np.sqrt(sum(float(s @ s) for s in linear.steps)))
        share = min(1.0, LONGEST_CORRECTION / max(whole, 1e-300))
        unknowns = [y + share * dy for y, dy in zip(unknowns, steps, strict=True)]
        place = place + share * step
    states = np.concatenate([piece.state(y[None]) for piece, y in zip(pieces, best[0], strict=True)])
    return Meeting(best[1], states, least, np.asarray(error))


def _linear(
    equations: Equations, pieces: Sequence[Piece], unknowns: Sequence[FloatArray], q: FloatArray
) -> _Linear | None:
    """Return the equations to first order, each piece's own unknowns eliminated; None where q isn't determined.

    What a piece says about q is what is left of its equations on the left null space of their derivatives in its own
    unknowns: nothing for a minimum, one condition for a limit of stability. Freedom of a state that moves nothing
    (a feature stored along either of two equal ones) adds empty conditions, which are left out.
    """
    count = sum(len(piece.rounding) for piece in pieces) + len(pieces) - 1
    rows, maps, values, own, solved = [], [], [], [], []
    losses, slopes, moves = [], [], []
    at = 0
    for piece, y in zip(pieces, unknowns, strict=True):
        size = len(y)
        value = piece.conditions(y[None], q[None])[0]
        matrix = jacobian(_joint(piece, size), np.concatenate([y, q]))
        if not (np.isfinite(value).all() and np.isfinite(matrix).all()):
            return None
        left, spectrum, right = np.linalg.svd(matrix[:, :size])
        rank = int((spectrum > RANK * spectrum[0]).sum())
        inverse = (right[:rank].T / spectrum[:rank]) @ left[:, :rank].T
        place = np.zeros((len(value), count))
        place[:, at : at + len(value)] = np.eye(len(value))
        for null in left[:, rank:].T:
            rows.append(null @ matrix[:, size:])
            maps.append(null @ place)
        values.append(value)
        own.append((inverse, matrix[:, size:], value))
        solved.append(inverse @ place)
        theta = piece.state(y[None])
        losses.append(float(equations.slope(theta, q[None])[0][0]))
        slope = equations.slope(theta, q[None])[1][0]
        free = np.zeros(size)
        free[: len(piece.free)] = slope[piece.free]
        moves.append(free)
        shifts = DIFFERENCE * np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
        around = equations.slope(np.repeat(theta, 4, axis=0), q + shifts)[0]
        slopes.append((around[[0, 2]] - around[[1, 3]]) / (2 * DIFFERENCE))
        at += len(value)
    for k in range(1, len(pieces)):
        row, to = slopes[0] - slopes[k], np.zeros(count)
        to[at + k - 1] = 1.0
        for number, sign in ((0, 1.0), (k, -1.0)):
            inverse, in_q, _ = own[number]
            row = row - sign * moves[number] @ inverse @ in_q
            to = to - sign * moves[number] @ solved[number]
        rows.append(row)
        maps.append(to)
    value = np.concatenate([*values, [losses[0] - loss for loss in losses[1:]]])
    norms = np.linalg.norm(rows, axis=1)
    says = norms > EMPTY
    if says.sum() < 2:
        return None
    scaled = np.array(rows)[says] / norms[says, None]
    if np.linalg.svd(scaled)[1][-1] < ALIGNED:
        return None
    to_q = np.linalg.pinv(scaled) @ (np.array(maps)[says] / norms[says, None])
    step = -to_q @ value
    steps = [-inverse @ (part + in_q @ step) for inverse, in_q, part in own]
    return _Linear(value, to_q, [*steps, step])
