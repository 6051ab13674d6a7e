"""`tegum deform` and `tegum correlated`: what they write, what Ctrl-C leaves, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import INTERRUPTED


def test_deform_writes_figure_and_account(tegum_: Any, tmp_path: Path) -> None:
    out = tmp_path / "made"
    words = "deform --features 3 --vary importance --low 0.6 --high 1.7 --probes 3 --starts 16 --runs 3 --seeds 4"
    account = tegum_(f"{words} --out {out} --json").json()
    assert account == json.loads((out / "branches.json").read_text())
    assert (out / "branches.png").stat().st_size > 20_000
    assert account["runs"]["number"] == 12
    first = account["changes"][0]
    assert first["kind"] == "continuous"
    assert first["parameter"] == pytest.approx(0.7725795305, abs=1e-8)
    assert sum(account["runs"]["by_arc"]) + sum(account["runs"]["shares"].values()) - account["runs"]["shares"][
        "on the cheapest arc"
    ] == pytest.approx(1)


def test_ctrl_c_in_training_leaves_the_minima(tegum_: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tegum.compare.geometry.train_along", interrupted)
    told = tegum_(f"deform --features 3 --low 0.9 --high 1.1 --probes 1 --starts 4 --out {tmp_path}")
    assert told.code == INTERRUPTED
    # The search for minima isn't gone on with.
    assert told.last == f"tegum: interrupted: the minima are in {tmp_path / 'branches.json'}"
    assert [path.name for path in tmp_path.iterdir()] == ["branches.json"]
    assert json.loads((tmp_path / "branches.json").read_text())["arcs"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["deform", "--hidden", "3"], "--hidden must be 2"),
        (["deform", "--features", "9"], "--features must lie in 3 to 6"),
        (["deform", "--vary", "bias"], "--vary must be 'density' or 'importance'"),
        (["deform", "--density", "2"], "density must lie in (0, 1], got 2.0"),
        (["deform", "--low", "4", "--high", "2"], "high must be a finite number above 4, got 2.0"),
        (["deform", "--objective", "neither"], "--objective must be 'exact' or 'sampled'"),
        (["correlated", "--law", "independent"], "got the law independent (branch_diagram"),
        (["correlated", "--group", "1,3", "--group", "2,4", "--features", "4"], "groups 1,3 2,4"),
        (["correlated", "--features", "5"], "got 5 features in the groups 1,2 3,4"),
        (["correlated", "--pairs", "2", "--features", "6"], "of 2 pairs, 1,2 and 3,4 and so on, got 6 features"),
        (["deform", "--density", "0.1,0.1,0.1,0.1,0.2"], "got densities 0.1, 0.1, 0.1, 0.1, 0.2"),
        (["correlated", "--pairs", "4"], "--pairs must lie in 2 to 3"),
        (["correlated", "--law", "anticorrelated", "--high", "0.7"], "high must lie in (0.01, 0.5], got 0.7"),
        (["correlated", "--starts", "0"], "--starts must lie in 1 to 65,536, got 0"),
        (["deform", "--probes", "999999999"], "--probes must lie in 1 to 65,536, got 999999999"),
        (["correlated", "--starts", "50000", "--probes", "50000"], "--starts times --probes may be 1,000,000 at most"),
        (
            ["deform", "--runs", "50000", "--seeds", "50000"],
            "--runs times --seeds may be 1,000,000 at most, got 2,500,",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_impossible_requests_are_refused(tegum_: Any, words: list[str], expected: str, tmp_path: Path) -> None:
    tegum_(*words, "--out", str(tmp_path)).is_misuse(expected)
    assert not list(tmp_path.iterdir())
