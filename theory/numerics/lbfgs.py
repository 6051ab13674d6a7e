"""L-BFGS for many models at once, each with a line search of its own, by one evaluation of all a step.

A model's direction is −H g with the inverse Hessian H that its last changes of gradient suggest (Nocedal 1980,
DOI 10.1090/S0025-5718-1980-0572855-7). Its step length is bracketed and halved until the loss has fallen enough and the
slope has become flat enough: the weak Wolfe conditions, which need no smoothness beyond the loss's own kinks (Lewis and
Overton 2013, DOI 10.1007/s10107-012-0514-2). Where the loss has fallen to its rounding, slopes decide (Hager and Zhang
2005, DOI 10.1137/030601880).

Models are the last axis: every operation runs along them, row by row, so that none depends on its neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import array_api_compat

from .arrays import Array
from .summaries import Summarised

# Pairs of changes in parameters and gradient that are remembered.
HISTORY = 8
# The share of the slope's promise that the loss has to keep, and the share of the slope that may be left.
DECREASE, FLATNESS = 1e-4, 0.9
# Length of a step along −g where nothing is known of curvatures.
FIRST_STEP = 0.1
# Rounding errors of the loss, in units of its type.
ROUNDING = 4.0


def _dot(xp: Any, a: Array, b: Array) -> Array:
    return xp.sum(a * b, axis=-2)


@dataclass(frozen=True, eq=False)
class Lbfgs(Summarised):
    """The state of R models with P parameters.

    Attributes:
        point: the best parameters so far, shape (P, R).
        gradient: there, shape (P, R).
        direction: d, shape (P, R).
        moves: the last changes of the parameters, newest first, shape (HISTORY, P, R).
        turns: those of the gradient, shape (HISTORY, P, R).
        inverses: 1 / (move · turn), 0 where there is none, shape (HISTORY, R).
        loss: at the point, shape (R,); infinite before the first evaluation.
        length: of the step that is tried next, in units of d, shape (R,).
        low: a length that is too short, shape (R,).
        high: a length that is too long, infinite where none is known, shape (R,).
    """

    point: Array
    gradient: Array
    direction: Array
    moves: Array
    turns: Array
    inverses: Array
    loss: Array
    length: Array
    low: Array
    high: Array

    @staticmethod
    def memory_size(n_parameters: int) -> int:
        """Return how many numbers `pack` needs for a model of so many parameters."""
        return 3 * n_parameters + 4 + HISTORY * (2 * n_parameters + 1)

    @classmethod
    def begin(cls, point: Array) -> Lbfgs:
        """Return the state before the first evaluation, which is that of the point itself."""
        xp = array_api_compat.array_namespace(point)
        none = xp.zeros_like(point)
        pairs = xp.stack([none] * HISTORY)
        number = xp.zeros_like(point[0])
        endless = xp.full_like(number, xp.inf)
        return cls(point, none, none, pairs, pairs, pairs[:, 0], endless, number, number, endless)

    @property
    def trial(self) -> Array:
        """The parameters to evaluate next, shape (P, R)."""
        return self.point + self.length * self.direction

    @property
    def gradient_norm(self) -> Array:
        """The size of the gradient at the point, shape (R,)."""
        xp = array_api_compat.array_namespace(self.point)
        return xp.sqrt(_dot(xp, self.gradient, self.gradient))

    def pack(self) -> Array:
        """Return all numbers in one array, shape (memory_size(P), R)."""
        xp = array_api_compat.array_namespace(self.point)
        models = self.point.shape[-1]
        return xp.concat([xp.reshape(getattr(self, field.name), (-1, models)) for field in fields(self)])

    @classmethod
    def unpack(cls, numbers: Array, n_parameters: int) -> Lbfgs:
        """Return the state that `pack` packed."""
        xp = array_api_compat.array_namespace(numbers)
        vector, pairs, each = (n_parameters,), (HISTORY, n_parameters), (HISTORY,)
        shapes = (vector, vector, vector, pairs, pairs, each, (), (), (), ())
        parts, begin = [], 0
        for shape in shapes:
            size = 1
            for extent in shape:
                size *= extent
            parts.append(xp.reshape(numbers[begin : begin + size], (*shape, numbers.shape[-1])))
            begin += size
        return cls(*parts)

    def where(self, mask: Array, other: Lbfgs) -> Lbfgs:
        """Return this state for the models of a mask, shape (R,), and the other one elsewhere."""
        xp = array_api_compat.array_namespace(self.point)
        pairs = ((getattr(self, field.name), getattr(other, field.name)) for field in fields(self))
        return Lbfgs(*(xp.where(mask, mine, theirs) for mine, theirs in pairs))

    def take(self, models: Any) -> Lbfgs:
        """Return the state of some of the models, given by an index of the last axis."""
        return Lbfgs(*(getattr(self, field.name)[..., models] for field in fields(self)))

    def advance(self, loss: Array, gradient: Array) -> Lbfgs:
        """Return the state after an evaluation.

        Args:
            loss: at the trial, shape (R,). What isn't finite counts as too much.
            gradient: there, shape (P, R).
        """
        xp = array_api_compat.array_namespace(self.point)
        epsilon = float(xp.finfo(self.point.dtype).eps)
        slope, new_slope = _dot(xp, self.gradient, self.direction), _dot(xp, gradient, self.direction)
        fallen = loss <= self.loss + DECREASE * self.length * slope
        level = loss <= self.loss + ROUNDING * epsilon * (1 + xp.abs(loss))
        enough = fallen | (level & (new_slope <= (2 * DECREASE - 1) * slope))
        accepted = enough & (new_slope >= FLATNESS * slope)
        low, high = xp.where(enough, self.length, self.low), xp.where(enough, self.high, self.length)
        length = xp.where(xp.isfinite(high), (low + high) / 2, 2 * low)
        # Nothing is left between too short and too long: rounding, or a kink. Begin again along the gradient.
        stuck = ~accepted & (high - low <= epsilon * xp.where(xp.isfinite(high), high, xp.zeros_like(high)))
        moves, turns, inverses = self._remember(xp, accepted, stuck, gradient)
        after = xp.where(accepted, gradient, self.gradient)
        direction = _direction(xp, after, moves, turns, inverses)
        fresh = accepted | stuck
        zero = xp.zeros_like(low)
        return Lbfgs(
            point=xp.where(accepted, self.trial, self.point),
            gradient=after,
            direction=xp.where(fresh, direction, self.direction),
            moves=moves,
            turns=turns,
            inverses=inverses,
            loss=xp.where(accepted, loss, self.loss),
            length=xp.where(fresh, zero + 1, length),
            low=xp.where(fresh, zero, low),
            high=xp.where(fresh, zero + xp.inf, high),
        )

    def _remember(self, xp: Any, accepted: Array, stuck: Array, gradient: Array) -> tuple[Array, Array, Array]:
        """Return the history with a new pair where one was accepted, and an empty one for models that are stuck."""
        move, turn = self.length * self.direction, gradient - self.gradient
        product, most = _dot(xp, move, turn), _dot(xp, turn, turn)
        limits = xp.finfo(self.point.dtype)
        # The first evaluation has no move.
        new = accepted & (product > float(limits.smallest_normal)) & (product > float(limits.eps) * most)
        inverse = xp.where(new, 1 / xp.where(new, product, xp.ones_like(product)), xp.zeros_like(product))
        moves = xp.where(new, xp.concat([move[None], self.moves[:-1]]), self.moves)
        turns = xp.where(new, xp.concat([turn[None], self.turns[:-1]]), self.turns)
        inverses = xp.where(new, xp.concat([inverse[None], self.inverses[:-1]]), self.inverses)
        return moves, turns, xp.where(stuck, xp.zeros_like(inverses), inverses)


def _direction(xp: Any, gradient: Array, moves: Array, turns: Array, inverses: Array) -> Array:
    """Return −H g by the two-loop recursion, shape (P, R); −g of length `FIRST_STEP` where there is no history."""
    left, shares = gradient, []
    for k in range(HISTORY):
        share = inverses[k] * _dot(xp, moves[k], left)
        left = left - share * turns[k]
        shares.append(share)
    known = inverses[0] > 0
    size = xp.sqrt(_dot(xp, gradient, gradient))
    square = _dot(xp, turns[0], turns[0])
    one = xp.ones_like(size)
    scale = xp.where(
        known,
        1 / (xp.where(known, inverses[0], one) * xp.where(known, square, one)),
        FIRST_STEP / xp.where(size > 0, size, one),
    )
    left = scale * left
    for k in reversed(range(HISTORY)):
        left = left + (shares[k] - inverses[k] * _dot(xp, turns[k], left)) * moves[k]
    return -left
