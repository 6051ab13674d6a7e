"""Branches: critical points followed along a family of models, through folds, with their stability at every point.

The unknowns are (W, b) and x = log t, the equations ∇L = 0: with one more unknown than equations, a curve. All branches
are followed at once, each by steps of its own along its tangent and Newton corrections with the exact Hessian
(pseudo-arclength continuation: E. L. Allgower and K. Georg, Numerical Continuation Methods, chapter 6,
doi:10.1007/978-3-642-61257-2). Coordinates that are exactly zero in the frame of the first point (`minima/frames.py`),
which uses up the rotations of the hidden space, stay zero. docs/deformation.md has the mathematics.

`numerics/continuation.py` follows curves too, but not these: it takes any equations, one curve at a time, with two
positions in a box, Jacobians by differences and Broyden's corrections. Here each step is one batch of exact Hessians
over all branches, there is one parameter, whose turns take steps of their own, and saddles are followed as far as
they fall along one direction only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..minima import CriticalPoint, Landscape, hold, pack, smallest_curvature
from ..models import Family
from ..numerics import (
    HOPS,
    MOST_STEPS,
    RESIDUAL,
    SMALLEST_STEP,
    STRAIGHT,
    FloatArray,
    Summarised,
    check_count,
    check_kind,
    check_number,
    check_shape,
    members,
    reals,
)
from .equations import Curve, loss_slope, tangents

# Longest step in (W, b, log t), and most steps each way.
STEP, MOST = 0.05, 600
# A correction may move a point by this many times its step.
FARTHEST = 2.0
# A saddle with more falling directions than this isn't followed on, nor a branch that has turned more often in t.
FALLING, TURNS = 1, 2
# Longest step across a turn in t.
TURNING = 4e-3
# Coordinates of a critical point below this are zero.
ZERO = 1e-9


@dataclass(frozen=True, eq=False)
class Branch(Summarised):
    """A curve of critical points along a family, in order.

    Attributes:
        family: that it belongs to.
        parameter: t, shape (points,).
        weights: W, shape (points, m, n), all in one frame.
        bias: b, shape (points, n).
        loss: L, shape (points,).
        slope: dL/d log t, shape (points,); by the envelope theorem it is that of L at fixed (W, b).
        residual: size of the gradient, shape (points,).
        curvature: smallest second derivative along any unit direction, rotations left out and kinks one-sided, shape
            (points,).
        held: 0 for coordinates of (W, b) that the structure holds at zero, NaN for the others, shape (P,).
        ends: why the branch stops at its first and last point: "edge" of the range, "stopped" where it would go on as
            a saddle that falls along several directions, "turned" too often in t, "lost" or "budget".
    """

    family: Family
    parameter: FloatArray
    weights: FloatArray
    bias: FloatArray
    loss: FloatArray
    slope: FloatArray
    residual: FloatArray
    curvature: FloatArray
    held: FloatArray
    ends: tuple[str, str]

    @property
    def stable(self) -> NDArray[np.bool_]:
        """Whether each point is a strict minimum, shape (points,)."""
        return np.asarray(self.curvature > 0)

    @property
    def position(self) -> FloatArray:
        """The logarithm of t, shape (points,)."""
        return np.asarray(np.log(self.parameter))

    def states(self) -> FloatArray:
        """Return packed parameters, shape (points, P)."""
        return pack(self.weights, self.bias)

    def pieces(self) -> list[NDArray[np.int64]]:
        """Return the runs of stable points along which t goes one way, in the order of the branch."""
        x, runs = self.position, []
        run: list[int] = []
        for k in range(len(x)):
            turned = len(run) > 1 and (x[k] - x[run[-1]]) * (x[run[-1]] - x[run[-2]]) <= 0
            if run and (turned or not self.stable[k]):
                runs.append(run)
                run = []
            if self.stable[k]:
                run.append(k)
        runs.append(run)
        return [np.array(r) for r in runs if len(r) > 1]


@dataclass(frozen=True, eq=False)
class _Attempt:
    """One step each of several branches: where it leads, the tangent there, and what is to be said about it."""

    y: FloatArray
    ahead: FloatArray
    good: NDArray[np.bool_]
    on_edge: NDArray[np.bool_]
    turned: NDArray[np.bool_]
    falling: NDArray[np.bool_]


def _attempt(
    curve: Curve, old: FloatArray, along: FloatArray, length: FloatArray, hopping: NDArray[np.bool_]
) -> _Attempt:
    """Try a step of each branch along its tangent; a hop may land past a kink, where the tangent is another one."""
    low, high = np.log([curve.family.low, curve.family.high])
    guess = old + length[:, None] * along
    # The last step lands on the edge.
    on_edge = (guess[:, -1] < low) | (guess[:, -1] > high)
    to_edge = (np.clip(guess[:, -1], low, high) - old[:, -1]) / np.where(on_edge, along[:, -1], 1)
    guess = old + np.where(on_edge, to_edge, length)[:, None] * along
    row = np.where(on_edge[:, None], np.eye(guess.shape[1])[-1], along)
    y, residual, matrix = curve.correct(guess, row)
    ahead = tangents(matrix, along)
    turned = ahead[:, -1] * along[:, -1] < 0
    good = (residual < RESIDUAL) & (np.linalg.norm(y - guess, axis=-1) <= FARTHEST * length)
    good &= ((y - old) * along).sum(-1) > 0
    good &= on_edge | ((y[:, -1] >= low) & (y[:, -1] <= high))
    good &= hopping | (((ahead * along).sum(-1) > STRAIGHT) & (~turned | (length <= TURNING)))
    falling = (np.linalg.eigvalsh(matrix[:, :, :-1]) < 0).sum(axis=-1) > FALLING
    return _Attempt(y, ahead, good, on_edge, turned, falling)


@dataclass(eq=False)
class _Walk:
    """One way along a branch: its points so far, and why it stopped; empty as long as it goes on."""

    here: FloatArray
    tangent: FloatArray
    length: float
    points: list[FloatArray] = field(default_factory=list)
    end: str = ""
    turns: int = 0
    # Number of the hop over a kink that is tried, 0 for a plain step.
    hop: int = 0

    def accept(self, y: FloatArray, ahead: FloatArray, step: float) -> None:
        """Go on from a point."""
        self.points.append(y)
        self.turns += int(ahead[-1] * self.tangent[-1] < 0)
        self.here, self.tangent = y, ahead
        self.length = HOPS[0] if self.hop else min(1.5 * self.length, step)
        self.hop = 0

    def refuse(self) -> None:
        """Try a shorter step, or when there is none a hop over the kink that must be the reason, or a longer one."""
        if self.hop == len(HOPS):
            self.end = "lost"
        elif self.hop:
            self.hop += 1
        else:
            self.length /= 2
            self.hop = int(self.length < SMALLEST_STEP)


def _walk(curve: Curve, start: FloatArray, tangent: FloatArray, step: float, most: int) -> list[_Walk]:
    """Follow branches from rows of `start` along `tangent` until each has ended."""
    low, high = np.log([curve.family.low, curve.family.high])
    walks = [_Walk(y, along, step / 4) for y, along in zip(start, tangent, strict=True)]
    for walk in walks:
        x, rise = walk.here[-1], walk.tangent[-1]
        if (x <= low and rise < 0) or (x >= high and rise > 0):
            walk.end = "edge"
    for _ in range(most):
        going = np.array([k for k, walk in enumerate(walks) if not walk.end], dtype=np.int64)
        if not len(going):
            break
        hops = np.array([walks[k].hop for k in going])
        lengths = np.where(hops > 0, np.array([0.0, *HOPS])[hops], [walks[k].length for k in going])
        old, along = (np.array([getattr(walks[k], name) for k in going]) for name in ("here", "tangent"))
        tried = _attempt(curve.take(going), old, along, lengths, hops > 0)
        for place, k in enumerate(going):
            walk = walks[k]
            if not tried.good[place]:
                walk.refuse()
                continue
            walk.accept(tried.y[place], tried.ahead[place], step)
            if tried.falling[place]:
                walk.end = "stopped"
            elif tried.on_edge[place]:
                walk.end = "edge"
            elif walk.turns > TURNS:
                walk.end = "turned"
    for walk in walks:
        walk.end = walk.end or "budget"
    return walks


def follow_branches(
    family: Family,
    points: Sequence[CriticalPoint],
    parameters: Sequence[float],
    *,
    step: float = STEP,
    most: int = MOST,
) -> tuple[Branch, ...]:
    """Follow critical points along a family, both ways.

    Args:
        family: of models.
        points: critical points, in frames and with exact zeros as `local_minima` and `random_minima` return them.
        parameters: t of each, within the family's range.
        step: longest step in (W, b, log t).
        most: steps tried each way.

    Raises:
        ValueError: if a t is out of range, or a point isn't critical there.
    """
    check_kind("family", family, Family)
    points = members("points", points, CriticalPoint)
    parameters = reals("parameters", parameters, (len(points),), above=0).tolist()
    step = check_number("step", step, above=0)
    check_count("most", most, 1, MOST_STEPS)
    if not points:
        return ()
    size = (family.n_hidden + 1) * family.n_features
    for point in points:
        check_shape("points, as packed parameters,", point.parameters.shape, (size,))
    y = np.array([[*q.parameters, np.log(t)] for q, t in zip(points, parameters, strict=True)])
    for t in parameters:
        if not family.low * (1 - 1e-12) <= t <= family.high * (1 + 1e-12):
            raise ValueError(
                f"parameters must lie in {family.low} to {family.high}, as {family.parameter} does, got {t}"
            )
    held = np.array([hold(theta) for theta in y[:, :-1]])
    _, gradient, _ = Landscape(family.models(y[:, -1])).expand(y[:, :-1])
    worst = np.linalg.norm(gradient, axis=-1).max()
    if worst > 1e-9:
        raise ValueError(f"points must be critical, got one with a gradient of {worst:.1e}")
    curve = Curve(family, held)
    _, matrix = curve.linear(y)
    forwards = tangents(matrix, np.broadcast_to(np.eye(y.shape[1])[-1], y.shape))
    twice = curve.take(np.tile(np.arange(len(y)), 2))
    walks = _walk(twice, np.concatenate([y, y]), np.concatenate([forwards, -forwards]), step, most)
    branches = []
    for k in range(len(y)):
        ahead, behind = walks[k], walks[len(y) + k]
        curve_points = np.array([*behind.points[::-1], y[k], *ahead.points])
        branches.append(judged(family, curve_points, held[k], (behind.end, ahead.end)))
    return tuple(branches)


def judged(family: Family, y: FloatArray, held: FloatArray, ends: tuple[str, str]) -> Branch:
    """Return the record of critical points along a family: losses, gradients and curvatures by the exact engine.

    Args:
        family: of models.
        y: (W, b, log t) of each point, shape (points, P + 1).
        held: as `Branch.held`.
        ends: as `Branch.ends`.
    """
    states, logarithm = y[:, :-1], y[:, -1]
    landscape = Landscape(family.models(logarithm))
    weights, bias = landscape.split(states)
    loss, gradient = landscape.losses_and_gradients(states)
    return Branch(
        family=family,
        parameter=np.clip(np.exp(logarithm), family.low, family.high),
        weights=weights,
        bias=bias,
        loss=loss,
        slope=loss_slope(family, states, logarithm),
        residual=np.linalg.norm(gradient, axis=-1),
        curvature=curvatures(landscape, states)[0],
        held=held,
        ends=ends,
    )


def curvatures(landscape: Landscape, states: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return `smallest_curvature` with coordinates that rounding keeps from zero set there, where kinks lie.

    Args:
        landscape: batch shape (K,).
        states: packed parameters, shape (K, P).
    """
    return smallest_curvature(landscape, np.where(np.abs(states) < ZERO, 0.0, states))
