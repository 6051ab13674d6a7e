"""Counts of verdicts over a grid of cells."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tegum.compare.diagrams import Account, account_of
from tegum.compare.judgement import AT_A_SADDLE, ELSEWHERE, IN, ON_THE_WAY

# Two cells of three runs.
VERDICT = np.array([[[IN, ON_THE_WAY, IN]], [[AT_A_SADDLE, ELSEWHERE, IN]]], dtype=np.int8)
CHEAPEST = np.array([[[True, True, False]], [[True, False, False]]])
LOSS = np.array([[[1.0, 1.5, 2.0]], [[1.2, np.nan, 1.1]]])
ALL = np.ones((2, 1), dtype=bool)


def account(
    verdict: np.ndarray = VERDICT,
    agrees: np.ndarray = CHEAPEST,
    loss: np.ndarray = LOSS,
    counted: np.ndarray = ALL,
) -> Account:
    return account_of(verdict, CHEAPEST, agrees, loss, counted)


def test_each_run_is_counted_under_one_verdict() -> None:
    found = account()
    assert (found.runs, found.in_a_minimum, found.in_the_cheapest_minimum) == (6, 3, 1)
    assert (found.on_the_way, found.at_a_saddle, found.elsewhere) == (1, 1, 1)
    assert found.in_a_minimum + found.on_the_way + found.at_a_saddle + found.elsewhere == found.runs
    assert found.share("at_a_saddle") == 1 / 6


def test_the_best_seed_is_that_of_least_loss_and_has_to_be_in_a_minimum() -> None:
    # In the second cell it is in another minimum than the cheapest.
    assert account().best_seed_in_global_phase == 1 / 2
    assert account(agrees=np.ones_like(CHEAPEST)).best_seed_in_global_phase == 1.0
    # That its basin is the right one isn't enough.
    for verdict in (ON_THE_WAY, AT_A_SADDLE, ELSEWHERE):
        moved = VERDICT.copy()
        moved[0, 0, 0] = verdict
        assert account(moved).best_seed_in_global_phase == 0.0


def test_a_run_that_diverged_is_never_the_best() -> None:
    loss = LOSS.copy()
    loss[0, 0, 0] = np.nan
    assert account(loss=loss).best_seed_in_global_phase == 0.0


@pytest.mark.parametrize(("counted", "share"), [([[True], [False]], 1.0), ([[False], [True]], 0.0)])
def test_only_cells_off_a_boundary_count_for_the_best_seed(counted: list[list[bool]], share: float) -> None:
    found = account(counted=np.array(counted))
    assert (found.best_seed_in_global_phase, found.cells_off_a_boundary) == (share, 1)
    assert found.in_a_minimum == 3


@pytest.mark.parametrize("counted", [ALL, ~ALL], ids=["cells", "none"])
def test_an_account_comes_out_of_json_as_it_went_in(counted: np.ndarray) -> None:
    found = account(counted=counted)
    plain = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert (plain["best_seed_in_global_phase"] is None) == (not counted.any())
    assert Account.from_json(plain).as_json() == plain
