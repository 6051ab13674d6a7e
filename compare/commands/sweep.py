"""`tegum sweep`: a grid of models, trained into a labelled dataset on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..terminal import (
    COUNTED,
    FAILED,
    GRID,
    GROUPED,
    WHOLE_GRID,
    Json,
    ModelOptions,
    Seeds,
    TrainingOptions,
    complain,
    named,
    numbers,
    print_json,
    say,
    watched,
    whole_numbers,
    with_groups,
)

if TYPE_CHECKING:
    from tegum.empirical.sweeps import Sweep


# Models of several sizes that are told, each in a line; JSON has all.
TOLD = 8
WITHOUT_DENSITY = "sets how many features are on, and has no axis of densities: see tegum train"
COVERED = "a sweep is of models with one density and importances 1, …, 1, r (train in Python takes any batch)"


@dataclass(frozen=True)
class AxisOptions:
    """What the models of the grid are: axes, and what doesn't vary.

    Options of a single number are the same as in other commands.
    """

    source: Annotated[
        Path | None,
        typer.Option("--model", help="File that describes what doesn't vary: JSON, TOML, or any file of tegum's."),
    ] = None
    densities: Annotated[str | None, typer.Option("--densities", help=f"Axis of the feature density 1-S: {GRID}.")] = (
        None
    )
    density: Annotated[str | None, typer.Option("--density", help="The same if it doesn't vary: a number.")] = None
    importances: Annotated[
        str | None,
        typer.Option("--importances", help=f"Axis of the last feature's importance against the others: {GRID}."),
    ] = None
    importance: Annotated[
        str | None, typer.Option("--importance", help="The same if it doesn't vary: a number; default 1.")
    ] = None
    features: Annotated[
        str | None, typer.Option("--features", help=f"Axis of the number of features n: {WHOLE_GRID}; default 2.")
    ] = None
    hidden: Annotated[
        str | None,
        typer.Option("--hidden", help=f"Axis of the number of hidden dimensions m: {WHOLE_GRID}; default 1."),
    ] = None
    interference_penalty: Annotated[
        str | None,
        typer.Option("--interference-penalty", help=f"Axis of the penalty on squared overlaps, in the loss: {GRID}."),
    ] = None
    weight_penalty: Annotated[
        str | None,
        typer.Option("--weight-penalty", help=f"Axis of the penalty on squared weights, in the loss: {GRID}."),
    ] = None
    activation_penalty: Annotated[
        str | None,
        typer.Option("--activation-penalty", help=f"Axis of the penalty on hidden activations, in the loss: {GRID}."),
    ] = None
    law: Annotated[
        str | None,
        typer.Option("--law", help="Which features are active together: independent, correlated, anticorrelated."),
    ] = None
    group: Annotated[
        list[str] | None,
        typer.Option(
            "--group", help="Features of a correlated or anticorrelated group, from 1, as 1,2; once for each."
        ),
    ] = None
    amplitude: Annotated[
        str | None,
        typer.Option(
            "--amplitude",
            help="Size of an active feature: uniform, symmetric, constant or LOW:HIGH, or uniform,0:2 for each.",
        ),
    ] = None

    def arguments(self) -> dict[str, Any]:
        """Return them as `sweep` takes them.

        Raises:
            ValueError: if one can't be read, two are of the same parameter, or the model isn't one that a sweep trains.
        """
        from tegum.theory.models import CHOICES, PENALTIES

        axes = self._axes()
        plain = self._constant(axes)
        features = plain["features"]
        if features["law"] not in ("independent", *GROUPED):
            without = WITHOUT_DENSITY if features["law"] in COUNTED else f"isn't one that a sweep trains: {COVERED}"
            raise ValueError(f"--law {features['law']} {without}")
        for name, words in CHOICES.items():
            meant = next(iter(words))
            if plain.get(name, meant) != meant:
                raise ValueError(f"{COVERED}, got {name} {plain[name]!r}")
        if "density" not in features and "density" not in axes:
            raise ValueError("a sweep needs --densities, or a --density that doesn't vary, got none")
        constant = {
            "density": _one("density", features.get("density", 1)),
            "relative_importance": _last("importance", plain.get("importance", 1)),
            "n_features": plain["n_features"],
            "n_hidden": plain["n_hidden"],
            **{name: _one(name, plain.get(name, 0)) for name in PENALTIES},
        }
        return constant | axes | _law(features)

    def _axes(self) -> dict[str, Any]:
        """Return what varies, and whole numbers that needn't."""
        from tegum.theory.models import PENALTIES

        for several, one in (("densities", "density"), ("importances", "importance")):
            if getattr(self, several) is not None and getattr(self, one) is not None:
                raise ValueError(f"--{several} is an axis of what --{one} sets: leave one of the two out")
        names = {"density": "densities", "relative_importance": "importances"}
        found: dict[str, Any] = {
            name: numbers(option, getattr(self, option)) for name, option in names.items() if getattr(self, option)
        }
        for name in ("features", "hidden"):
            if (text := getattr(self, name)) is not None and isinstance(size := whole_numbers(name, text), list):
                found[f"n_{name}"] = size
        for name in PENALTIES:
            option = name.replace("_", "-")
            if (text := getattr(self, name)) is not None and isinstance(value := numbers(option, text), list):
                found[name] = value
        return found

    def _constant(self, axes: Mapping[str, Any]) -> dict[str, Any]:
        """Return the description of what doesn't vary."""
        from tegum.theory.models import PENALTIES

        for name in ("density", "importance"):
            if "," in (getattr(self, name) or ""):
                raise ValueError(
                    f"--{name} {getattr(self, name)} would be one number for each feature: {COVERED}; an axis is "
                    f"--{'densities' if name == 'density' else 'importances'}"
                )
        sizes: dict[str, Any] = {}
        for name in ("features", "hidden"):
            text = getattr(self, name)
            size = axes.get(f"n_{name}") if text is None or f"n_{name}" in axes else whole_numbers(name, text)
            # Groups have to fit the fewest.
            sizes[name] = min(size, default=0) if isinstance(size, list) else size
        single = {name: getattr(self, name) for name in PENALTIES if name not in axes}
        options = ModelOptions(
            source=self.source,
            density=self.density,
            importance=self.importance,
            law=self.law,
            group=self.group,
            amplitude=self.amplitude,
            **sizes,
            **single,
        )
        return options.described(whole=False)


def _one(name: str, value: Any) -> float:
    """Return the one number that a parameter is."""
    from fractions import Fraction

    values = value if isinstance(value, list) else [value]
    if any(isinstance(entry, list) or entry != values[0] for entry in values):
        raise ValueError(f"{COVERED}, got {name} {value}")
    return float(Fraction(values[0]))


def _last(name: str, value: Any) -> float:
    """Return r of importances 1, …, 1, r."""
    if isinstance(value, list) and any(entry != 1 for entry in value[:-1]):
        raise ValueError(f"{COVERED}, got {name} {value}")
    return _one(name, value[-1] if isinstance(value, list) else value)


def _law(features: Mapping[str, Any]) -> dict[str, Any]:
    """Return the law of a description as a function of densities; the default of `sweep` is none."""
    from tegum.theory.models import (
        AMPLITUDES,
        AnticorrelatedFeatures,
        CorrelatedFeatures,
        IndependentFeatures,
        amplitude_from_plain,
    )

    size = amplitude_from_plain(features.get("amplitude", "uniform"))
    if features["law"] in GROUPED:
        kind = CorrelatedFeatures if features["law"] == "correlated" else AnticorrelatedFeatures
        return {"law": lambda density: kind(density, features["groups"], amplitude=size)}
    if size == AMPLITUDES["uniform"]:
        return {}
    return {"law": lambda density: IndependentFeatures(density, amplitude=size)}


@with_groups
def sweep(
    axes: AxisOptions,
    out: Annotated[Path, typer.Option(help="Folder of the dataset; one that was begun is gone on with.")],
    seeds: Seeds = "8",
    workers: Annotated[int | None, typer.Option(help="Processes; default one for each core.")] = None,
    as_json: Json = False,
    *,
    training: TrainingOptions,
) -> None:
    """Train a grid of models into a labelled dataset on disk that survives interruptions."""
    if out.name in ("", ".."):
        raise ValueError(f"--out must name the folder of a dataset, got {str(out)!r}: choose another place")
    given = axes.arguments() | {"seeds": whole_numbers("seeds", seeds)}
    from tegum.empirical.sweeps import sweep
    from tegum.theory.models import ToyModel

    from ..progress import InterruptedRunError

    try:
        run = sweep(out, **given, **training.arguments(), workers=workers, progress=watched())
    except (RuntimeError, MemoryError) as error:
        complain("; ".join([str(error), *getattr(error, "__notes__", [])]))
        raise typer.Exit(FAILED) from None
    if run.status == "interrupted":
        raise InterruptedRunError(run.reason)
    models = _models(run, given)
    if as_json:
        print_json(named(models) | _summary(run, out))
        return
    for model in models[:TOLD]:
        say(ToyModel.from_plain(model).describe())
    if len(models) > TOLD:
        say(f"and {len(models) - TOLD} other sizes; --json describes all")
    say(f"{run.reason}: {run.models} models in {out}, dimensions {_dimensions(run)}.")


def _models(run: Sweep, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the descriptions of what was trained, one for each size; numbers that vary are axes of a batch.

    Args:
        run: what was trained.
        given: what `sweep` was given.
    """
    import numpy as np

    from tegum.theory.models import PENALTIES, IndependentFeatures, ToyModel

    whole = json.loads(run.dataset.attrs["model"])
    if whole is not None:
        return [whole]
    names = [name for name in ("density", "relative_importance", *PENALTIES) if isinstance(given[name], list)]
    values: dict[str, Any] = {
        name: np.array(given[name], dtype=float) for name in ("density", "relative_importance", *PENALTIES)
    }
    values |= dict(zip(names, np.ix_(*(values[name] for name in names)), strict=True))
    law, density = given.get("law", IndependentFeatures), values.pop("density")
    importance = values.pop("relative_importance")[..., None]
    sizes = [np.atleast_1d(given[name]).tolist() for name in ("n_features", "n_hidden")]
    features = law(density.reshape(-1, 1)).take((density.size,), np.arange(density.size).reshape(density.shape))
    return [
        ToyModel(
            n, m, features, np.concatenate([np.ones((*importance.shape[:-1], n - 1)), importance], axis=-1), **values
        ).to_plain()
        for n in sizes[0]
        for m in sizes[1]
    ]


def _summary(run: Sweep, out: Path) -> dict[str, Any]:
    return {
        "path": str(out),
        "status": run.status,
        "reason": run.reason,
        "models": run.models,
        "units": run.units,
        "trained_units": run.trained,
        "damaged_units": list(run.damaged),
        "dimensions": {str(name): size for name, size in run.dataset.sizes.items()},
    }


def _dimensions(run: Sweep) -> str:
    return ", ".join(f"{name} {size}" for name, size in run.dataset["weights"].sizes.items())
