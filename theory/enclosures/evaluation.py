"""Proven bounds for the exact loss, its gradient and its Hessian.

The float64 engines are stable, which is an argument and a test. This module gives a proof for one model at one point:
intervals that hold the true values, computed with balls (`boxes.py`) from the rational numbers that weights, biases,
densities and importances are. The precision is doubled until the intervals are as narrow as asked.
docs/enclosure.md has the formulas, what happens at kinks, and the costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..models import ToyModel
from ..numerics import Interval, Summarised, check_count, check_kind, rational
from .loss import BallLoss

FIRST_PRECISION = 128
DERIVATIVES = ("gradient", "Hessian")
# Corners of boxes, over all outputs and patterns: independent features reach it beyond ten, n 3^n.
MAX_CORNERS = 1_000_000


IntervalArray = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Enclosure(Summarised):
    """Proven intervals for the loss of one model at one point and for its derivatives.

    Attributes:
        loss: interval around L.
        gradient: `Interval`s around ∂L/∂θ, θ being the weights row by row and then the biases, shape (P,) with
            P = (n_hidden + 1) n_features; None if it wasn't asked for.
        hessian: `Interval`s around ∂²L/∂θ², shape (P, P), or None.
        precision: bits of the arithmetic that gave these intervals.
        status: "narrow"; "not narrow: …", with the reason; or "not defined: …" where a derivative that was asked
            for jumps at the point. Then loss and lower derivatives are as good as ever, and the one that jumps is
            taken with ReLU'(0) = 0, as if offsets were smaller by an infinitesimal (docs/enclosure.md).
    """

    loss: Interval
    gradient: IntervalArray | None
    hessian: IntervalArray | None
    precision: int
    status: str


def _rationals(name: str, values: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return an array of `Fraction`s, or raise `ValueError` if its shape is another."""
    try:
        if np.ma.is_masked(values):
            raise ValueError("masked entries have no value")
        given = np.asarray(values, dtype=object)
        if any(isinstance(value, (bool, np.bool_)) for value in given.flat):
            raise ValueError("truth values are no numbers")
    except (TypeError, ValueError, RuntimeError) as error:
        # Ragged lists, and tensors that can't become NumPy arrays.
        raise ValueError(f"{name} must be an array of shape {shape}: {error}") from None
    if given.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {given.shape}")
    return np.array([rational(name, value, "rational numbers") for value in given.flat], dtype=object).reshape(shape)


def _check_work(model: ToyModel) -> None:
    corners = 0
    for active, _ in model.features.patterns(model.n_features):
        corners += model.n_features * (1 if model.features.amplitude.is_constant else 2 ** len(active))
        if corners > MAX_CORNERS:
            raise ValueError(
                f"enclosures take at most {MAX_CORNERS} corners of boxes (n 3^n for n independent features), got "
                f"more for {model.n_features} features under {type(model.features).__name__}"
            )


def _intervals(balls: Any) -> IntervalArray:
    """Return the intervals that balls are, rounding nothing."""

    def interval(ball: Any) -> Interval:
        middle, radius = (Fraction(int(end.p), int(end.q)) for end in (ball.mid().fmpq(), ball.rad().fmpq()))
        return Interval(middle - radius, middle + radius)

    return np.asarray(np.frompyfunc(interval, 1, 1)(balls), dtype=object)


def _too_wide(loss: Interval, derivatives: dict[str, IntervalArray], scale: Fraction, width: Fraction) -> list[str]:
    """Return the names of what isn't as narrow as asked."""
    # Smallest possible sizes, so that the bar is met for certain.
    wide = ["loss"] if loss.width > width * (scale + max(loss.lower, Fraction(0))) else []
    for name, entries in derivatives.items():
        largest = max(max(entry.lower, -entry.upper) for entry in entries.flat)
        bar = width * (1 + max(largest, Fraction(0)))
        if any(entry.width > bar for entry in entries.flat):
            wide.append(name)
    return wide


def enclosure(
    model: ToyModel, weights: Any, bias: Any, *, order: int = 0, width: Any = 1e-15, max_precision: int = 65536
) -> Enclosure:
    """Return proven intervals for the loss of one model, and for its gradient and Hessian if asked for.

    Args:
        model: a single model, of batch shape (). Its parameters mean exactly the numbers that they are: the float 0.1
            is the binary fraction, `Fraction(1, 10)` is a tenth.
        weights: W, shape (n_hidden, n_features): floats, which mean the binary fractions that they are, int,
            `Fraction`, strings such as "1/12", or SymPy's rationals.
        bias: b, shape (n_features,), likewise.
        order: 0 for the loss, 1 for the gradient too, 2 for the Hessian too.
        width: how wide intervals may be, relative to Σ_i I_i E[x_i²] + L for the loss and to 1 + the largest entry
            for gradient and Hessian.
        max_precision: bits after which the search for narrow intervals ends.

    Returns:
        The intervals, which hold the true values whatever the status says.

    Raises:
        ValueError: if a shape doesn't fit, a number isn't rational, the model is a batch or too large, or `order`,
            `width` or `max_precision` is out of range.

    Example:
        >>> from tegum.theory import IndependentFeatures
        >>> model = ToyModel(2, 1, IndependentFeatures(Fraction(1, 2)))
        >>> proof = enclosure(model, [[1, -1]], ["1/12", "1/12"], width=1e-30)
        >>> proof.loss.contains("19079/248832"), proof.loss.midpoint, proof.status
        (True, 0.07667422196502058, 'narrow')
    """
    check_kind("model", model, ToyModel)
    if model.batch_shape != ():
        raise ValueError(f"model must be a single one, of batch shape (), got {model.batch_shape}; see ToyModel.take")
    W = _rationals("weights", weights, (model.n_hidden, model.n_features))
    b = _rationals("bias", bias, (model.n_features,))
    model.check_bias(b)
    check_count("order", order, 0, 2)
    bar = rational("width", width)
    if bar <= 0:
        raise ValueError(f"width must be positive, got {width!r}")
    check_count("max_precision", max_precision, 2)
    _check_work(model)
    return _search(BallLoss(model, W, b), int(order), bar, int(max_precision))


def _search(exact: BallLoss, order: int, width: Fraction, max_precision: int) -> Enclosure:
    """Double the precision until the intervals are narrow."""
    precision = min(FIRST_PRECISION, max_precision)
    while True:
        values = [_intervals(balls) for balls in exact.evaluate(order, precision)]
        loss: Interval = values[0].item()
        derivatives = dict(zip(DERIVATIVES, values[1:], strict=False))
        wide = _too_wide(loss, derivatives, exact.scale, width)
        if not wide or precision >= max_precision:
            break
        precision = min(2 * precision, max_precision)
    kinks = exact.kinks(order)
    status = "narrow"
    if wide:
        status = f"not narrow: {', '.join(wide)} wider than {float(width):g} at {precision} bits"
    elif kinks:
        status = f"not defined: {kinks[0]}"
    gradient, hessian = (derivatives.get(name) for name in DERIVATIVES)
    return Enclosure(loss, gradient, hessian, precision, status)
