"""The critical point beside a run: where the gradient vanishes closest to it, minimum or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tegum.theory.geometry import phase
from tegum.theory.minima import GRADIENT_TOLERANCE, Landscape, invariants, smallest_curvature, snap
from tegum.theory.models import ToyModel
from tegum.theory.numerics import FloatArray, Summarised, check_kind, over_slices, reals

# A run is at a critical point up to this distance in (WᵀW, b), where a stored feature's own overlap is about 1. It is a
# convention: a run that passes a saddle this close counts as at it.
AT = 0.02
# Repetitions of the search, and coordinates that are tried as exact zeros: kinks lie there.
ROUNDS, TINY = 60, 1e-3
# Curvatures below minus this, against the largest, are negative.
NEGATIVE = 1e-7
CHUNK = 512


@dataclass(frozen=True, eq=False)
class Saddles(Summarised):
    """Critical points beside runs that aren't minima.

    Attributes:
        there: whether a run is at one, shape (K,).
        loss: of the critical point, shape (K,); NaN where there is none.
        index: how many directions go down from it: negative eigenvalues of its Hessian, at least one, shape (K,).
        phase: its label, "" where there is none.
    """

    there: NDArray[np.bool_]
    loss: FloatArray
    index: NDArray[np.int64]
    phase: list[str]


def saddles_at(model: ToyModel, weights: FloatArray, bias: FloatArray) -> Saddles:
    """Return the saddles that runs are at, by Levenberg's and Marquardt's method on the gradient's square.

    Args:
        model: batch shape (K,).
        weights: W, shape (K, n_hidden, n_features).
        bias: b, shape (K, n_features).
    """
    check_kind("model", model, ToyModel)
    weights = reals("weights", weights, (*model.batch_shape, model.n_hidden, model.n_features))
    bias = reals("bias", bias, (*model.batch_shape, model.n_features))
    landscape = Landscape(model)
    start = landscape.join(weights, bias)
    parts = over_slices(lambda s: _critical(landscape.take(s), start[s]), len(start), CHUNK)
    found = np.concatenate([part[0] for part in parts])
    norms = np.concatenate([part[1] for part in parts])
    found, norms = snap(landscape, found, norms, within=TINY)
    inside = landscape.inputs
    apart = invariants(*landscape.split(found), inside) - invariants(weights, bias, inside)
    away = np.linalg.norm(apart, axis=-1)
    there = (norms <= GRADIENT_TOLERANCE) & (away <= AT)
    losses, index = np.full(len(start), np.nan), np.zeros(len(start), dtype=np.int64)
    labels = [""] * len(start)
    rows = np.flatnonzero(there)
    if len(rows):
        here = landscape.take(rows)
        loss, _, hessians = here.expand(found[rows])
        curvature, _ = smallest_curvature(here, found[rows])
        values = np.linalg.eigvalsh(hessians)
        scale = NEGATIVE * np.abs(values).max(axis=-1)
        falls = curvature < -scale
        there[rows] = falls
        for row, value, spectrum, least, down in zip(rows, loss, values, scale, falls, strict=True):
            if down:
                losses[row], index[row] = value, max(int((spectrum < -least).sum()), 1)
                w, b = landscape.split(found[row])
                labels[row] = phase(w, b, inputs=landscape.inputs)
    return Saddles(there, losses, index, labels)


def _critical(landscape: Landscape, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return where ‖∇L‖ stops to fall, and its value there."""
    size = theta.shape[-1]
    damping = np.full(len(theta), 1e-3)
    _, gradient, hessian = landscape.expand(theta)
    norm = np.linalg.norm(gradient, axis=-1)
    for _ in range(ROUNDS):
        if (norm <= GRADIENT_TOLERANCE / 10).all():
            break
        square = hessian @ hessian
        bend = damping[:, None, None] * (np.trace(square, axis1=-2, axis2=-1)[:, None, None] / size + 1e-300)
        step = np.linalg.solve(square + bend * np.eye(size), -(hessian @ gradient[..., None]))[..., 0]
        tried = theta + step
        _, new_gradient, new_hessian = landscape.expand(tried)
        new_norm = np.linalg.norm(new_gradient, axis=-1)
        better = new_norm < norm
        theta = np.where(better[:, None], tried, theta)
        gradient = np.where(better[:, None], new_gradient, gradient)
        hessian = np.where(better[:, None, None], new_hessian, hessian)
        norm = np.where(better, new_norm, norm)
        damping = np.clip(np.where(better, damping / 10, damping * 10), 1e-14, 1e6)
    return theta, norm
