"""Parts of an answer: one that theory doesn't cover for a model is left out by name, and the rest is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tegum.theory.models import ToyModel

T = TypeVar("T")
# What a part is called where it is left out: the same words wherever it is worked out.
ALL_MINIMA = "all minima, and which the weights are in"
NOISE = "how far noise takes weights from a minimum"
BEST_BIAS = "the best bias for these weights"
# Features up to which minima are searched for without being asked, and different models of more features than all
# copies are listed of, each of which takes a search of its own.
SEARCHED, MOST_SEARCHES = 6, 64
# Parameters up to which curvatures are those of the exact Hessian, and features that it may have.
MOST_PARAMETERS, MOST_WITH_HESSIAN = 200, 8
# Gradients that whatever goes by them needs at least.
NEEDED = 40


def worked_out(what: str, left_out: list[str], work: Callable[[], T]) -> T | None:
    """Return a part of an answer, or None and the reason in `left_out` if what it rests on doesn't cover the model.

    Args:
        what: what the part is called.
        left_out: sentences about parts that are left out.
        work: works the part out, or raises `ValueError` and says in the first clause what is covered.

    Example:
        >>> from tegum.theory import IndependentFeatures, ToyModel, local_minima
        >>> model, left_out = ToyModel(2, 1, IndependentFeatures(0.1), activation_penalty=0.1), []
        >>> worked_out("all minima", left_out, lambda: local_minima(model)) is None, left_out
        (True, ['all minima: minima are searched for without an activation penalty, got one'])
    """
    try:
        return work()
    except ValueError as error:
        # A refusal's way out is for who asked for this part alone.
        reason = f"{what}: {str(error).split('; ')[0]}"
        if reason not in left_out:
            left_out.append(reason)
        return None


def check_best_bias(model: ToyModel) -> None:
    """Raise `ValueError` for models whose best bias isn't that of each output alone, before time is spent on it."""
    model.check_plain("best_bias", "bias", "targets")
    # Inputs that are listed have none, and say so.
    _ = model.features.amplitude


def has_hessian(model: ToyModel) -> bool:
    """Return whether curvatures are those of the exact Hessian, in reasonable time."""
    return model.n_parameters <= MOST_PARAMETERS and model.n_features <= MOST_WITH_HESSIAN


def too_long(what: str, a_gradient: float, seconds: float, left_out: list[str]) -> bool:
    """Say whether something would take too long, and note it among what is left out."""
    if a_gradient * NEEDED <= seconds:
        return False
    left_out.append(
        f"{what}: a gradient takes {a_gradient:.1f} s, and at least {NEEDED} are needed, about "
        f"{a_gradient * NEEDED / 60:.0f} minutes; --full works it out"
    )
    return True
