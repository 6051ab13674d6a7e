"""Controls: runs that an account of training has to reject, and what it can't see, measured both ways."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest
import xarray as xr

from tegum.compare.diagrams import (
    CONTROLS,
    UNSEEN,
    Account,
    DiagramSettings,
    agreement,
    control_accounts,
    grid_account,
    judge_runs,
    merged,
    model_of,
    theory_dataset,
)
from tegum.compare.judgement import Recipe
from tegum.theory import Amplitude, IndependentFeatures, ToyModel, expected_loss
from tegum.theory.minima import diagram_minima
from tests.support.shared import Shared

# Behind the face: the trainer of controls is used for runs that are broken here, and their layout is tested.
controls: Any = import_module("tegum.compare.diagrams.controls")
datasets: Any = import_module("tegum.compare.diagrams.dataset")

SETTINGS = DiagramSettings(cells=4, seeds=4, device="cpu")
# Real runs are in a minimum, all but a few; of each control at most so many are, and its best seeds are right in at
# most so many cells.
REAL, REJECTED, BEST = 0.97, 0.35, 0.5
NAMES = [control.name for control in CONTROLS]


@pytest.fixture(scope="module")
def theory(shared: Shared) -> xr.Dataset:
    """The exact part of 4 × 4 cells of the default range, off all boundaries, without curves."""

    def compute() -> xr.Dataset:
        found = theory_dataset(diagram_minima(np.geomspace(0.02, 0.7, 4), np.geomspace(0.15, 8.0, 4)))
        return merged(found, datasets.curves_dataset(()))

    return shared.once("controls-theory", compute)


@pytest.fixture(scope="module")
def found(theory: xr.Dataset, shared: Shared) -> dict[str, Account]:
    """The account of real runs, and of all controls."""

    def compute() -> dict[str, Account]:
        runs = controls._trained(model_of(theory), SETTINGS.recipe, 4)
        return {"real": account(theory, *runs)} | control_accounts(theory, SETTINGS.recipe)

    return shared.once("controls-accounts", compute)


def account(theory: xr.Dataset, weights: Any, bias: Any, recipe: Recipe = SETTINGS.recipe) -> Account:
    judged = judge_runs(theory, weights, bias, recipe)
    shape = weights.shape[:-2]
    losses = expected_loss(model_of(theory).take((..., np.newaxis)), weights, bias)
    return grid_account(theory, judged.verdict.reshape(shape), judged.nearest.reshape(shape), losses)


def test_real_runs_are_accepted(found: dict[str, Account]) -> None:
    assert found["real"].runs == 4 * 4 * 4
    assert found["real"].share("in_a_minimum") >= REAL
    assert found["real"].best_seed_in_global_phase == 1.0
    assert found["real"].elsewhere == 0


@pytest.mark.parametrize("name", [name for name in NAMES if name not in UNSEEN])
def test_each_control_is_rejected(found: dict[str, Account], name: str) -> None:
    assert found[name].share("in_a_minimum") <= REJECTED
    assert found[name].best_seed_in_global_phase <= BEST


@pytest.mark.parametrize("name", UNSEEN)
def test_what_the_account_cannot_see_is_accepted(found: dict[str, Account], name: str) -> None:
    """If it came to be rejected, the account would see more than it says."""
    assert found[name].share("in_a_minimum") > REJECTED
    assert found[name].best_seed_in_global_phase > BEST


def test_untrained_runs_are_in_no_minimum(found: dict[str, Account]) -> None:
    assert (found["untrained"].in_a_minimum, found["untrained"].best_seed_in_global_phase) == (0, 0.0)


def test_where_polishing_leads_does_not_tell_untrained_runs_from_trained_ones(
    theory: xr.Dataset, found: dict[str, Account]
) -> None:
    """Why the account is of the runs' own weights: the basins of untrained runs look like an account of training."""
    model = model_of(theory)
    runs = controls._untrained(model, SETTINGS.recipe, 4)
    losses = expected_loss(model.take((..., np.newaxis)), *runs)
    whole = merged(theory, datasets.runs_dataset(theory, *runs, losses, np.arange(4), SETTINGS.recipe))
    ledger = agreement(whole)
    assert ledger.basins["unexplained"] == 0
    assert ledger.basins["global"] / ledger.runs > 0.75
    assert ledger.account.in_a_minimum == found["untrained"].in_a_minimum == 0


def test_the_account_of_all_controls_is_in_order(found: dict[str, Account], theory: xr.Dataset) -> None:
    assert list(found) == ["real", *NAMES]
    assert len(set(NAMES)) == len(NAMES)
    assert set(UNSEEN) < set(NAMES)
    seeds = {"seeds_averaged": 1, "published_candidates": 3}
    for name in NAMES:
        assert found[name].runs == theory["published_phase"].size * seeds.get(name, controls.SEEDS)


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(lambda w, b: (w, -b), id="wrong sign of b"),
        pytest.param(lambda w, b: (-np.abs(w), b), id="wrong sign of W"),
        pytest.param(lambda w, b: (np.full_like(w, 0.7), np.full_like(b, 0.05)), id="constant weights"),
        pytest.param(lambda w, b: (w[::-1], b[::-1]), id="densities in the wrong order"),
        pytest.param(lambda w, b: (w[:, ::-1], b[:, ::-1]), id="importances in the wrong order"),
    ],
)
def test_the_account_changes_when_its_runs_are_broken(
    theory: xr.Dataset, found: dict[str, Account], broken: Any
) -> None:
    weights, bias = controls._trained(model_of(theory), SETTINGS.recipe, 4)
    changed = account(theory, *broken(weights, bias))
    assert changed.in_a_minimum < 0.75 * found["real"].in_a_minimum
    assert changed.best_seed_in_global_phase < found["real"].best_seed_in_global_phase


def test_a_wrong_law_is_seen(theory: xr.Dataset, found: dict[str, Account]) -> None:
    """Amplitudes between 0.2 and 1 in place of 0 and 1, at the same densities."""
    model = model_of(theory)
    law = IndependentFeatures(model.densities(), amplitude=Amplitude(0.2, 1.0))
    runs = controls._trained(ToyModel(2, 1, law, model.importances()), SETTINGS.recipe, 4)
    changed = account(theory, *runs)
    assert changed.in_a_minimum < 0.75 * found["real"].in_a_minimum
    assert changed.best_seed_in_global_phase < found["real"].best_seed_in_global_phase
