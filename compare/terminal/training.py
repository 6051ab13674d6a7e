"""The options of training, by the names that `train` knows them by, and their words.

One that isn't given isn't passed on, so that its default is that of `train`; help looks choices and defaults up.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from inspect import signature
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from .given import goes_without


@dataclass(frozen=True)
class TrainingOptions:
    """How to train. Braces in the help stand for the choices and default of what they name."""

    architecture: Annotated[str | None, typer.Option(help="Model to train: {architecture}.")] = None
    objective: Annotated[str | None, typer.Option(help="Train on inputs or on the exact loss: {objective}.")] = None
    optimiser: Annotated[str | None, typer.Option(help="How weights follow the gradient: {optimiser}.")] = None
    schedule: Annotated[str | None, typer.Option(help="Course of the learning rate: {schedule}.")] = None
    steps: Annotated[int | None, typer.Option(help="Optimiser steps of each run, at most; default {steps}.")] = None
    batch_size: Annotated[
        int | None, typer.Option("--batch", help="Inputs per step of the sampled objective; default {batch_size}.")
    ] = None
    learning_rate: Annotated[float | None, typer.Option(help="Rate at the first step; default {learning_rate}.")] = None
    momentum: Annotated[float | None, typer.Option(help="That of SGD, or β₁ of Adam; default 0.9.")] = None
    weight_decay: Annotated[
        float | None,
        typer.Option(help="Decoupled decay as in AdamW, no part of the loss; may be negative; default {weight_decay}."),
    ] = None
    sampling: Annotated[str | None, typer.Option(help="How inputs are drawn: {sampling}.")] = None
    zero_inputs: Annotated[str | None, typer.Option(help="Whether inputs x = 0 are drawn: {zero_inputs}.")] = None
    initial_scale: Annotated[
        float | None, typer.Option(help="Factor on the initial weights; default {initial_scale}.")
    ] = None
    tolerance: Annotated[
        float | None,
        typer.Option(help="Stop a run early at this gradient norm (exact), or relative gain in 200 steps (sampled)."),
    ] = None
    dtype: Annotated[
        str | None, typer.Option(help="float32 or float64; default float32 for sampled, float64 for exact training.")
    ] = None
    device: Annotated[str | None, typer.Option(help="'auto', 'cpu' or 'cuda'; default {device}.")] = None

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of `train` for what was given.

        Raises:
            ValueError: if an option is out of range.
        """
        given = {name: value for name, value in vars(self).items() if value is not None}
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"--steps must be at least 1, got {self.steps}, with which nothing would be trained")
        if self.objective == "exact":
            goes_without("--objective exact, which draws no inputs,", ("batch_size", "sampling", "zero_inputs"))
        if "dtype" in given:
            if given["dtype"] not in ("float32", "float64"):
                raise ValueError(f"--dtype must be float32 or float64, got {given['dtype']!r}")
            import torch

            given["dtype"] = getattr(torch, given["dtype"])
        groups = {}
        for name, (kind, members) in _records().items():
            own = {member: given.pop(member) for member in members if member in given}
            if own:
                groups[name] = kind(**own)
        return given | groups


def _records() -> dict[str, tuple[Any, list[str]]]:
    """Return the groups of arguments of `train`, with the names of their fields."""
    from tegum.empirical.runs import Optimisation, Sampling

    kinds: dict[str, Any] = {"optimisation": Optimisation, "sampling": Sampling}
    return {name: (kind, [field.name for field in fields(kind)]) for name, kind in kinds.items()}


def words() -> dict[str, str]:
    """Return choices and default of each option of training, by its name."""
    from tegum.empirical.runs import ARCHITECTURES, LEARNING_RATE
    from tegum.empirical.training import train

    found = {}
    for taker in (train, *(kind for kind, _ in _records().values())):
        hints = get_type_hints(taker)
        for name, parameter in signature(taker).parameters.items():
            choices = get_args(hints[name]) if get_origin(hints[name]) is Literal else ()
            default = str(parameter.default)
            found[name] = f"{', '.join(choices)}; default {default}" if choices else default
    found["architecture"] = f"{', '.join(ARCHITECTURES)}; default {found['architecture']}"
    return found | {"learning_rate": str(LEARNING_RATE)}
