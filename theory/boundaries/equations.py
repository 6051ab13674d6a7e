"""The equations of boundary curves: systems F(y) = 0 with one more unknown than equations.

The last two unknowns are always q, the positions in a plane of models (`models/planes.py`). docs/boundaries.md derives
the equations:

- coexistence of θ and θ':  ∇L(θ) = 0, ∇L(θ') = 0, L(θ) = L(θ');
- fold, where a minimum meets a saddle:  ∇L(θ) = 0, H(θ) v = 0, ‖v‖ = 1;
- kink, where the curvature of a critical point that sits on a kink vanishes on one side:  H(θ + 0v) v = 0, ‖v‖ = 1;
- corner, where a minimiser meets a kink across which the curvature jumps below zero:  ∇L(θ) = 0, b_i + G_ij = 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..geometry import phase, relabelled
from ..minima import (
    GRADIENT_TOLERANCE,
    SMALL,
    Landscape,
    descend,
    fold_system,
    one_sided_hessians,
    placed,
    smallest_curvature,
    snap,
    unpack,
)
from ..models import Plane
from ..numerics import FloatArray, Predicate, System

# A state that moves further than this within a step is another one.
JUMP = 0.25


class Equations:
    """The equations of boundaries in a plane of models, for packed parameters."""

    def __init__(self, plane: Plane) -> None:
        """Take the plane, and the sizes of its models."""
        self.plane = plane
        self.n_features, self.n_hidden = plane.n_features, plane.n_hidden
        self.size = (self.n_hidden + 1) * self.n_features

    def landscape(self, q: FloatArray) -> Landscape:
        """Return the losses of the models at rows of q."""
        return Landscape(self.plane.models(q))

    def split(self, parameters: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the weights and biases of packed parameters."""
        return unpack(parameters, self.n_hidden)

    def expand(self, parameters: FloatArray, q: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return loss, gradient and Hessian at each row."""
        return self.landscape(q).expand(parameters)

    def slope(self, parameters: FloatArray, q: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return loss and gradient at each row."""
        return self.landscape(q).losses_and_gradients(parameters)

    def settle(self, parameters: FloatArray, q: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Return where descents end, and whether each is at its start's minimum: no jump, on the same kink, convex."""
        landscape = self.landscape(q)
        ends = descend(landscape, parameters)
        settled, norms = snap(landscape, ends.parameters, ends.gradient_norm)
        kept = (norms <= GRADIENT_TOLERANCE) & (np.abs(settled - parameters).max(axis=-1) < JUMP)
        kept &= ((settled == 0) == (parameters == 0)).all(axis=-1)
        kept[kept] = smallest_curvature(landscape.take(kept), settled[kept])[0] > 0
        return settled, kept

    def signs(self) -> FloatArray:
        """Return alternating signs, a direction in which no symmetry of the features holds a state back."""
        return np.where(np.arange(self.size) % 2 == 0, 1.0, -1.0)

    def labels(self, *parameters: FloatArray) -> tuple[str, ...]:
        """Return the phase labels of rows, up to exchanges of equal features."""
        return self.representative([phase(*self.split(row)) for row in parameters])

    def representative(self, labels: Sequence[str]) -> tuple[str, ...]:
        """Return labels up to exchanges of equal features: of all copies the first in alphabetical order."""
        assert self.plane.exchanges is not None
        return min(
            tuple(sorted(relabelled(label, order) for label in labels)) for order in self.plane.exchanges.tolist()
        )

    def place(self, free: FloatArray, held: FloatArray) -> FloatArray:
        """Return packed parameters with the coordinates that are NaN in `held` taken from the rows of `free`."""
        return placed(free, held)

    def coexistence(self, first: FloatArray, second: FloatArray) -> System:
        """Return F(θ, θ', q) = (∇L(θ), ∇L(θ'), L(θ) − L(θ')) over the coordinates that aren't held (`hold`)."""
        a, b = np.isnan(first), np.isnan(second)

        def system(y: FloatArray) -> FloatArray:
            one, two, q = np.split(y, np.cumsum([a.sum(), b.sum()]), axis=1)
            both = np.concatenate([self.place(one, first), self.place(two, second)])
            loss, gradient = self.slope(both, np.concatenate([q, q]))
            rows = len(y)
            gap = (loss[:rows] - loss[rows:])[:, None]
            return np.concatenate([gradient[:rows, a], gradient[rows:, b], gap], axis=-1)

        return system

    def states(self, y: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
        """Return both states of a point on a coexistence curve, shape (2, P)."""
        cut = int(np.isnan(first).sum())
        end = cut + int(np.isnan(second).sum())
        return np.concatenate([self.place(y[None, :cut], first), self.place(y[None, cut:end], second)])

    def fold(self, frame: FloatArray) -> System:
        """Return F(θ, v, q) = (∇L(θ), H(θ) v, ‖v‖² − 1) over what the frame leaves free (`hold_frame`)."""
        return fold_system(self.landscape, frame)

    def kink(self, held: FloatArray, frame: FloatArray) -> System:
        """Return F(θ, v, q) = (∇L(θ), H(θ + 0v) v, ‖v‖² − 1) for θ on a kink, with its zeros held (`hold`).

        v is free in the coordinates that the frame leaves free (`hold_frame`).
        """
        free, turning = np.isnan(held), np.isnan(frame)

        def system(y: FloatArray) -> FloatArray:
            moving, along, q = np.split(y, np.cumsum([free.sum(), turning.sum()]), axis=1)
            theta, v = self.place(moving, held), self.place(along, frame)
            landscape = self.landscape(q)
            gradient = landscape.gradients(theta)
            flat = (one_sided_hessians(landscape, theta, v[:, None])[:, 0] @ v[..., None])[..., 0]
            unit = (v * v).sum(axis=-1, keepdims=True) - 1
            return np.concatenate([gradient[:, free], flat[:, turning], unit], axis=-1)

        return system

    def corner(self, output: int, active: int, frame: FloatArray) -> System:
        """Return F(θ, q) = (∇L(θ), c(θ)), c = z_i where feature j alone is 1 (`corners`): output i switches there."""
        free = np.isnan(frame)

        def system(y: FloatArray) -> FloatArray:
            theta = self.place(y[:, :-2], frame)
            _, gradient = self.slope(theta, y[:, -2:])
            return np.concatenate([gradient[:, free], self.corners(theta)[:, output, active, None]], axis=-1)

        return system

    @staticmethod
    def on_kink(theta: FloatArray) -> bool:
        """Whether a free coordinate is as good as zero: equations that jump there don't hold it."""
        return bool((np.abs(theta) < 10 * SMALL).any())

    def convex_but_one(self, frame: FloatArray) -> Predicate:
        """Return whether a point of a fold is off the kinks, its Hessian positive but in the flat direction."""
        free = np.isnan(frame)
        size = int(free.sum())

        def keep(y: FloatArray) -> bool:
            if self.on_kink(y[:size]):
                return False
            hessian = self.expand(self.place(y[None, :size], frame), y[None, -2:])[2][0]
            return bool(np.linalg.eigvalsh(hessian[free][:, free])[1] > 0)

        return keep

    def convex_beside(self, output: int, frame: FloatArray) -> Predicate:
        """Return whether the Hessian at a point of a corner curve is positive on one side of the corner only."""
        free = np.isnan(frame)

        def keep(y: FloatArray) -> bool:
            if self.on_kink(y[:-2]):
                return False
            theta = self.place(np.stack([y[:-2], y[:-2]]), frame)
            theta[:, self.size - self.n_features + output] += (SMALL, -SMALL)
            hessians = self.expand(theta, np.stack([y[-2:], y[-2:]]))[2]
            convex = np.linalg.eigvalsh(hessians[:, free][:, :, free])[:, 0] > 0
            return bool(convex[0] != convex[1])

        return keep

    def corners(self, parameters: FloatArray) -> FloatArray:
        """Return z_i where feature j alone is 1, and last where no feature is active, shape (rows, n, n + 1)."""
        weights, bias = self.split(parameters)
        alone = np.concatenate([weights.mT @ weights, np.zeros((*bias.shape, 1))], axis=-1)
        return np.asarray(bias[..., None] + alone)
