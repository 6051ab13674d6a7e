"""Folds, where a minimum meets a saddle: the equations ∇L(θ) = 0, H(θ) v = 0, ‖v‖ = 1.

They are those of G. Moore and A. Spence (1980, doi:10.1137/0717048): regular at a fold, unlike ∇L = 0 alone. What the
models depend on, a point of a plane or the parameter of a family, belongs to the unknowns.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..numerics import FloatArray, System
from .frames import placed
from .landscape import Landscape


def fold_system(landscape: Callable[[FloatArray], Landscape], held: FloatArray) -> System:
    """Return F(θ, v, q) = (∇L(θ), H(θ) v, ‖v‖² − 1) over the coordinates that aren't held.

    Args:
        landscape: of the models at rows of q, shape (rows, positions).
        held: what the other coordinates of θ are held at, NaN for those that are free (`hold`, `hold_frame`).
    """
    free = np.isnan(held)
    size = int(free.sum())

    def system(y: FloatArray) -> FloatArray:
        theta, v = placed(y[:, :size], held), y[:, size : 2 * size]
        _, gradient, hessian = landscape(y[:, 2 * size :]).expand(theta)
        flat = (hessian[:, free][:, :, free] @ v[..., None])[..., 0]
        return np.concatenate([gradient[:, free], flat, (v * v).sum(axis=-1, keepdims=True) - 1], axis=-1)

    return system
