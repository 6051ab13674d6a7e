"""Options that several commands share, and what their words stand for. Heavy imports wait until a command needs them.

The options of training stand here once, by the names that `train` knows them by. One that isn't given isn't passed on,
so that its default is the one of `train`; help looks choices and defaults up when it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from tegum.theory.models import Amplitude, FeatureLaw

WHOLE_GRID = "a number, a list as 2,3,5, or LOW:HIGH for all in between"
GROUPED = ("correlated", "anticorrelated")
# How many features are on is fixed by the law itself.
COUNTED = ("one-hot", "k-hot")
LAWS = ("independent", *GROUPED, *COUNTED)
FAILED, INTERRUPTED = 1, 130

Features = Annotated[int, typer.Option("--features", help="Number of features n.")]
Hidden = Annotated[int, typer.Option("--hidden", help="Number of hidden dimensions m.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Seeds = Annotated[str, typer.Option(help="Number of seeds, or which, as 0,3,9 or 5:8.")]
Law = Annotated[str, typer.Option(help=f"Which features are active together: {', '.join(LAWS)}.")]
Group = Annotated[
    list[str] | None,
    typer.Option(help="Features of a correlated or anticorrelated group, from 1, as 1,2; once for each group."),
]
AmplitudeWords = Annotated[
    str, typer.Option("--amplitude", help="Size of an active feature: uniform, symmetric, constant or LOW:HIGH.")
]
Probes = Annotated[int, typer.Option(help="Places at which minima are searched for.")]
Starts = Annotated[int, typer.Option(help="Random starts at each.")]
Runs = Annotated[int, typer.Option(help="Places at which models are trained; 0 for none.")]
RunSeeds = Annotated[int, typer.Option("--seeds", help="Models trained at each.")]
RunObjective = Annotated[str, typer.Option("--objective", help="Train on the 'exact' loss or on 'sampled' inputs.")]

TRAINING: dict[str, Any] = {
    "architecture": Annotated[str | None, typer.Option(help="Model to train: {architecture}.")],
    "objective": Annotated[str | None, typer.Option(help="Train on inputs or on the exact loss: {objective}.")],
    "optimiser": Annotated[str | None, typer.Option(help="How weights follow the gradient: {optimiser}.")],
    "schedule": Annotated[str | None, typer.Option(help="Course of the learning rate: {schedule}.")],
    "steps": Annotated[int | None, typer.Option(help="Optimiser steps of each run, at most; default {steps}.")],
    "batch_size": Annotated[
        int | None, typer.Option("--batch", help="Inputs per step of the sampled objective; default {batch_size}.")
    ],
    "learning_rate": Annotated[float | None, typer.Option(help="Rate at the first step; default {learning_rate}.")],
    "momentum": Annotated[float | None, typer.Option(help="That of SGD, or β₁ of Adam; default 0.9.")],
    "weight_decay": Annotated[
        float | None,
        typer.Option(help="Decoupled decay as in AdamW, no part of the loss; default {weight_decay}."),
    ],
    "sampling": Annotated[str | None, typer.Option(help="How inputs are drawn: {sampling}.")],
    "zero_inputs": Annotated[str | None, typer.Option(help="Whether inputs x = 0 are drawn: {zero_inputs}.")],
    "initial_scale": Annotated[
        float | None, typer.Option(help="Factor on the initial weights; default {initial_scale}.")
    ],
    "tolerance": Annotated[
        float | None,
        typer.Option(help="Stop a run early at this gradient norm (exact), or relative gain in 200 steps (sampled)."),
    ],
    "dtype": Annotated[
        str | None, typer.Option(help="float32 or float64; default float32 for sampled, float64 for exact training.")
    ],
    "device": Annotated[str | None, typer.Option(help="'auto', 'cpu' or 'cuda'; default {device}.")],
}


class TrainingCommand(TyperCommand):
    """A command whose help says what `train` takes, which is looked up when help is shown: it costs loading torch."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, choices and defaults filled in."""
        words = _training_words()
        for parameter in self.params:
            text = getattr(parameter, "help", None)
            if parameter.name in TRAINING and text:
                parameter.help = text.format(**words)  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)


def _training_words() -> dict[str, str]:
    """Return choices and default of each argument of `train`, by its name."""
    from tegum.empirical.runs import ARCHITECTURES
    from tegum.empirical.training import train

    hints, words = get_type_hints(train), {}
    for name, parameter in signature(train).parameters.items():
        choices = get_args(hints[name]) if get_origin(hints[name]) is Literal else ()
        if name == "architecture":
            choices = tuple(ARCHITECTURES)
        default = str(parameter.default)
        words[name] = f"{', '.join(choices)}; default {default}" if choices else default
    return words


def with_training_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of training to a command, which gets those that were given as `options`."""

    @wraps(command)
    def run(**words: Any) -> None:
        asked = {name: words.pop(name) for name in TRAINING}
        command(**words, options=_arguments({name: value for name, value in asked.items() if value is not None}))

    own = [p for p in signature(command, eval_str=True).parameters.values() if p.name != "options"]
    added = [Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=TRAINING[name]) for name in TRAINING]
    parameters = [*(p.replace(kind=Parameter.KEYWORD_ONLY) for p in own), *added]
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run


def _arguments(given: dict[str, Any]) -> dict[str, Any]:
    """Return arguments of `train` for the options that were given."""
    if "dtype" in given:
        if given["dtype"] not in ("float32", "float64"):
            raise ValueError(f"--dtype must be float32 or float64, got {given['dtype']!r}")
        import torch

        given["dtype"] = getattr(torch, given["dtype"])
    return given


def whole_numbers(name: str, text: str) -> int | list[int]:
    """Return the whole numbers that a text stands for; one alone is no list.

    Raises:
        ValueError: if it stands for none.
    """
    try:
        if ":" in text:
            low, high = text.split(":")
            return list(range(int(low), int(high) + 1))
        values = [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"--{name} must be {WHOLE_GRID}, got {text!r}") from None
    return values if "," in text else values[0]


def law_maker(
    law: str, group: Sequence[str] | None, amplitude: str, n_features: int, active: int | None = None
) -> Callable[[Any], FeatureLaw]:
    """Return the function from densities to the input law that the options of a command stand for.

    Args:
        law: one of `LAWS`.
        group: features of each group, numbered from 1, as "1,2".
        amplitude: a name that a law knows, or LOW:HIGH.
        n_features: how many features there are; of several models, the fewest.
        active: how many are on at once, for "k-hot".

    Returns:
        A function that takes densities as `IndependentFeatures` does; "one-hot" and "k-hot" don't look at them.

    Raises:
        ValueError: if there is no such law, or options are missing, don't go with it or don't fit the features.
    """
    from tegum.theory.models import (
        AnticorrelatedFeatures,
        CorrelatedFeatures,
        IndependentFeatures,
        KHotFeatures,
        OneHotFeatures,
    )

    if law not in LAWS:
        raise ValueError(f"--law must be one of {', '.join(LAWS)}, got {law!r}")
    if (law in GROUPED) != bool(group):
        got = f"--law {law} and {len(group or ())} groups"
        raise ValueError(f"--group 1,2 goes with --law {' or '.join(GROUPED)}, and they with it: got {got}")
    if (law == "k-hot") != (active is not None):
        raise ValueError(f"--active goes with --law k-hot, and it with --active: got --law {law}, --active {active}")
    size = _amplitude(amplitude)
    if law in GROUPED:
        groups = _groups(group or (), n_features)
        kind = CorrelatedFeatures if law == "correlated" else AnticorrelatedFeatures
        return lambda density: kind(density, groups, amplitude=size)
    if law == "independent":
        return lambda density: IndependentFeatures(density, amplitude=size)
    hot = OneHotFeatures(amplitude=size) if active is None else KHotFeatures(active, amplitude=size)
    return lambda _: hot


def _groups(texts: Sequence[str], n_features: int) -> list[list[int]]:
    """Return groups of features, numbered from 0."""
    wrong = f"--group must be features from 1 to {n_features} as 1,2, each in one group only, got {', '.join(texts)}"
    try:
        groups = [[int(part) for part in text.split(",")] for text in texts]
    except ValueError:
        raise ValueError(wrong) from None
    members = [i for group in groups for i in group]
    if len(set(members)) < len(members) or not all(1 <= i <= n_features for i in members):
        raise ValueError(wrong)
    return [[i - 1 for i in group] for group in groups]


def _amplitude(text: str) -> Amplitude | str:
    if ":" not in text:
        return text
    from tegum.theory.models import Amplitude

    try:
        low, high = (float(end) for end in text.split(":"))
    except ValueError:
        raise ValueError(f"--amplitude must be uniform, symmetric, constant or LOW:HIGH, got {text!r}") from None
    return Amplitude(low, high)
