"""Trained models along a family, their figure and the commands `tegum deform` and `tegum correlated`."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import tegum.compare.geometry.branch_runs as branch_runs
from tegum.compare.commands.app import app
from tegum.compare.figures import branch_figure
from tegum.compare.figures.branches import cheapest_intervals, oriented
from tegum.compare.geometry import DEAD, ELSEWHERE, train_along
from tegum.compare.geometry.branch_runs import NOWHERE
from tegum.theory import expected_loss
from tegum.theory.branches import BranchDiagram, branch_diagram
from tegum.theory.geometry import arrangement
from tegum.theory.models import anticorrelated_pairs, one_more_important


@pytest.fixture(scope="module")
def triangle() -> BranchDiagram:
    return branch_diagram(one_more_important(3, 2, 0.7, 0.5, 2.0), [0.6, 1.0, 1.5], starts=24, margin=1.03)


def circle(*degrees: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    angles = np.radians(degrees)
    return np.array([np.cos(angles), np.sin(angles)])


@pytest.mark.parametrize(
    ("degrees", "name"),
    [
        ((0, 72, 144, 216, 288), "pentagon(1,2,3,4,5)"),
        ((0, 0, 120, 120, 240, 240), "triangle(1=2,3=4,5=6)"),
        ((0, 70, 140), "fan(1,2,3)"),
        ((0, 60, 120, 180, 240, 300), "hexagon(1,2,3,4,5,6)"),
        ((0, 180, 90, 270), "digon(1,2) + digon(3,4)"),
        ((0, 180, 0), "line(1,2,3)"),
        ((0, 0, 90, 95), "fan(1=2,3,4)"),
        ((359, 1, 120, 240), "quadrilateral(1,2,3,4)"),
    ],
)
def test_arrangements_have_names(degrees: tuple[float, ...], name: str) -> None:
    assert arrangement(circle(*degrees), np.zeros(len(degrees))) == name


def test_a_point_inside_the_hull_makes_no_polygon() -> None:
    points = circle(0, 90, 180, 270, 45)
    points[:, 4] *= 0.3
    assert arrangement(points, np.zeros(5)) == "cluster(1,2,3,4,5)"


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


@pytest.mark.parametrize("parameters", [[50.0], 1.0, []])
def test_runs_outside_the_family_are_refused(triangle: BranchDiagram, parameters: Any) -> None:
    with pytest.raises(ValueError, match="expected a line of parameters from"):
        train_along(triangle, parameters, seeds=2)


def test_runs_that_theory_does_not_list_are_not_put_on_an_arc(triangle: BranchDiagram) -> None:
    from dataclasses import replace

    fewer = replace(triangle, arcs=triangle.arcs[:1])
    runs = train_along(fewer, np.array([1.7]), seeds=6)
    assert (runs.arc != 0).all()
    assert (runs.arc == ELSEWHERE).any()


def test_states_of_a_path_turn_as_little_as_possible() -> None:
    rng = np.random.default_rng(0)
    states = []
    for k in range(7):
        angle = rng.uniform(0, 2 * np.pi)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        states.append(turn @ (circle(0, 120, 240) * (1 + 0.01 * k)))
    turned = oriented(np.array(states))
    np.testing.assert_allclose(turned.mT @ turned, np.array(states).mT @ np.array(states), atol=1e-12)
    np.testing.assert_allclose(turned[:, 0, 2], 0, atol=1e-9)
    assert (turned[:, 1, 2] > 0).all()
    assert np.abs(np.diff(turned, axis=0)).max() < 0.011


def test_the_figure_shows_each_cheapest_minimum_in_turn(triangle: BranchDiagram) -> None:
    figure = branch_figure(triangle)
    intervals = cheapest_intervals(triangle)
    assert intervals[0][1] == 0.5
    assert intervals[-1][2] == 2.0
    assert all(a[2] == b[1] for a, b in pairwise(intervals))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    for low, high in ((i[1], i[2]) for i in intervals):
        assert any(f"{low:.4g} to {high:.4g}" in title for title in titles)
    losses = figure.axes[0]
    assert losses.get_xscale() == "log"
    lines = [np.asarray(line.get_xdata()) for line in losses.lines]
    crossings = [x[0] for x in lines if len(x) == 2 and x[0] == x[1]]
    assert {round(float(x), 9) for x in crossings} >= {round(c.parameter, 9) for c in triangle.changes}


def test_perfect_minima_are_drawn_on_the_scale_of_the_variance() -> None:
    family = anticorrelated_pairs(2, 2, 0.05, 0.5)
    found = branch_diagram(family, [0.1], starts=24)
    axes = branch_figure(found).axes[0]
    assert "outputs the means" in axes.get_ylabel()
    # At density p that model costs 4 (p/3 − p²/4).
    model = family.models(np.log([0.3])).take(0)
    dropped = expected_loss(model, np.zeros((2, 4)), np.full(4, 0.15))
    lines = [np.array([line.get_xdata(), line.get_ydata()], dtype=float) for line in axes.lines]
    height = max(np.interp(0.3, *line) for line in lines if line.shape[1] > 100)
    losses = [state[1] for arc in found.arcs if (state := arc.at(0.3)) is not None]
    assert height == pytest.approx(max(losses) / dropped, rel=1e-3)


def test_deform_writes_figure_and_account(tmp_path: Path) -> None:
    out = tmp_path / "made"
    words = ["deform", "--features", "3", "--vary", "importance", "--low", "0.6", "--high", "1.7", "--probes", "3"]
    words += ["--starts", "16", "--runs", "3", "--seeds", "4", "--out", str(out), "--json"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    account = json.loads((out / "branches.json").read_text())
    assert account == json.loads(result.stdout[result.stdout.index("{") :])
    assert (out / "branches.png").stat().st_size > 20_000
    assert account["runs"]["number"] == 12
    first = account["changes"][0]
    assert first["kind"] == "continuous"
    assert first["parameter"] == pytest.approx(0.7725795305, abs=1e-8)
    assert sum(account["runs"]["by_arc"]) + sum(account["runs"]["shares"].values()) - account["runs"]["shares"][
        "on the cheapest arc"
    ] == pytest.approx(1)


def test_ctrl_c_in_training_leaves_the_minima(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(branch_runs, "train_along", interrupted)
    words = ["deform", "--features", "3", "--low", "0.9", "--high", "1.1", "--probes", "1", "--starts", "4"]
    result = CliRunner().invoke(app, [*words, "--out", str(tmp_path)])
    assert result.exit_code == 130
    assert "the minima are in" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["branches.json"]
    assert json.loads((tmp_path / "branches.json").read_text())["arcs"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["deform", "--hidden", "3"], "--hidden must be 2"),
        (["deform", "--features", "9"], "--features must lie in 3 to 6"),
        (["deform", "--vary", "bias"], "--vary must be 'density' or 'importance'"),
        (["deform", "--density", "2"], "densities must lie in"),
        (["deform", "--low", "4", "--high", "2"], "0 < low < high"),
        (["deform", "--objective", "neither"], "--objective must be 'exact' or 'sampled'"),
        (["correlated", "--law", "independent"], "--law must be 'correlated' or 'anticorrelated'"),
        (["correlated", "--pairs", "4"], "--pairs must lie in 2 to 3"),
        (["correlated", "--law", "anticorrelated", "--high", "0.7"], "(0, 1/2]"),
        (["correlated", "--starts", "0"], "--starts must be positive"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_impossible_requests_are_refused(words: list[str], expected: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [*words, "--out", str(tmp_path)])
    assert isinstance(result.exception, ValueError)
    assert expected in str(result.exception)
    assert not list(tmp_path.iterdir())
