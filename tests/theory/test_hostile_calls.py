"""What nobody means as an argument, and numbers in other containers, at the functions that are used most.

tests/attacks/test_calls.py does the same to every public function, in processes of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import numpy as np
import pytest

from tegum.theory import IndependentFeatures, ToyModel, best_packing
from tegum.theory.geometry import dead_outputs, phase_labels
from tegum.theory.minima import downhill, estimated_curvature, inputs_of
from tegum.theory.models import amplitude_from_plain, as_amplitude, one_amplitude, values_told
from tests.house.test_layers import FOLDERS
from tests.support.attack import BAD, FINE, judged
from tests.support.calls import GOOD, PAIR
from tests.support.hostile import NEVER, TWINS
from tests.support.uncalled import NOT_CALLED, documented

MAIN = {
    "theory IndependentFeatures": "density",
    "theory CorrelatedFeatures": "groups",
    "theory Amplitude": "low",
    "theory ToyModel": "importance",
    "theory diagram_model": "density",
    "theory expected_loss": "weights",
    "theory loss_gradient": "bias",
    "theory loss_hessian": "weights",
    "theory.loss linear_loss": "weights",
    "theory feature_norms": "weights",
    "theory phase": "tolerance",
    "theory.models stratified_counts": "masses",
    "theory.flow growth_rates": "time",
    "theory.minima unpack": "n_hidden",
    "theory.boundaries critical_penalty": "importance",
    "theory enclosure": "weights",
}


# Examples of what the attack has found: numbers that overflow on the way, places on an edge, nothing at all.
FOUND = [
    ("theory polish", "weights", "1e308"),
    ("theory polish", "bias", "1e308"),
    ("theory.minima descend", "start", "1e308"),
    ("theory.noise gradient_noise", "bias", "1e308"),
    ("theory.noise mean_hessian", "theta", "1e308"),
    ("theory.flow gradient_flow", "weights", "1e308"),
    ("theory.loss linear_loss", "weights", "1e308"),
    ("theory.loss linear_gradient", "weights", "1e308"),
    ("theory.models PlaneAxis", "low", "negative huge int"),
    ("theory.models PlaneAxis", "domain", "generator"),
    ("theory.models stratified_counts", "batch_size", "1e400"),
    ("theory.boundaries PrecisePiece", "free", "empty"),
    ("theory.boundaries precise_minimum", "place", "denormal"),
    ("theory.boundaries precise_minimum", "models", "lambda"),
    ("theory enclosure", "order", "duration"),
    ("theory enclosure", "width", "bool"),
    ("theory.spheres best_alignment", "tolerance", "scalar"),
    ("theory.polytopes tegum_product", "*factors", "no tuple"),
    ("theory.storage write_whole", "text", "object"),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("key", "name", "value"), FOUND)
def test_what_an_attack_has_found_is_right_or_refused_by_name(key: str, name: str, value: str) -> None:
    outcome, said = judged((key, ((name, value),)))
    assert outcome in FINE, said


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("key", "name"), MAIN.items(), ids=MAIN)
def test_hostile_values_are_refused_by_name_or_mean_what_they_say(key: str, name: str) -> None:
    found = {value: judged((key, ((name, value),))) for value in (*NEVER, *TWINS)}
    assert {value: said for value, said in found.items() if said[0] in BAD} == {}
    assert sum(outcome == "refused" for outcome, _ in found.values()) >= len(NEVER) - 4


def test_every_public_callable_has_a_good_call_or_a_reason_why_not() -> None:
    listed = documented()
    found = set()
    for folder in sorted(folder for folder in FOLDERS if "commands" not in folder):
        face = import_module(f"tegum.{folder}")
        for name in set(face.__all__) & listed:
            value = getattr(face, name)
            if callable(value) and value.__module__.startswith("tegum"):
                found.add(name)
    assert found - {key.split()[1] for key in GOOD} - NOT_CALLED == set()
    assert listed >= NOT_CALLED


def test_numbers_beyond_float64_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="values must be a number"):
        values_told(10**400)
    weights = np.full((2, 3), 1e308)
    with pytest.raises(ValueError, match="weights and bias must be small enough"):
        estimated_curvature(ToyModel(3, 2, IndependentFeatures(0.1)), weights, np.zeros(3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: downhill(PAIR, np.array([[1.0, -0.5]]), np.array([1e308, 0.0])),
            "weights and bias must be small enough",
        ),
        (lambda: as_amplitude(3), "amplitude must be an Amplitude"),
        (lambda: one_amplitude(b"this", "uniform"), "what must be text"),  # type: ignore[arg-type]
        (lambda: amplitude_from_plain(True), "a plain amplitude must be"),
        (lambda: inputs_of("model"), "model must be a ToyModel"),  # type: ignore[arg-type]
        (lambda: values_told([[1.0, 2.0], [3.0]]), "values must be numbers or lists of equal length"),
        (lambda: best_packing(0.1, among=["no shape"]), "among lists shapes: the name of a shape"),
        (lambda: dead_outputs([[1.0, -0.5]], [0.0, 0.0], inputs=([0.0, 0.0, 0.0], 1.0)), "inputs must be two numbers"),
    ],
)
def test_what_attacks_found_is_refused_by_name(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_labels_of_no_models_are_none() -> None:
    assert phase_labels(np.empty((0, 1, 2)), np.empty((0, 2))).shape == (0,)
    assert phase_labels(np.empty((3, 0, 1, 2)), np.empty((3, 0, 2))).shape == (3, 0)
