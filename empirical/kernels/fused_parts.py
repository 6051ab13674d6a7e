"""What all fused kernels share: an input from a random word, and the step of an optimiser.

Kernels are written in Triton, for tied models of independent features. Their random numbers are those of
`inputs/draws.py`, word for word. A step computes, with H = f₁(WX), Z = WᵀH + b, E = f₂(Z) − X and δ = I E f₂'(Z): ∂L/∂b
= 2 Σδ / B and ∂L/∂W = 2 (H δᵀ + (Wδ f₁') Xᵀ) / B for B samples.
"""

from __future__ import annotations

import triton
import triton.language as tl

# Numbers of the schedule for each step: 1 − rate · decay, rate over Adam's first correction, its second correction.
PER_STEP = tl.constexpr(3)
UNIT = tl.constexpr(2.0**-32)


@triton.jit
def amplitude(word, high, slope, size):
    """Return the input that a random word stands for; where it is below `high`, what is left is the amplitude."""
    number = word.to(tl.float32) * UNIT
    return tl.where(number < high, size + slope * number, 0.0)


@triton.jit
def moved(parameters, first, second, gradient, keep, pace, correction, momentum, beta, epsilon, adam: tl.constexpr):
    """Return parameters and moments after a step of `Rule`."""
    if adam:
        first += (1 - momentum) * (gradient - first)
        second = beta * second + (1 - beta) * gradient * gradient
        parameters = keep * parameters - pace * first / (tl.sqrt(second / correction) + epsilon)
    else:
        first = momentum * first + gradient
        parameters = keep * parameters - pace * first
    return parameters, first, second
