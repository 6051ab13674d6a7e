"""Penalties on weights and hidden activations, with exact gradients and Hessians.

    λ_I Σ_{i≠j} (W_i·W_j)²  +  λ_W Σ W²  +  λ_A E‖W x‖₁

The first two are functions of the Gram matrix G = WᵀW: they enter where the reconstruction's derivatives in G do. Each
hidden activation h_k = Σ_j W_kj x_j is a signed sum like an output's pre-activation, with offset 0, and
E|h| = E[R_1(h)] + E[R_1(−h)].
"""

from __future__ import annotations

from typing import Any

from ..numerics import Array
from .moments import PatternMoments


def positive_part(moments: PatternMoments, order: int) -> tuple[Array, Array | None, Array | None]:
    """Return R_1(h) and its derivatives 1[h > 0] ũ and δ(h) ũ ũᵀ, given a pattern: an integrand of `SignedSums`."""
    value = moments.linear[-1]
    if order == 0:
        return value, None, None
    if order == 1:
        return value, moments.step, None
    assert moments.pair_step is not None
    return value, moments.step, 0 * moments.pair_step if moments.delta is None else moments.delta


def gram_penalty(xp: Any, gram: Array, interference: Array, decay: Array) -> tuple[Array, Array]:
    """Return λ_I Σ_{i≠j} G_ij² + λ_W Σ_i G_ii and its derivatives in the ordered pairs G_ij.

    Args:
        xp: array namespace.
        gram: G, shape (..., n, n).
        interference: λ_I, shape (...).
        decay: λ_W, shape (...).

    Returns:
        Shapes (...) and (..., n, n).
    """
    eye = xp.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    apart = gram * (1 - eye)
    slopes = 2 * interference[..., None, None] * apart + decay[..., None, None] * eye
    value = interference * xp.sum(apart * apart, axis=(-2, -1)) + decay * xp.sum(gram * eye, axis=(-2, -1))
    return value, slopes
