"""What nobody means as an argument, and numbers in other containers, at the functions that are used most.

tests/attacks/test_calls.py does the same to every public function, in processes of their own.
"""

from __future__ import annotations

from importlib import import_module

import pytest

from tests.house.test_layers import FOLDERS
from tests.support.attack import BAD, judged
from tests.support.calls import GOOD
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
