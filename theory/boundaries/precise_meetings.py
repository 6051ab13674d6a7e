"""Where minima cost the same, in many digits: for losses that float64 can't tell apart.

A minimum's loss L*(q) over a plane of models has the derivative ∂L/∂q at fixed parameters, for ∂L/∂θ = 0 there. So
only the minima themselves are followed by Newton's method with the exact Hessian, and the differences of their losses
are two equations for the two unknowns of q. All is computed with the rational numbers and balls of `BallLoss`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx
from numpy.typing import NDArray

from ..enclosures import BallLoss
from ..models import ToyModel
from ..numerics import (
    LEAST_PRECISION,
    MOST_PRECISION,
    FloatArray,
    Summarised,
    check_callable,
    check_count,
    check_kind,
    check_number,
    members,
    rationals,
    whole_numbers,
)

Rationals = NDArray[Any]
Place = tuple[Fraction, Fraction]
Models = Callable[[Fraction, Fraction], ToyModel]

PRECISION = 320
# Newton's steps; each doubles the digits.
CORRECTIONS = 60
# Share of the digits that a solution has to have.
CONVERGED = 0.6
# A step of a minimum larger than this leaves the neighbourhood in which it was looked for.
LONGEST_STEP = 0.3


@dataclass(frozen=True, eq=False)
class PreciseMinimum(Summarised):
    """A critical point at one place.

    Attributes:
        parameters: packed weights and biases as `Fraction`s, shape (P,).
        loss: L, a ball.
        slope: ∂L/∂q along both positions, shape (2,).
        residual: Euclidean norm of the gradient over the coordinates that move.
        curvature: smallest eigenvalue of the Hessian over them, rotations left out; positive at a minimum.
    """

    parameters: Rationals
    loss: Any
    slope: list[Any]
    residual: float
    curvature: float


@dataclass(frozen=True, eq=False)
class PreciseMeeting(Summarised):
    """Where minima cost the same.

    Attributes:
        x: first position.
        y: second position.
        minima: that meet.
        error: how far x and y are off, to first order, shape (2,): the inverse of the losses' slopes times what is left
            of their differences, the radii of the balls, which hold all rounding, and g²/2λ of each minimum. A bound
            under the conditions of docs/errors.md.
    """

    x: Fraction
    y: Fraction
    minima: tuple[PreciseMinimum, ...]
    error: FloatArray


def _rational(ball: Any, precision: int) -> Fraction:
    """Return a ball's midpoint rounded to `precision` binary places, so that fractions don't grow."""
    exact = ball.mid().fmpq()
    return Fraction(round(Fraction(int(exact.p), int(exact.q)) * 2**precision), 2**precision)


def _evaluate(model: ToyModel, parameters: Rationals, order: int, precision: int) -> list[Any]:
    m, n = model.n_hidden, model.n_features
    return BallLoss(model, parameters[: m * n].reshape(m, n), parameters[m * n :]).evaluate(order, precision)


def _rotations(parameters: Rationals, n_hidden: int, n_features: int) -> list[list[Any]]:
    """Return the directions in which the loss is constant: rotations of each pair of hidden dimensions."""
    weights = parameters[: n_hidden * n_features].reshape(n_hidden, n_features)
    found = []
    for h, k in combinations(range(n_hidden), 2):
        turned = np.full((n_hidden + 1, n_features), Fraction(0), dtype=object)
        turned[h], turned[k] = -weights[k], weights[h]
        found.append(turned.ravel().tolist())
    return found


def precise_minimum(
    models: Models,
    parameters: Sequence[float] | Rationals,
    place: Place,
    *,
    free: Sequence[int] | None = None,
    precision: int = PRECISION,
) -> PreciseMinimum | None:
    """Return the critical point that Newton's method finds from a first guess, in many digits.

    Args:
        models: the model at each place.
        parameters: first guess, packed: weights row by row, then biases, shape (P,).
        place: position in the plane.
        free: coordinates that move; all if None. A state on a kink holds those that are known exactly.
        precision: bits to compute with.

    Returns:
        The critical point, or None if the method doesn't converge. Whether it is a minimum isn't asked.

    Raises:
        ValueError: if an argument isn't what it has to be, or there is no model at the place or none beside it.
    """
    check_callable("models", models, 2)
    parameters = rationals("parameters", parameters)
    x, y = rationals("place", place, 2)
    place = (x, y)
    if free is not None:
        free = _checked_free(free, len(parameters))
    check_count("precision", precision, LEAST_PRECISION, MOST_PRECISION)
    model = _model_at(models, place)
    m, n = model.n_hidden, model.n_features
    theta = np.array([Fraction(value) for value in parameters], dtype=object)
    moving = list(range(len(theta))) if free is None else list(free)
    for _ in range(CORRECTIONS):
        loss, gradient, hessian = _evaluate(model, theta, 2, precision)
        with ctx.workprec(precision):
            slope = [gradient[k].mid() for k in moving]
            # Rotations are given a curvature. The gradient has no part along them, so neither has the step.
            turns = _rotations(theta, m, n) if free is None else []
            matrix = arb_mat([[hessian[j, k].mid() for k in moving] for j in moving])
            for turn in turns:
                column = arb_mat([[arb(turn[k].numerator) / turn[k].denominator] for k in moving])
                matrix += column * column.transpose()
            residual = float(np.sqrt(sum(float(g) ** 2 for g in slope)))
            if residual < 2.0 ** (-CONVERGED * precision):
                plain = np.array([[float(x) for x in row] for row in matrix.tolist()])
                curvature = float(np.linalg.eigvalsh(plain)[0])
                around = _position_slopes(models, theta, place, precision)
                return PreciseMinimum(theta, loss.item(), around, residual, curvature)
            try:
                step = matrix.solve(arb_mat([[-g] for g in slope])).entries()
            except ZeroDivisionError:
                return None
            size = max(abs(float(s)) for s in step)
            if not np.isfinite(size) or size > LONGEST_STEP:
                return None
            for k, change in zip(moving, step, strict=True):
                theta[k] += _rational(change, precision)
    return None


def _checked_free(free: Sequence[int], count: int) -> tuple[int, ...]:
    """Return which of so many coordinates move, or raise `ValueError` unless it is some of them."""
    chosen = tuple(whole_numbers("free", free, ("k",), least=0, most=count - 1).tolist())
    if not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(f"free must be one or more coordinates, each once, or None for all of them, got {free!r}")
    return chosen


def _model_at(models: Models, place: Place) -> ToyModel:
    try:
        model = models(*place)
    except ValueError as error:
        raise ValueError(f"place must be one that models have a model at: {error}") from error
    check_kind("what models return", model, ToyModel)
    return model


def _is_inside(models: Models, place: Place) -> bool:
    try:
        models(*place)
    except ValueError:
        return False
    return True


def _position_slopes(models: Models, theta: Rationals, place: Place, precision: int) -> list[Any]:
    """Return ∂L/∂q at fixed parameters by differences, one-sided where the plane ends on the other side.

    Their error only slows Newton's method down.
    """
    shift = Fraction(1, 2 ** (precision // 3))
    found = []
    for axis in range(2):
        ends = []
        for step in (shift, -shift):
            beside = (place[0] + step, place[1]) if axis == 0 else (place[0], place[1] + step)
            try:
                ends.append((step, models(*beside)))
            except ValueError:
                ends.append((Fraction(0), _model_at(models, place)))
        (far, ahead), (near, behind) = ends
        if far == near:
            raise ValueError(f"place must be one that models have models beside, got {place}")
        losses = [_evaluate(model, theta, 0, precision)[0].item() for model in (ahead, behind)]
        found.append((losses[0] - losses[1]) * (far - near).denominator / (far - near).numerator)
    return found


@dataclass(frozen=True, eq=False)
class PrecisePiece(Summarised):
    """A minimum that is followed.

    Args:
        models: the model at each place. Features that are stored on axes of their own cost nothing and may be left out.
        first: first guess of its packed parameters, shape (P,).
        free: coordinates that move; all if None (`precise_minimum`).
    """

    models: Models
    first: Sequence[Any] | Rationals
    free: Sequence[int] | None = None

    def __post_init__(self) -> None:
        """Check them, and keep the first guess exactly."""
        check_callable("models", self.models, 2)
        object.__setattr__(self, "first", rationals("first", self.first))
        if self.free is not None:
            object.__setattr__(self, "free", _checked_free(self.free, len(self.first)))


def precise_meeting(
    pieces: Sequence[PrecisePiece],
    place: Sequence[Any],
    *,
    moving: Sequence[int] = (0, 1),
    precision: int = PRECISION,
    longest: float = 0.01,
) -> PreciseMeeting | None:
    """Return where minima cost the same, by Newton's method in many digits.

    Args:
        pieces: one more than positions that move.
        place: first guess of both positions.
        moving: positions that move: both, for a triple point, or one, for a point of a coexistence curve.
        precision: bits to compute with.
        longest: longest step. Far from the solution the minima may not exist.

    Returns:
        The place, or None if the method doesn't converge. It is as far as the minima, of which more may exist, were
        followed: whether a cheaper one is known isn't asked.

    Raises:
        ValueError: if the number of pieces doesn't fit, or there is no model at the first guess.
    """
    pieces = members("pieces", pieces, PrecisePiece)
    place = tuple(rationals("place", place, 2))
    moving = whole_numbers("moving", moving, ("k",), least=0, most=1).tolist()
    check_count("precision", precision, LEAST_PRECISION, MOST_PRECISION)
    longest = check_number("longest", longest, above=0)
    if len(pieces) != len(moving) + 1:
        raise ValueError(
            f"pieces: {len(moving)} positions are determined by {len(moving) + 1} minima, got {len(pieces)}"
        )
    q = [Fraction(value) for value in place]
    first = [piece.first for piece in pieces]
    for correction in range(CORRECTIONS):
        here = (q[0], q[1])
        if correction and not all(_is_inside(piece.models, here) for piece in pieces):
            return None
        found = [
            precise_minimum(piece.models, start, here, free=piece.free, precision=precision)
            for piece, start in zip(pieces, first, strict=True)
        ]
        minima = tuple(minimum for minimum in found if minimum is not None)
        if len(minima) < len(pieces):
            return None
        first = [minimum.parameters for minimum in minima]
        with ctx.workprec(precision):
            gaps = [minimum.loss - minima[0].loss for minimum in minima[1:]]
            slopes = arb_mat([[(a.slope[k] - minima[0].slope[k]).mid() for k in moving] for a in minima[1:]])
            try:
                inverse = slopes.inv()
            except ZeroDivisionError:
                return None
            step = (inverse * arb_mat([[-gap.mid()] for gap in gaps])).entries()
            size = max(abs(float(s)) for s in step)
        if size < 2.0 ** (-CONVERGED * precision / 2):
            away = [a.residual**2 / abs(2 * a.curvature) for a in minima]
            left = [float(abs(gap).upper()) + away[0] + a for gap, a in zip(gaps, away[1:], strict=True)]
            error = np.zeros(2)
            # As `first_order` does.
            error[list(moving)] = 2 * np.abs([[float(x) for x in row] for row in inverse.tolist()]) @ left
            return PreciseMeeting(*here, minima, error)
        share = Fraction(min(1.0, longest / size))
        for k, change in zip(moving, step, strict=True):
            q[k] = Fraction(round((q[k] + share * _rational(change, precision)) * 2**precision), 2**precision)
    return None
