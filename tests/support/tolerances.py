"""Tolerances by purpose and dtype, and comparisons that use them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tegum.theory import (
    ToyModel,
)
from tests.support.laws import densities

# Errors are relative to Σ I_i E[x_i²] + L (`loss_scale`) for losses, and to 1 + the largest entry otherwise.
TOLERANCES: dict[str, dict[str, float]] = {
    "loss": {"float64": 1e-12, "float32": 1e-5, "spectral": 1e-8},
    # Five to eight features.
    "loss of many": {"float64": 1e-9},
    "gradient": {"float64": 1e-10, "float32": 1e-4, "spectral": 1e-6},
    "hessian": {"float64": 1e-8, "float32": 1e-2},
    "moment": {"float64": 1e-13},
    # Moments of δ, relative to the inverse of the largest slope.
    "delta": {"float64": 1e-11},
    # One float64 computation against another that may round differently in every step.
    "rounding": {"float64": 1e-14},
    # A mathematical identity between two evaluations, each within the bar of its own.
    "law": {"float64": 1e-11},
    # Inverted Laplace transforms: losses and their derivatives.
    "spectral": {"float64": 1e-9},
    "spectral_slope": {"float64": 1e-8},
    # Central differences over `DIFFERENCE_STEP`.
    "difference": {"float64": 1e-6},
    "eigenvalue": {"float64": 1e-10},
    # A least value, found over a bias, against the same on a grid.
    "least": {"float64": 1e-9},
    # How far, relatively, a limit of stability may be off: as a zero of the one-sided Hessian, and as the place where
    # the search for the smallest curvature changes its mind.
    "stability": {"float64": 1e-6},
    "search": {"float64": 5e-3},
    # The oracle against itself: its derivatives, rounded to float64, and its loss before rounding.
    "oracle": {"float64": 1e-12, "mpf": 1e-48},
}
DIFFERENCE_STEP = 1e-5
# Distance from the kinks that a central difference needs.
KINK_MARGIN = 1e-3
# Standard errors that a sampled mean may be off.
SIGMAS = 5.0
# Share of a reported bound that may be used up. Bounds count every rounding at its worst: the largest share that was
# seen under any of the settings of `make portable` is 0.13. A larger one is a bound that has been miscounted.
USED_UP = 0.5


def tolerance(purpose: str, dtype: str = "float64") -> float:
    """Return the bar for a purpose at a precision."""
    return TOLERANCES[purpose][dtype]


def half_unit(decimals: int) -> float:
    """Return by how much a number printed with so many decimals may differ from the true one."""
    return 0.5 * 10.0**-decimals


def loss_scale(model: ToyModel, loss: float) -> float:
    """Return Σ I_i E[x_i²] + L, against which the error of a loss counts."""
    active = float((model.importances() * densities(model)).sum())
    return active * float(model.features.amplitude.second_moment) + loss


def entry_scale(expected: ArrayLike) -> float:
    """Return 1 + the largest size of an entry, against which the error of an array counts."""
    return 1 + float(np.abs(np.asarray(expected)).max())


def assert_same_loss(model: ToyModel, found: float, expected: float, purpose: str = "law", slack: float = 1.0) -> None:
    """Assert that two losses are the same for a purpose, for an engine whose bars are wider by `slack`."""
    assert abs(found - expected) <= slack * tolerance(purpose) * loss_scale(model, abs(expected)), (found, expected)


def assert_bounded(found: ArrayLike, expected: ArrayLike, error: ArrayLike, share: float = USED_UP) -> None:
    """Assert that numbers are off by no more than a share of the errors that were reported of them."""
    off = np.abs(np.asarray(found) - np.asarray(expected))
    assert (off <= share * np.asarray(error)).all(), f"off by {off}, reported were {np.asarray(error)}"


def assert_entries_close(found: Any, expected: Any, purpose: str, dtype: str = "float64") -> None:
    """Assert that two gradients or Hessians are the same for a purpose."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance(purpose, dtype) * entry_scale(expected))
