"""Trained models along a family, each put on an arc."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tegum.compare.geometry import DEAD, ELSEWHERE, branch_account, train_along

# Behind the face: a mark that only the ledger of runs has.
from tegum.compare.geometry.branch_runs import NOWHERE
from tegum.theory.branches import BranchDiagram, branch_diagram
from tegum.theory.models import one_more_important


@pytest.fixture(scope="module")
def triangle() -> BranchDiagram:
    return branch_diagram(one_more_important(3, 2, 0.7, 0.5, 2.0), [0.6, 1.0, 1.5], starts=24, margin=1.03)


def test_every_run_is_put_on_an_arc_of_its_loss(triangle: BranchDiagram) -> None:
    runs = train_along(triangle, np.array([0.6, 1.0, 1.7]), seeds=6)
    assert runs.arc.shape == (3, 6)
    assert not (runs.arc == NOWHERE).any()
    for k, t in enumerate(runs.parameter):
        for seed in range(6):
            if runs.arc[k, seed] in (DEAD, ELSEWHERE):
                continue
            state = triangle.arcs[runs.arc[k, seed]].at(float(t))
            assert state is not None
            assert runs.polished[k, seed] == pytest.approx(state[1], abs=1e-9)
            assert runs.loss[k, seed] >= state[1] - 1e-12
    # With equal importances exchanged copies count as one arc.
    assert runs.moved.max() < 1e-5
    assert sum(runs.share(code) for code in (*range(len(triangle.arcs)), DEAD, ELSEWHERE)) == pytest.approx(1)


def test_untrained_runs_are_on_arcs_and_in_no_minimum(triangle: BranchDiagram, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arcs are those of polished runs: of training only the runs' own weights say something."""
    parameters = np.array([0.6, 1.0, 1.7])
    trained = train_along(triangle, parameters, seeds=6)
    monkeypatch.setattr("tegum.compare.geometry.branch_runs.EXACT_STEPS", 0)
    untrained = train_along(triangle, parameters, seeds=6)
    assert not (untrained.arc == NOWHERE).any()
    assert (untrained.arc == trained.arc).mean() > 0.5
    assert trained.in_a_minimum.all()
    assert not untrained.in_a_minimum.any()
    accounts = {name: branch_account(triangle, runs)["runs"] for name, runs in (("yes", trained), ("no", untrained))}
    assert accounts["yes"]["shares_in_it"] == accounts["yes"]["shares"]
    assert accounts["yes"]["by_arc_in_it"] == accounts["yes"]["by_arc"]
    assert accounts["yes"]["values_with_a_run_in_the_cheapest"] == 3
    # Basins are all that is left of runs that weren't trained.
    assert sum(accounts["no"]["by_arc"]) > 0.5
    assert not any([*accounts["no"]["shares_in_it"].values(), *accounts["no"]["by_arc_in_it"]])
    assert accounts["no"]["values_with_a_run_in_the_cheapest"] == 0


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ([50.0], "expected a line of parameters from"),
        (1.0, r"parameters must have shape \(K,\), got \(\)"),
        ([], "expected a line of parameters from"),
    ],
)
def test_runs_outside_the_family_are_refused(triangle: BranchDiagram, parameters: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        train_along(triangle, parameters, seeds=2)


def test_runs_that_theory_does_not_list_are_not_put_on_an_arc(triangle: BranchDiagram) -> None:
    fewer = replace(triangle, arcs=triangle.arcs[:1])
    runs = train_along(fewer, np.array([1.7]), seeds=6)
    assert (runs.arc != 0).all()
    assert (runs.arc == ELSEWHERE).any()
