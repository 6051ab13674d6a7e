"""`tegum sweep`: grids trained with the axes, laws and options that were asked for, and what ends one early."""

from __future__ import annotations

import os
import re
import signal
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from tegum.empirical.runs import Optimisation
from tegum.empirical.sweeps import read_sweep
from tegum.empirical.training import train
from tegum.theory import CorrelatedFeatures, ToyModel
from tests.support.command_line import FAILED, INTERRUPTED, ended, started

# Says when some units are trained, and has a group of its own, as a job of a cluster or a terminal has.
GROUP = """
import os
from tegum.empirical.sweeps import rounds
os.setpgrp()
count = rounds.Rounds._count

def told(self, unit):
    count(self, unit)
    print("trained", flush=True)

rounds.Rounds._count = told
"""
QUICK = "--steps 4 --batch 64 --seeds 2 --workers 1"


def group_exists(number: int) -> bool:
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="no groups of processes here")
@pytest.mark.parametrize(
    "whole_group", [pytest.param(True, marks=pytest.mark.slow), False], ids=["all processes", "its own process"]
)
def test_sigterm_ends_a_sweep_and_its_workers(tmp_path: Path, whole_group: bool) -> None:
    # A unit for each number of features.
    words = "sweep --densities 0.1,0.4 --features 2:5 --steps 100000 --batch 64 --seeds 2 --workers 2 --out"
    process = started(*words.split(), str(tmp_path / "a.zarr"), before=GROUP)
    assert process.stdout is not None
    assert process.stdout.readline() == "trained\n"
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGTERM)
    outcome = ended(process)
    assert outcome.code == 128 + signal.SIGTERM, outcome.err
    assert re.search(r"interrupted by SIGTERM: \d+ of \d+ units are done; the same command goes on", outcome.last)
    # None is left in its group.
    end = time.monotonic() + 60
    while group_exists(process.pid):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert sorted(entry.name for entry in (tmp_path / "a.zarr" / "work").iterdir()) == ["claims", "zarr.json"]


def test_the_command_trains_a_grid(tegum_: Any, tmp_path: Path) -> None:
    words = f"sweep --densities 0.1:0.4:3 --importances 0.5,2 --features 2:3 --out {tmp_path / 'a'} {QUICK}"
    told = tegum_(f"{words} --json").json()
    assert (told["status"], told["models"]) == ("finished", 2 * 3 * 2 * 2)
    assert told["dimensions"]["density"] == 3
    dataset = xr.open_zarr(tmp_path / "a")
    np.testing.assert_allclose(dataset["density"], [0.1, 0.2, 0.4])
    assert dataset["done"].all()
    again = tegum_(words)
    assert again.code == 0
    assert "24 models" in again.out


def test_a_sweep_takes_laws_penalties_and_options_of_training(tegum_: Any, tmp_path: Path) -> None:
    words = (
        "--densities 0.1,0.2 --features 3 --hidden 2 --law correlated --group 1,2 --amplitude constant "
        "--weight-penalty 0,0.1 --optimiser sgd --weight-decay 0.01 --learning-rate 0.05 --steps 6 --seeds 2"
    )
    told = tegum_(f"sweep {words} --objective exact --device cpu --workers 1 --out {tmp_path / 'a.zarr'} --json").json()
    assert told["dimensions"]["weight_penalty"] == 2
    found = read_sweep(tmp_path / "a.zarr").dataset.sel(density=0.2, weight_penalty=0.1)
    law = CorrelatedFeatures(0.2, [(0, 1)], amplitude="constant")
    expected = train(
        ToyModel(3, 2, law, weight_penalty=0.1),
        seeds=2,
        steps=6,
        objective="exact",
        learning_rate=0.05,
        optimisation=Optimisation("sgd", weight_decay=0.01),
    )
    np.testing.assert_array_equal(found["weights"], expected.weights)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param("--group 1,2", "got --law independent and 1 groups", id="needless group"),
        pytest.param("--law one-hot", "sets how many features are on, and takes no", id="law without densities"),
        pytest.param("--law correlated --group 1,3 --features 2,3", "features from 1 to 2 as 1,2", id="group"),
        pytest.param("--law correlated --group 1,2 --features 3:2", "features from 1 to 0", id="no features"),
        pytest.param("--weight-penalty -1", "weight_penalty must be finite", id="penalty"),
        pytest.param("--dtype half", "--dtype must be float32 or float64", id="dtype"),
        pytest.param("--tolerance -1", "tolerance must be finite and positive", id="tolerance"),
    ],
)
def test_a_sweep_refuses_bad_options(tegum_: Any, tmp_path: Path, words: str, message: str) -> None:
    tegum_(f"sweep --density 0.1 {words} --out {tmp_path / 'a'}").is_misuse(message)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("out", "message"),
    [("text", "at text, got a file"), ("text/inside", "nothing at text, got a file"), (".", "--out must name")],
)
def test_a_place_that_can_be_no_sweep_is_refused(
    tegum_: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text("mine")
    tegum_(f"sweep --density 0.1 --steps 4 --out {out}").is_misuse(message)
    assert os.listdir(tmp_path) == ["text"]
    assert (tmp_path / "text").read_text() == "mine"


def test_a_sweep_without_room_for_a_model_says_so(tegum_: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise MemoryError("a single model doesn't fit on cuda")

    # Behind the face: a unit is trained without its pool.
    monkeypatch.setattr(import_module("tegum.empirical.sweeps.workers"), "train", full)
    told = tegum_(f"sweep --density 0.1 --seeds 2 --steps 4 --workers 1 --out {tmp_path / 'a'}")
    assert told.code == FAILED
    assert told.last.startswith("tegum: a single model doesn't fit on cuda; unit 0")
    assert "the same call goes on from there" in told.last


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param("--densities 0:1:5", "--densities must be a number, a list", id="grid"),
        pytest.param("--densities 0.1,2", "density must lie in (0, 1], got 2.0", id="density"),
        pytest.param("--densities 0.1,0.1", "density must not hold a value twice", id="twice"),
        pytest.param("--density 0.1 --features 0", "n_features must be a whole number of at least 1", id="features"),
        pytest.param("--density 0.1 --features 3:2", "got an empty one", id="empty axis"),
        pytest.param("--density 0.1 --objective guess", "objective must be", id="objective"),
        pytest.param("--density 0.1 --workers 0", "workers must be an integer of at least 1", id="workers"),
        pytest.param(
            "--densities 0.01:1:100000 --importances 0.1:10:100000",
            "a sweep has 100,000,000 models at most, each seed counted, got 80,000,000,000",
            id="too many models",
        ),
        pytest.param("--density 0.1 --features 2:1000000", "weights and biases have 1 TiB at most", id="too large"),
        pytest.param("", "needs --densities, or a --density that doesn't vary, got none", id="no density"),
        pytest.param("--density 0.1,0.2", "one number for each feature: a sweep is of models", id="a vector"),
        pytest.param("--density 0.1 --importance 1,0.7", "an axis is --importances", id="a vector of importances"),
        pytest.param("--density 0.1 --densities 0.1,0.2", "is an axis of what --density sets", id="both"),
    ],
)
def test_bad_input_is_one_line(tegum_: Any, tmp_path: Path, words: str, message: str) -> None:
    tegum_(f"sweep {words} --out {tmp_path / 'a'}").is_misuse(message)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("failure", "code", "message"),
    [
        pytest.param(
            KeyboardInterrupt(), INTERRUPTED, "interrupted: 0 of 1 units are done; the same command", id="Ctrl-C"
        ),
        pytest.param(RuntimeError("unit 0 lost\nits worker"), FAILED, "unit 0 lost its worker", id="lost worker"),
    ],
)
def test_what_ends_a_sweep_early_is_told(
    tegum_: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException, code: int, message: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise failure

    # Behind the face: a unit is trained without its pool.
    monkeypatch.setattr(import_module("tegum.empirical.sweeps.workers"), "train", fail)
    told = tegum_(f"sweep --density 0.1 --out {tmp_path / 'a'} {QUICK}")
    assert told.code == code
    assert told.last.startswith("tegum: ")
    assert message in told.last
