"""What a sweep was asked to do, as JSON: what it needs to go on years later, and to refuse to go on as another."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tegum.theory.models import FeatureLaw
from tegum.theory.numerics import check_kind

from ..runs import LEARNING_RATE, Optimisation, Sampling
from ..training import resolve_device, train
from .grid import ARGUMENTS, AXES, Grid

# What a sweep decides for itself.
OWN = ("model", "seeds", "record", "session")
# Groups of options. They are stored flat, so that settings outlive how arguments are grouped.
GROUPS: dict[str, Any] = {"optimisation": Optimisation, "sampling": Sampling}
# Features whose joint activity a law is known again by, and how far its probabilities may be rounded differently.
PROBED_FEATURES = 8
SAME_LAW = 1e-9


def training_options(given: Mapping[str, Any], *, elsewhere: bool) -> tuple[dict[str, Any], set[str]]:
    """Return the options of `train`, those not given at their defaults, and the names of those given.

    Args:
        given: what the user passed.
        elsewhere: whether training may happen on other machines, so that a device needn't be here.

    Returns:
        All options by name, flat: the fields of groups stand beside the others. Of a group those are named that differ
        from their defaults.

    Raises:
        ValueError: if train has no such option, or it can't be recorded.
    """
    known = {name: p.default for name, p in inspect.signature(train).parameters.items() if name not in OWN}
    for name, value in given.items():
        if name not in known:
            axes = "density, relative_importance, n_features, n_hidden, law, seeds, the penalties"
            raise ValueError(f"sweep takes the axes {axes} and the options of train ({', '.join(known)}), got {name!r}")
        if name in GROUPS:
            check_kind(name, value, GROUPS[name])
    options = _flat(known | {name: kind() for name, kind in GROUPS.items()} | dict(given))
    usual = {name: value for kind in GROUPS.values() for name, value in vars(kind()).items()}
    named = {name for name in given if name not in GROUPS and given[name] != "auto"}
    named |= {name for name, value in usual.items() if options[name] != value}
    if options["device"] == "auto":
        # Chosen once, so that a sweep doesn't mix the results of different kinds of device.
        options["device"] = resolve_device("auto").type
    elif not elsewhere:
        resolve_device(options["device"])
    if options["learning_rate"] is None and options["optimiser"] != "lbfgs":
        options["learning_rate"] = LEARNING_RATE
    return options, named


def _flat(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with the fields of groups beside the others."""
    flat = {name: value for name, value in options.items() if name not in GROUPS}
    for name in GROUPS:
        flat |= vars(options[name])
    return flat


def grouped(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `train` that flat options stand for.

    Raises:
        ValueError: if one is out of range.
    """
    names = {group: [field.name for field in fields(kind)] for group, kind in GROUPS.items()}
    inner = {name for members in names.values() for name in members}
    groups = {group: kind(**{name: options[name] for name in names[group]}) for group, kind in GROUPS.items()}
    return {name: value for name, value in options.items() if name not in inner} | groups


def recorded(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return training options as JSON values.

    Raises:
        ValueError: if one can't be recorded.
    """
    return {name: _recorded(name, value) for name, value in sorted(options.items())}


def _recorded(name: str, value: Any) -> Any:
    if name == "device":
        return str(value).partition(":")[0]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_recorded(name, entry) for entry in value]
    text = str(value) if isinstance(value, torch.dtype) else repr(value)
    if " at 0x" in text:
        raise ValueError(f"{name} must be something that a sweep can write down, got {text}")
    return {"as text": text}


def law_record(grid: Grid) -> dict[str, dict[str, Any]]:
    """Return by what each law is known again: its class, its amplitude, and a number for each size and density.

    Raises:
        ValueError: if a law at one density depends on which others it is asked for.
    """
    density = np.array(grid.values["density"])
    records = {}
    for name in grid.values["law"]:
        law = grid.law(name, density)
        probes = {}
        for n in grid.values["n_features"]:
            probe = _probe(law, n, len(density))
            for k in (0, len(density) - 1):
                alone = _probe(grid.law(name, density[k : k + 1]), n, 1)[0]
                if abs(alone - probe[k]) > SAME_LAW:
                    raise ValueError(f"law must treat each density on its own; {name!r} at {density[k]} doesn't")
            probes[str(n)] = probe.tolist()
        ends = np.array([law.amplitude.low, law.amplitude.high], dtype=np.float64).tolist()
        records[name] = {"class": type(law).__name__, "amplitude": ends, "probe": probes}
    return records


def _probe(law: FeatureLaw, n: int, count: int) -> NDArray[np.float64]:
    """Return a fixed combination of a law's probabilities for each of its models, shape (count,)."""
    law.check_model(n)
    features = sorted({int(i) for i in np.linspace(0, n - 1, min(n, PROBED_FEATURES))})
    total = np.zeros(count)
    total += (law.densities(n) * np.cos(np.arange(1, n + 1))).sum(axis=-1)
    for active, chance in law.patterns(n, among=features):
        total += np.cos(1 + sum(1 << features.index(i) for i in active)) * chance
    return total


def settings_of(grid: Grid, options: Mapping[str, Any], named: set[str], variables: list[str]) -> dict[str, Any]:
    """Return all settings of a sweep as JSON values."""
    return {
        "axes": {axis: list(grid.values[axis]) for axis in AXES},
        "dimensions": list(grid.dimensions),
        "laws": law_record(grid),
        "options": recorded(options),
        # Those that were asked for; the others are what train did by default when the sweep was begun.
        "named": sorted(named),
        "chunk": grid.chunk,
        "variables": variables,
    }


def check_same(stored: Mapping[str, Any], asked: Mapping[str, Any], chunk: Any, where: Any) -> None:
    """Raise `ValueError` if a store's settings differ from those of the call that wants to go on with it.

    Args:
        stored: the store's settings.
        asked: the call's, defaults included.
        chunk: the call's chunk; if None, the store's holds.
        where: the store.
    """

    def differ(what: str, theirs: Any, ours: Any) -> None:
        raise ValueError(f"{where} holds another sweep: it has {what} = {theirs!r}, expected {ours!r}")

    for axis in AXES:
        if stored["axes"][axis] != asked["axes"][axis]:
            differ(ARGUMENTS.get(axis, axis), stored["axes"][axis], asked["axes"][axis])
    for name in ("dimensions", "chunk"):
        if stored[name] != asked[name] and (name != "chunk" or chunk is not None):
            differ(name, stored[name], asked[name])
    for name, ours in asked["laws"].items():
        theirs = stored["laws"][name]
        if (theirs["class"], theirs["amplitude"]) != (ours["class"], ours["amplitude"]):
            differ(f"law {name}", theirs["class"], ours["class"])
        for n, probe in ours["probe"].items():
            if not np.allclose(probe, theirs["probe"][n], rtol=0, atol=SAME_LAW):
                raise ValueError(f"{where} holds another sweep: the law {name!r} of {n} features has changed")
    # An option that neither names is as it was by default when the sweep was begun.
    for name in sorted({*stored["named"], *asked["named"]}):
        theirs = stored["options"].get(name, "unknown when it was begun")
        if name in asked["options"] and theirs != asked["options"][name]:
            differ(f"option {name}", theirs, asked["options"][name])
    for name, theirs in stored["options"].items():
        if name not in asked["options"]:
            raise ValueError(f"{where} was trained with {name} = {theirs!r}, an option that train no longer has")


def stored_options(
    stored: Mapping[str, Any], options: Mapping[str, Any], named: set[str], where: Any
) -> dict[str, Any]:
    """Return the options that a stored sweep goes on with: its own, also where defaults have changed since.

    Raises:
        ValueError: if such an option was recorded as a text that can't be read back.
    """
    chosen = dict(options)
    for name, value in stored["options"].items():
        if name in named or recorded({name: options[name]})[name] == value:
            continue
        if isinstance(value, dict):
            text = value["as text"]
            if not text.startswith("torch."):
                raise ValueError(f"{where} was trained with {name} = {text}: pass it, its default is another by now")
            value = getattr(torch, text.removeprefix("torch."))
        chosen[name] = value
    return chosen
