"""`tegum diagram`: computed, drawn again, interrupted, and what it refuses."""

from __future__ import annotations

import json
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from tegum.compare.diagrams import CONTROLS, UNSEEN, Account, agreement, cheapest_phases, load
from tegum.compare.figures import phase_diagram_figure
from tegum.compare.progress import InterruptedRunError
from tegum.theory.boundaries import BoundaryCurve
from tests.support.command_line import INTERRUPTED, not_json

# Behind the faces: what takes long is left out here.
stages: Any = import_module("tegum.compare.diagrams.diagram")
# Behind the face: a run is stopped in the middle, and groups are made small.
training: Any = import_module("tegum.empirical.training.running")

PNG = b"\x89PNG\r\n\x1a\n"


def no_seeds(n_features: int, n_hidden: int) -> None:
    assert (n_features, n_hidden) == (2, 1)


def no_curves(_: None) -> tuple[BoundaryCurve, ...]:
    return ()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the tracing of boundaries, which has tests of its own."""
    monkeypatch.setattr(stages, "seed_diagram", no_seeds)
    monkeypatch.setattr(stages, "phase_boundaries", no_curves)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small finished diagram."""
    folder = tmp_path_factory.mktemp("saved")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "seed_diagram", no_seeds)
        patch.setattr(stages, "phase_boundaries", no_curves)
        settings = stages.DiagramSettings(cells=3, seeds=2, steps=64, batch_size=16, device="cpu", controls=False)
        stages.phase_diagram(settings, out=folder)
    return folder / "diagram.zarr"


def test_a_saved_diagram_is_redrawn(tegum_: Any, saved: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    shown = tegum_("diagram", "--from", str(saved), "--out", str(out))
    assert (shown.code, shown.err) == (0, "")
    assert sorted(entry.name for entry in out.iterdir()) == ["diagram.png", "ledger.json"]
    assert (out / "diagram.png").read_bytes().startswith(PNG)
    book = json.loads((out / "ledger.json").read_text(), parse_constant=not_json)
    dataset = load(saved)
    expected = {"model": dataset.attrs["model"]} | agreement(dataset).as_json()
    assert book == json.loads(json.dumps(expected))
    assert "18 trained runs in 9 cells" in shown.out


def test_ranges_are_those_of_both_axes(tegum_: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(stages, "seed_diagram", lambda *_, **__: None)
    monkeypatch.setattr(stages, "phase_boundaries", no_curves)
    words = (
        "diagram --x density=1e-3:1 --y importance=0.01:100:log --cells 3 --seeds 1 --steps 4 --batch 8 --no-controls"
    )
    shown = tegum_(*words.split(), "--out", str(tmp_path))
    assert shown.code == 0
    dataset = load(tmp_path / "diagram.zarr")
    share = (cheapest_phases(dataset) == "digon(1,2)").mean()
    assert 0.3 < share < 1
    assert f"first answer: the cheapest minimum is digon(1,2) in {share:.1%}" in shown.err
    assert dataset["density"].values == pytest.approx(np.geomspace(1e-3, 1, 3))
    assert dataset["importance"].values == pytest.approx(np.geomspace(0.01, 100, 3))
    assert phase_diagram_figure(dataset).axes[0].get_xlim() == (1e-3, 1.0)
    assert phase_diagram_figure(dataset).axes[0].get_ylim() == (0.01, 100.0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--x bias=0:1", "a parameter must be density, importance, density[k]"),
        ("--x importance=0.1:1", "a plane has two different parameters, got 'importance' twice"),
        ("--y importance[3]=0.1:1", "importance[3]: features are counted from 1 to 2"),
        ("--y importance.2,2=0.1:1", "a feature is named twice"),
        ("--y importance=0.1:1:quadratic", "the scale of importance must be one of log, linear"),
        (
            "--x interference_penalty=0:1 --interference-penalty 0.1",
            "takes no --interference-penalty, which would have no effect",
        ),
        ("--x density=0.1:1 --density 0.5", "varies the density, so that --density would have no effect"),
        ("--x density=0.1:2", "density"),
        ("--x density=0.1", "--x must be NAME=LOW:HIGH"),
        ("--x density=0.1:1 --from FOLDER", "--from with a dataset takes no --x"),
    ],
)
def test_ranges_that_no_diagram_has_are_refused(tegum_: Any, tmp_path: Path, words: str, message: str) -> None:
    words = words.replace("FOLDER", str(tmp_path))
    tegum_("diagram", *words.split(), "--out", str(tmp_path / "out")).is_misuse(message)
    assert not (tmp_path / "out").exists()


def test_a_ledger_is_printed_as_json(tegum_: Any, saved: Path, tmp_path: Path) -> None:
    printed = tegum_("diagram", "--from", str(saved), "--out", str(tmp_path), "--json").json()
    assert printed == json.loads((tmp_path / "ledger.json").read_text())
    verdicts = [printed[name] for name in ("in_a_minimum", "on_the_way", "at_a_saddle", "elsewhere")]
    assert sum(printed["basins"].values()) == sum(verdicts) == printed["runs"] == 18
    assert printed["controls"] == {}


def test_controls_are_printed_beside_the_runs(tegum_: Any, saved: Path, tmp_path: Path) -> None:
    dataset = load(saved)
    untrained = Account(8, 0, 0, 7, 1, 0, 0.0, 4).as_json()
    unseen = Account(8, 8, 7, 0, 0, 0, float("nan"), 0).as_json()
    dataset.attrs["controls"] = {"untrained": untrained, UNSEEN[0]: unseen}
    stages.save(dataset, tmp_path / "with.zarr")
    words = ("diagram", "--from", str(tmp_path / "with.zarr"), "--out", str(tmp_path))
    shown = tegum_(*words).out
    rows = {line.split("  ")[0].strip(): line.split()[-5:] for line in shown.splitlines() if line.strip()}
    assert rows["untrained"] == ["8", "0.00", "87.50", "12.50", "0.00"]
    (text,) = [control.text for control in CONTROLS if control.name == UNSEEN[0]]
    assert rows[f"{text} *"] == ["8", "100.00", "0.00", "0.00", "-"]
    assert "the account hardly sees it" in " ".join(shown.split())
    assert tegum_(*words, "--json").json()["controls"] == {"untrained": untrained, UNSEEN[0]: unseen}


def test_without_controls_none_are_printed(tegum_: Any, saved: Path, tmp_path: Path) -> None:
    shown = tegum_("diagram", "--from", str(saved), "--out", str(tmp_path)).out
    assert "which the account has to reject" not in shown
    for text in ("in a minimum", "on the way to one", "at a saddle", "elsewhere", "of the cheapest minimum"):
        assert text in shown


def test_a_diagram_of_another_model_is_refused(tegum_: Any, saved: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    outcome = tegum_("diagram", "--from", str(saved), "--features", "3", "--hidden", "2", "--out", str(out))
    outcome.is_misuse(f"--features 3 contradicts {saved}, where n_features is 2: leave one of the two out")
    assert not out.exists()
    tegum_("diagram", "--from", str(saved), "--density", "0.3", "--out", str(out)).is_misuse(
        "--density 0.3 contradicts"
    )


def test_a_dataset_is_told_by_its_content(tegum_: Any, saved: Path, tmp_path: Path) -> None:
    shutil.copytree(saved, tmp_path / "renamed.csv")
    shown = tegum_(f"diagram --from {tmp_path / 'renamed.csv'} --features 2 --hidden 1 --out {tmp_path / 'out'}")
    assert (shown.code, shown.err) == (0, "")


def test_a_diagram_without_runs_is_refused(tegum_: Any, saved: Path, tmp_path: Path) -> None:
    dataset: xr.Dataset = load(saved).drop_dims(["seed", "record"])
    stages.save(dataset, tmp_path / "exact.zarr")
    out = tmp_path / "out"
    outcome = tegum_("diagram", "--from", str(tmp_path / "exact.zarr"), "--out", str(out))
    outcome.is_misuse("a ledger needs a phase diagram with trained runs")
    assert not out.exists()


@pytest.mark.usefixtures("quick")
def test_a_diagram_is_computed_with_what_was_asked_for(tegum_: Any, tmp_path: Path) -> None:
    words = "diagram --cells 2 --seeds 3 --steps 16 --objective exact --device cpu --no-controls --json --out"
    printed = tegum_(*words.split(), str(tmp_path)).json()
    assert (printed["cells"], printed["runs"]) == (4, 12)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["diagram.png", "diagram.zarr", "ledger.json"]
    settings = load(tmp_path / "diagram.zarr").attrs["settings"]
    asked = {"cells": 2, "seeds": 3, "steps": 16, "objective": "exact", "device": "cpu"}
    asked |= {"controls": False}
    assert {name: settings[name] for name in asked} == asked


@pytest.mark.usefixtures("quick")
def test_the_stages_of_a_diagram_are_shown_beside_its_output(tegum_: Any, tmp_path: Path) -> None:
    words = "diagram --cells 2 --seeds 1 --steps 8 --device cpu --no-controls --out"
    shown = tegum_(*words.split(), str(tmp_path))
    assert shown.code == 0
    # Steps that are too few are said before anything else.
    assert shown.err.startswith("tegum: warning: in 8 steps, fewer than 3000, many runs don't come to rest")
    assert "4 trained runs in 4 cells" in shown.out
    assert str(tmp_path / "diagram.png") in shown.out.replace("\n", "")
    assert "training" not in shown.out.partition("4 trained runs")[0]


def test_an_interrupted_diagram_says_how_to_go_on(tegum_: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> xr.Dataset:
        raise InterruptedRunError("stopped after 96 of 300 steps, saved to out/training.npz")

    monkeypatch.setattr("tegum.compare.diagrams.phase_diagram", interrupted)
    outcome = tegum_("diagram", "--out", str(tmp_path / "out"))
    assert (outcome.code, outcome.out) == (INTERRUPTED, "")
    last = outcome.err.strip().splitlines()[-1]
    assert last.startswith("tegum: interrupted: stopped after 96 of 300 steps")
    assert "the same command goes on from there" in last


@pytest.mark.usefixtures("quick")
def test_an_interrupted_diagram_goes_on(tegum_: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [
        "diagram",
        "--cells",
        "2",
        "--seeds",
        "2",
        "--steps",
        "40",
        "--batch",
        "16",
        "--device",
        "cpu",
        "--no-controls",
        "--out",
    ]
    wait, presses = training.wait, iter([KeyboardInterrupt])

    def pressed_at_once(*arguments: Any, **options: Any) -> Any:
        for press in presses:
            raise press
        return wait(*arguments, **options)

    monkeypatch.setattr(training, "wait", pressed_at_once)
    assert tegum_(*words, str(tmp_path)).code == INTERRUPTED
    assert (tmp_path / "training.npz").exists()
    assert not (tmp_path / "diagram.png").exists()
    assert tegum_(*words, str(tmp_path)).code == 0
    assert (tmp_path / "diagram.png").exists()
    assert not (tmp_path / "training.npz").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param("--hidden 2", "fewer hidden dimensions than features", id="m = n"),
        pytest.param("--features 7 --hidden 2", "n_features must be an integer from 2 to 6, got 7", id="n = 7"),
        pytest.param("--cells 1", "cells must be an integer of at least 2, got 1", id="one cell"),
        pytest.param("--steps -5", "steps must be an integer of at least 0, got -5", id="negative steps"),
        pytest.param("--device tpu", "device must be 'auto', 'cpu' or 'cuda'", id="unknown device"),
        pytest.param("--objective l1", "objective must be one of sampled, exact", id="objective"),
        pytest.param("--from OUT/no.zarr", "no.zarr doesn't exist", id="no such dataset"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(tegum_: Any, tmp_path: Path, words: str, message: str) -> None:
    out = tmp_path / "out"
    tegum_(f"diagram {words.replace('OUT', str(out))} --out {out}").is_misuse(message)
    assert not out.exists()
