"""Every public function that takes a model takes one whose features have amplitudes of their own, or refuses it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from tegum.theory import Amplitude, ToyModel
from tegum.theory.minima import Landscape
from tests.support.calls import GOOD, B, W, of
from tests.support.uncalled import SLOW

SMALL = Amplitude(0.25, 0.5)
AMPLITUDES: dict[str, Any] = {"each": ["uniform", SMALL], "first": "uniform", "last": SMALL}
# Answers that one feature's amplitude decides, or none: of a check, a file, how a file was read, and saddles where
# there are none; a bound on rounding goes by the largest, and a linear optimum costs what its dropped feature does.
ALIKE = {
    ("theory.minima check_searchable", "first"),
    ("theory.minima check_searchable", "last"),
    ("empirical save_models", "first"),
    ("empirical save_models", "last"),
    ("compare.foreign reading", "first"),
    ("compare.foreign reading", "last"),
    ("compare.judgement saddles_at", "first"),
    ("compare.judgement saddles_at", "last"),
    ("theory.loss loss_rounding", "first"),
    ("theory.loss linear_optimum", "last"),
}
# Faces whose calls cost little.
QUICK = ("theory", "theory.loss", "theory.loss.spectral", "theory.minima", "theory.flow", "theory.noise")
# What refuses such models: what takes no others, and the mathematics that doesn't cover them yet.
REFUSED = {
    "theory.loss SummedEngine",
    "theory.noise gradient_noise",
    "theory.noise sampling_noise",
    "theory.noise spreads_after",
    "theory certify",
    "compare.judgement judge",
    "compare.judgement allowances",
}


def _with(value: Any, amplitude: Any) -> Any:
    """Return a model, or a landscape of one, with another amplitude."""
    model = value.model if isinstance(value, Landscape) else value
    other = replace(model, features=model.features.with_amplitude(amplitude))
    return Landscape(other) if isinstance(value, Landscape) else other


def _calls(*faces: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the calls that are given a model, of some faces or of all, and what they are given."""
    for key in GOOD:
        if key not in SLOW and (not faces or key.split()[0] in faces):
            given = GOOD[key]()
            if any(isinstance(value, ToyModel | Landscape) for value in given.values()):
                yield key, given


def _numbers(found: Any) -> list[Any]:
    """Return all numbers of a result."""
    if hasattr(found, "evaluate"):
        found = tuple(found.evaluate(W, B, 1))[:1]
    if hasattr(found, "engine"):
        return _numbers(found.engine)
    if isinstance(found, Landscape):
        return _numbers(found.losses(found.join(W, B)))
    if hasattr(found, "output_losses") and callable(found.output_losses):
        return _numbers(found.output_losses(W, B))
    if isinstance(found, xr.Dataset):
        return [str(found.attrs), *(_numbers(found[name].values) for name in found)]
    if is_dataclass(found):
        return [_numbers(getattr(found, field.name)) for field in fields(found)]
    if isinstance(found, dict):
        return [_numbers(value) for value in found.values()]
    if isinstance(found, list | tuple):
        return [_numbers(value) for value in found]
    return np.asarray(found).tolist() if isinstance(found, np.ndarray | float | int | np.generic) else [repr(found)]


def _arguments(given: dict[str, Any], amplitude: Any) -> dict[str, Any]:
    return {k: _with(v, amplitude) if isinstance(v, ToyModel | Landscape) else v for k, v in given.items()}


@pytest.mark.filterwarnings("ignore")
def test_models_with_an_amplitude_each_are_taken_or_refused_by_name() -> None:
    refused: dict[str, str] = {}
    for key, given in _calls(*QUICK):
        try:
            of(*key.split())(**_arguments(given, AMPLITUDES["each"]))
        except ValueError as error:
            refused[key] = str(error)
    assert set(refused) == {key for key in REFUSED if key.split()[0] in QUICK}
    assert [reason for reason in refused.values() if "amplitude" not in reason] == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_no_function_takes_one_features_amplitude_for_all() -> None:
    alike, seen = set(), 0
    for key, given in _calls():
        if key in REFUSED:
            continue
        found = {}
        for name, amplitude in AMPLITUDES.items():
            found[name] = repr(_numbers(of(*key.split())(**_arguments(given, amplitude))))
        seen += 1
        alike |= {(key, name) for name in ("first", "last") if found["each"] == found[name]}
    assert alike == ALIKE
    assert seen > 30
