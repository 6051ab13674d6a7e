"""The command `tegum train`: what it saves and prints, interruptions, and input that it refuses."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch

from tegum.compare.foreign import read_many

# Behind the face: options are read without running a command.
# Behind the face: options are read without training anything.
from tegum.compare.terminal import ModelOptions, TrainingOptions
from tegum.empirical.files import load_models, save_models
from tegum.empirical.runs import ARCHITECTURES, Session
from tegum.empirical.training import train
from tegum.theory import (
    AnticorrelatedFeatures,
    CorrelatedFeatures,
    IndependentFeatures,
    KHotFeatures,
    OneHotFeatures,
    ToyModel,
    phase,
)
from tegum.theory.storage import SHA256, digest_of
from tests.support.command_line import FAILED, INTERRUPTED, MISUSE, changed, ended, started
from tests.support.training import arguments

# Behind the face: every rule and schedule.
optimisers: Any = import_module("tegum.empirical.runs.optimisers")
# Behind the face: the loop is stopped at every stage.
training: Any = import_module("tegum.empirical.training.loop")
# Behind the face: a run is stopped in the middle, and groups are made small.
running: Any = import_module("tegum.empirical.training.running")

EXACT = "--objective exact --device cpu"
QUICK = f"--density 0.1 --seeds 2 --steps 8 {EXACT}"


def fields(path: Path) -> dict[str, Any]:
    return vars(load_models(path))


def same(one: Path, other: Path) -> None:
    """Assert that two files hold the same models, bit for bit."""
    first, second = fields(one), fields(other)
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)


def press_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Ctrl-C arrive when training has begun, once."""
    wait, presses = running.wait, iter([KeyboardInterrupt])

    def pressed(*arguments: Any, **named: Any) -> Any:
        for press in presses:
            raise press
        return wait(*arguments, **named)

    monkeypatch.setattr(running, "wait", pressed)


# --- Results -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".safetensors", ".zarr"])
def test_it_trains_as_the_function_does(tegum_: Any, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"runs{suffix}"
    told = tegum_(f"train {QUICK} --importance 0.5 --learning-rate 0.02 --out {out} --json").json()
    model = ToyModel(2, 1, IndependentFeatures(0.1), (1.0, 0.5))
    expected = train(model, seeds=2, steps=8, objective="exact", learning_rate=0.02)
    for name, value in vars(expected).items():
        np.testing.assert_array_equal(fields(out)[name], value, err_msg=name)
    assert told["path"] == str(out)
    assert told["status"] == "finished"
    assert told["model"] == ToyModel(2, 1, IndependentFeatures(0.1), (1.0, 0.5)).to_plain()
    for k, run in enumerate(told["runs"]):
        assert (run["seed"], run["loss"], run["loss_error"], run["steps"]) == (k, expected.loss[k], 0.0, 8)
        assert (run["status"], run["phase"]) == ("all steps taken", phase(expected.weights[k], expected.bias[k]))
    assert told["best"] == told["runs"][int(expected.loss.argmin())]
    assert os.listdir(out.parent) == [out.name]


def test_the_table_has_a_row_for_each_seed_and_the_best(tegum_: Any, tmp_path: Path) -> None:
    words = f"--seeds 0,4,9 --steps 2000 --learning-rate 0.05 --tolerance 1e-3 --density 0.1 {EXACT}"
    shown = tegum_(f"train {words} --out {tmp_path / 'a.safetensors'}")
    found = fields(tmp_path / "a.safetensors")
    assert shown.code == 0
    for seed, steps in zip((0, 4, 9), found["steps"], strict=True):
        assert [str(seed), str(steps)] in [[*row.split()[:1], *row.split()[3:4]] for row in shown.out.splitlines()]
    assert shown.out.count("converged") == 3
    best = int(found["loss"].argmin())
    assert f"Best: seed {(0, 4, 9)[best]}, loss {found['loss'][best]:.10g}, " in shown.out
    assert "digon(1,2)" in shown.out
    # Into a log no bar is written.
    assert shown.err == ""


def test_progress_is_shown_on_a_terminal(tegum_: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The command's own name, which is the command at its folder's face: a test has no terminal.
    monkeypatch.setattr(import_module("tegum.compare.commands.train"), "watched", lambda: True)
    words = f"--seeds 0,4,9 --steps 2000 --learning-rate 0.05 --tolerance 1e-3 --density 0.1 {EXACT}"
    shown = tegum_(f"train {words} --out {tmp_path / 'a.safetensors'}")
    assert "model-steps/s, 3 models converged" in shown.err


def test_a_long_table_is_cut_short(tegum_: Any, tmp_path: Path) -> None:
    shown = tegum_(f"train {changed(QUICK, '--seeds 23')} --out {tmp_path / 'a.safetensors'}")
    assert "the first 20 of 23 seeds" in " ".join(shown.out.split())


LAWS: dict[str, tuple[str, Any]] = {
    "one density each": ("--density 0.1,0.2,0.3", IndependentFeatures([0.1, 0.2, 0.3])),
    "amplitude": ("--density 0.2 --amplitude constant", IndependentFeatures(0.2, amplitude="constant")),
    "correlated": ("--density 0.2 --law correlated --group 1,3", CorrelatedFeatures(0.2, [(0, 2)])),
    "anticorrelated": (
        "--density 0.2 --law anticorrelated --group 2,3",
        AnticorrelatedFeatures(0.2, [(1, 2)]),
    ),
    "one-hot": ("--law one-hot", OneHotFeatures()),
    "k-hot": ("--law k-hot --active 2", KHotFeatures(2)),
}


@pytest.fixture
def asked(tegum_: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return what `tegum train` asks `train` for, without training anything."""

    def run(words: str) -> tuple[ToyModel, dict[str, Any]]:
        calls: list[tuple[ToyModel, dict[str, Any]]] = []

        def called(model: ToyModel, **named: Any) -> None:
            calls.append((model, named))
            raise ValueError("that's all")

        with monkeypatch.context() as patch:
            patch.setattr("tegum.empirical.training.train", called)
            assert "that's all" in tegum_(f"train {words} --out {tmp_path / 'a.zarr'}").last
        return calls[0]

    return run


@pytest.mark.parametrize("name", LAWS)
def test_laws_and_penalties_can_be_named(asked: Any, name: str) -> None:
    words, law = LAWS[name]
    penalties = "--interference-penalty 0.1 --weight-penalty 0.02 --activation-penalty 0.03"
    model, _ = asked(f"{words} --features 3 --hidden 2 --importance 1,0.7,0.4 {penalties}")
    assert (model.n_features, model.n_hidden, model.batch_shape) == (3, 2, ())
    assert (type(model.features), model.features.amplitude) == (type(law), law.amplitude)
    assert dict(model.features.patterns(3)) == dict(law.patterns(3))
    assert model.importances().tolist() == [1.0, 0.7, 0.4]
    assert (model.interference_penalty, model.weight_penalty, model.activation_penalty) == (0.1, 0.02, 0.03)


def test_an_amplitude_can_be_an_interval() -> None:
    law = ModelOptions(density="0.3", amplitude="0.5:1").over().features
    assert (law.amplitude.low, law.amplitude.high) == (0.5, 1.0)


def test_only_options_that_are_given_are_passed_on(asked: Any, tmp_path: Path) -> None:
    place = {"seeds": 8, "session": Session(tmp_path / "a.zarr.checkpoint", progress=False, keep=True)}
    assert asked("--density 0.3")[1] == place
    given = {
        "architecture": "absolute_value",
        "objective": "sampled",
        "optimiser": "adamw",
        "schedule": "cosine",
        "steps": 5,
        "batch_size": 64,
        "learning_rate": 0.01,
        "momentum": 0.8,
        "weight_decay": 0.1,
        "sampling": "stratified",
        "zero_inputs": "exact",
        "initial_scale": 0.5,
        "tolerance": 1e-3,
        "dtype": torch.float64,
        "device": "cpu",
    }
    assert set(given) == {field.name for field in dataclasses.fields(TrainingOptions)}
    words = {name.replace("batch_size", "batch").replace("_", "-"): value for name, value in given.items()}
    text = " ".join(f"--{name} {str(value).removeprefix('torch.')}" for name, value in words.items())
    assert asked(f"--density 0.3 --seeds 4:6 {text}")[1] == place | arguments(**given) | {"seeds": [4, 5, 6]}


@pytest.mark.parametrize("command", ["train", "sweep"])
def test_help_names_what_training_knows(tegum_: Any, command: str) -> None:
    shown = tegum_(f"{command} --help").out
    for name in (*ARCHITECTURES, *optimisers.OPTIMISERS, *optimisers.SCHEDULES, *get_args(training.Objective), "4000"):
        assert name in shown
    assert "{" not in shown


# --- What reads it -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".safetensors", ".zarr"])
@pytest.mark.parametrize("hidden", [1, 2])
def test_the_loss_of_what_was_trained_needs_no_further_options(
    tegum_: Any, tmp_path: Path, suffix: str, hidden: int
) -> None:
    out = tmp_path / f"a{suffix}"
    assert tegum_(f"train {QUICK} --importance 0.5 --hidden {hidden} --out {out}").code == 0
    told = tegum_(f"loss --weights {out} --json").json()
    found = fields(out)
    np.testing.assert_allclose([model["loss"] for model in told["models"]], found["loss"], rtol=1e-13)
    assert [model["importance"] for model in told["models"]] == [[1.0, 0.5]] * 2
    np.testing.assert_array_equal(read_many(out).weights, found["weights"])


def test_the_loss_of_another_architecture_is_not_told(tegum_: Any, tmp_path: Path) -> None:
    out = tmp_path / "a.safetensors"
    trained = tegum_(f"train --density 0.1 --architecture linear --seeds 2 --steps 1 --out {out} --json").json()
    assert trained["best"]["phase"] is None
    told = tegum_(f"loss --weights {out}")
    assert (told.code, told.out) == (MISUSE, "")
    assert "expected models of architecture 'relu_output', whose loss is known, got 'linear'" in told.last


def test_a_diagram_says_that_it_needs_a_grid(tegum_: Any, tmp_path: Path) -> None:
    out = tmp_path / "a.safetensors"
    assert tegum_(f"train {QUICK} --out {out}").code == 0
    told = tegum_(f"diagram --from {out} --out {tmp_path / 'diagram'}")
    assert (told.code, told.out) == (MISUSE, "")
    assert "needs at least 2 densities and 2 importances, got 1 and 1" in told.last


# --- Interruptions -----------------------------------------------------------------------------------------------


# Ctrl-C as soon as steps are taken.
PRESSED = """
import os, signal
from tegum.empirical.training import progress

# A process of a background job ignores it otherwise.
signal.signal(signal.SIGINT, signal.default_int_handler)

show = progress.Bar.show

def pressed(bar, done, total, converged):
    show(bar, done, total, converged)
    if 0 < done < total:
        os.kill(os.getpid(), signal.SIGINT)

progress.Bar.show = pressed
"""


def test_ctrl_c_in_a_process_and_the_same_command_again_end_as_one_run(tegum_: Any, tmp_path: Path) -> None:
    out, whole = tmp_path / "a.safetensors", tmp_path / "whole.safetensors"
    words = f"train --density 0.1 --seeds 3 --learning-rate 0.01 --steps 20000 {EXACT}"
    stopped = ended(started(*words.split(), "--out", str(out), before=PRESSED))
    assert (stopped.code, stopped.out) == (INTERRUPTED, ""), stopped.err
    assert re.match(r"tegum: interrupted: stopped after \d+ to \d+ of 20000 steps, saved to ", stopped.last)
    assert stopped.last.endswith("a.safetensors.checkpoint; the same command goes on from there")
    assert "Traceback" not in stopped.err
    assert os.listdir(tmp_path) == ["a.safetensors.checkpoint"]
    # Any other process goes on from what the first has left, this one too.
    resumed = tegum_(f"{words} --out {out}")
    assert resumed.code == 0, resumed.err
    assert os.listdir(tmp_path) == ["a.safetensors"]
    assert tegum_(f"{words} --out {whole}").code == 0
    same(out, whole)


@pytest.mark.parametrize("objective", ["exact", "sampled"])
def test_an_interrupted_run_goes_on_bit_for_bit(
    tegum_: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, objective: str
) -> None:
    effort = {"exact": "--steps 3000", "sampled": "--steps 30000 --batch 64"}[objective]
    words = f"train --density 0.1 --seeds 3 {effort} --objective {objective} --device cpu --json"
    with monkeypatch.context() as patch:
        press_at_once(patch)
        stopped = tegum_(f"{words} --out {tmp_path / 'a.zarr'}")
    assert (stopped.code, stopped.out) == (INTERRUPTED, "")
    assert (tmp_path / "a.zarr.checkpoint").exists()
    assert not (tmp_path / "a.zarr").exists()
    assert tegum_(f"{words} --out {tmp_path / 'a.zarr'}").code == 0
    assert not (tmp_path / "a.zarr.checkpoint").exists()
    assert tegum_(f"{words} --out {tmp_path / 'b.zarr'}").code == 0
    same(tmp_path / "a.zarr", tmp_path / "b.zarr")


def test_ctrl_c_while_losses_are_worked_out_loses_nothing(
    tegum_: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: Any) -> Any:
        raise KeyboardInterrupt

    out = tmp_path / "a.safetensors"
    with monkeypatch.context() as patch:
        patch.setattr(training, "losses_of", pressed)
        stopped = tegum_(f"train {QUICK} --out {out}")
    assert stopped.code == INTERRUPTED
    assert f"the state is saved to {out}.checkpoint; the same command goes on from there" in stopped.last
    with monkeypatch.context() as patch:
        # Nothing is left to train.
        patch.setattr("tegum.empirical.groups.exact.ExactGroup.run", pressed)
        assert tegum_(f"train {QUICK} --out {out}").code == 0
    assert tegum_(f"train {QUICK} --out {tmp_path / 'b.safetensors'}").code == 0
    same(out, tmp_path / "b.safetensors")


def zip_of(**arrays: Any) -> Any:
    def write(path: Path) -> None:
        with path.open("wb") as file:
            np.savez(file, **arrays)

    return write


def change_a_letter(path: Path) -> None:
    content = path.read_bytes()
    word, other = (text.encode("utf-32-le") for text in ("n_hidden", "n_hiddem"))
    assert word in content
    path.write_bytes(content.replace(word, other))


def write_one_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: path.write_bytes(b"PK\x03\x04 and no more"), id="text"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-100]), id="truncated"),
        pytest.param(change_a_letter, id="changed"),
        pytest.param(write_one_array, id="one array"),
        pytest.param(zip_of(settings=np.array("[1, 2]")), id="settings of another kind"),
        pytest.param(zip_of(settings=np.array([{}], dtype=object)), id="objects"),
        pytest.param(lambda path: (path.unlink(), path.mkdir()), id="folder"),
    ],
)
def test_a_hostile_checkpoint_is_refused_and_kept(
    tegum_: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Any
) -> None:
    out = tmp_path / "a.safetensors"
    with monkeypatch.context() as patch:
        press_at_once(patch)
        assert tegum_(f"train {changed(QUICK, '--steps 60000')} --out {out}").code == INTERRUPTED
    damage(tmp_path / "a.safetensors.checkpoint")
    told = tegum_(f"train {changed(QUICK, '--steps 60000')} --out {out}")
    assert (told.code, told.out, told.err.count("\n")) == (MISUSE, "", 1)
    assert f"can't read {out}.checkpoint: " in told.err
    assert "remove it to begin a new run" in told.err
    assert os.listdir(tmp_path) == ["a.safetensors.checkpoint"]


def test_a_checkpoint_of_other_shapes_is_refused(tmp_path: Path, tegum_: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    out, checkpoint = tmp_path / "a.safetensors", tmp_path / "a.safetensors.checkpoint"
    with monkeypatch.context() as patch:
        press_at_once(patch)
        assert tegum_(f"train {changed(QUICK, '--steps 60000')} --out {out}").code == INTERRUPTED
    with np.load(checkpoint) as file:
        arrays = dict(file) | {"parameters": file["parameters"][:1]}
    # As if it had been saved so, with a checksum that fits.
    del arrays[SHA256]
    zip_of(**arrays, **{SHA256: np.array(digest_of({}, arrays))})(checkpoint)
    told = tegum_(f"train {changed(QUICK, '--steps 60000')} --out {out}")
    assert told.code == MISUSE
    assert "expected parameters of shape (2, 4) and type float64" in told.last
    assert "got (1, 4) and float64" in told.last


def test_a_checkpoint_of_another_run_is_refused(tegum_: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "a.safetensors"
    with monkeypatch.context() as patch:
        press_at_once(patch)
        assert tegum_(f"train {changed(QUICK, '--steps 60000')} --out {out}").code == INTERRUPTED
    told = tegum_(f"train {QUICK} --out {out}")
    assert told.code == MISUSE
    assert "belongs to another run: expected steps = 8, got 60000; remove it to begin a new run" in told.last


# --- Failures ----------------------------------------------------------------------------------------------------


def test_a_device_without_room_for_one_model_is_told(
    tegum_: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise torch.cuda.OutOfMemoryError("no room")

    out = tmp_path / "a.safetensors"
    with monkeypatch.context() as patch:
        patch.setattr("tegum.empirical.groups.exact.ExactGroup.run", full)
        told = tegum_(f"train {QUICK} --out {out}")
    assert (told.code, told.out) == (FAILED, "")
    assert told.last.startswith("tegum: a single model doesn't fit on cpu: no room; what was trained is saved to")
    assert tegum_(f"train {QUICK} --out {out}").code == 0


def test_a_missing_cuda_device_is_told(tegum_: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    told = tegum_(f"train {changed(QUICK, '--device cuda')} --out {tmp_path / 'a.safetensors'}")
    assert (told.code, told.err.count("\n")) == (MISUSE, 1)
    assert "device 'cuda' was asked for, but torch finds no CUDA device here" in told.err


@pytest.mark.parametrize("mode", ["", "--json"])
def test_a_run_that_diverged_as_a_whole_is_told(tegum_: Any, tmp_path: Path, mode: str) -> None:
    out = tmp_path / "a.safetensors"
    told = tegum_(f"train {changed(QUICK, '--steps 40')} --learning-rate 1e200 --out {out} {mode}")
    assert told.code == FAILED
    assert told.last == "tegum: all 2 models diverged, and nothing was saved: try a smaller --learning-rate"
    assert os.listdir(tmp_path) == []
    if mode:
        found = json.loads(told.out)
        assert (found["best"], found["path"]) == (None, None)
        assert {run["loss"] for run in found["runs"]} == {None}
    else:
        assert told.out.count("diverged") == 2


@pytest.mark.parametrize("suffix", [".safetensors", ".zarr"])
def test_results_that_cannot_be_written_are_kept_elsewhere(
    tegum_: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    folder, out = tmp_path / "folder", tmp_path / "folder" / f"a{suffix}"
    folder.mkdir()

    def gone(*arguments: Any) -> Any:
        # In the way of the folder that the file is to be in.
        shutil.rmtree(folder)
        folder.write_text("")
        return losses(*arguments)

    losses = training.losses_of
    monkeypatch.setattr(training, "losses_of", gone)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    told = tegum_(f"train {QUICK} --out {out} --json")
    assert told.code == FAILED
    assert f"can't write {out}" in told.err
    place = Path(json.loads(told.out)["path"])
    assert f"what was to be saved is in {place}" in told.err
    np.testing.assert_array_equal(load_models(place).seeds, [0, 1])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param("--density 2", "density must lie in (0, 1], got 2.0", id="density"),
        pytest.param("--density high", "--density must be a number such as 0.1 or 1/3", id="word"),
        pytest.param("--density 0.1,0.2,0.3", "--density must be a number, or 2 of them, one for each", id="densities"),
        pytest.param("", "--law independent needs a --density, got none", id="no density"),
        pytest.param("--density 0.1 --importance 1,2,3", "--importance must be a number, or 2", id="importances"),
        pytest.param("--density 0.1 --importance -1", "importance must be positive", id="importance"),
        pytest.param("--density 0.1 --features 0", "n_features must be an integer of at least 1", id="features"),
        pytest.param("--density 0.1 --law zipf", "--law must be one of independent, correlated, ", id="law"),
        pytest.param("--density 0.1 --law correlated", "got --law correlated and 0 groups", id="no group"),
        pytest.param("--density 0.1 --group 1,2", "got --law independent and 1 groups", id="needless group"),
        pytest.param(
            "--density 0.1 --law correlated --group 0,1", "features from 1 to 2 as 1,2, each in one", id="feature 0"
        ),
        pytest.param(
            "--density 0.1 --law correlated --group 1 --group 1,2", "each in one group only, got 1, 1,2", id="overlap"
        ),
        pytest.param(
            "--density 0.1 --law correlated --group a", "--group must be features from 1", id="group of words"
        ),
        pytest.param("--density 0.1 --law one-hot", "takes no --density: leave it out", id="needless density"),
        pytest.param("--law k-hot", "got --law k-hot, --active None", id="k-hot without k"),
        pytest.param("--law k-hot --active 3", "n_features must be at least active=3, got 2", id="too many active"),
        pytest.param("--density 0.1 --active 2", "--active goes with --law k-hot", id="needless k"),
        pytest.param("--density 0.1 --amplitude big", "one of uniform, symmetric, constant, got 'big'", id="amplitude"),
        pytest.param("--density 0.1 --amplitude 1:b", "--amplitude must be uniform, symmetric,", id="amplitude's end"),
        pytest.param("--density 0.1 --amplitude 2:1", "needs low <= high", id="interval"),
        pytest.param("--density 0.1 --weight-penalty -1", "weight_penalty must be finite", id="penalty"),
        pytest.param("--density 0.1 --seeds 0", "seeds must be an integer of at least 1, got 0", id="no seeds"),
        pytest.param("--density 0.1 --seeds 1,a", "--seeds must be a number, a list", id="seeds in words"),
        pytest.param("--density 0.1 --seeds 1,2,1", "seeds must not hold a seed twice, got 1 more", id="a seed twice"),
        pytest.param("--density 0.1 --seeds 3:2", "seeds must be a number of seeds or a list", id="empty range"),
        pytest.param("--density 0.1 --optimiser lion", "optimiser must be one of adam, adamw, sgd", id="optimiser"),
        pytest.param("--density 0.1 --steps 0", "--steps must be at least 1, got 0", id="no steps"),
        pytest.param("--density 0.1 --steps many", "Invalid value for '--steps'", id="steps"),
        pytest.param("--density 0.1 --tolerance 0", "tolerance must be finite and positive, got 0.0", id="tolerance"),
        pytest.param("--density 0.1 --dtype float16", "--dtype must be float32 or float64, got 'float16'", id="dtype"),
        pytest.param("--density 0.1 --objective exact --architecture linear", "got 'linear'", id="exact linear"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(tegum_: Any, tmp_path: Path, words: str, message: str) -> None:
    told = tegum_(f"train {words} --out {tmp_path / 'a.safetensors'}")
    told.is_misuse(message)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("words", ["--density 0.1 --importance nan", "--density 0.1 --optimiser lion"])
def test_what_is_wrong_in_any_case_comes_before_a_file_that_exists(tegum_: Any, tmp_path: Path, words: str) -> None:
    out = tmp_path / "a.safetensors"
    out.write_bytes(b"mine")
    told = tegum_(f"train {words} --out {out}")
    told.is_misuse("must be")
    assert "exists" not in told.err
    assert out.read_bytes() == b"mine"


def test_bad_input_in_a_process_of_its_own(tmp_path: Path) -> None:
    told = ended(started("train", "--density", "2", "--out", str(tmp_path / "a.safetensors")))
    assert (told.code, told.out, told.err) == (MISUSE, "", "tegum: density must lie in (0, 1], got 2.0\n")


# --- Places ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("a.npz", "--out must end in .safetensors or .zarr, got 'a.npz'", id="ending"),
        pytest.param("file/a.safetensors", "can't write to FOLDER: ", id="folder in a file"),
    ],
)
def test_a_place_that_cannot_be_written_to_is_found_out_first(
    tegum_: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("tegum.empirical.training.loop.run_groups", None)
    told = tegum_(f"train {QUICK} --out {tmp_path / name}")
    assert (told.code, told.out, told.err.count("\n")) == (MISUSE, "", 1)
    assert message.replace("FOLDER", str(tmp_path / "file")) in told.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_found_out_first(tegum_: Any, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    told = tegum_(f"train {QUICK} --out {tmp_path / 'a.safetensors'}")
    tmp_path.chmod(0o700)
    assert told.code == MISUSE
    assert f"can't write to {tmp_path}: Permission denied" in told.last


@pytest.mark.parametrize("suffix", [".safetensors", ".zarr"])
def test_what_is_there_is_replaced_only_by_force(tegum_: Any, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"a{suffix}"
    assert tegum_(f"train {QUICK} --out {out}").code == 0
    before = fields(out)
    told = tegum_(f"train {changed(QUICK, '--seeds 3')} --out {out}")
    assert (told.code, told.out, told.err.count("\n")) == (MISUSE, "", 1)
    assert f"{out} exists: choose another --out, or replace it with --force" in told.err
    np.testing.assert_array_equal(fields(out)["weights"], before["weights"])
    assert tegum_(f"train {changed(QUICK, '--seeds 3')} --out {out} --force").code == 0
    assert len(fields(out)["seeds"]) == 3


@pytest.mark.parametrize("suffix", [".safetensors", ".zarr"])
def test_force_replaces_nothing_but_trained_models(tegum_: Any, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"a{suffix}"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    told = tegum_(f"train {QUICK} --out {out} --force")
    assert (told.code, told.err.count("\n")) == (MISUSE, 1)
    assert (out / "thesis.txt").read_text() == "years of work"


def test_a_saved_model_can_be_told_from_another_of_the_same_name(tmp_path: Path) -> None:
    # What other people call the format of their file isn't taken for ours.
    from safetensors.numpy import save_file

    save_file({"W": np.ones((1, 2))}, tmp_path / "theirs.safetensors", metadata={"format": "pt"})
    assert read_many(tmp_path / "theirs.safetensors").weights.shape == (1, 2)
    model = ToyModel(2, 2, IndependentFeatures(0.1))
    save_models(train(model, seeds=3, steps=0), tmp_path / "ours.safetensors", model=model)
    assert read_many(tmp_path / "ours.safetensors").weights.shape == (3, 2, 2)
