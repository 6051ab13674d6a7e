"""The command `tegum sweep`: axes in words, and what it prints."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

options: Any = import_module("tegum.compare.commands.options")
sweeping: Any = import_module("tegum.compare.commands.sweep")
cli: Any = import_module("tegum.compare.commands.app")
empirical: Any = import_module("tegum.empirical")

QUICK = "--steps 4 --batch 64 --seeds 2 --workers 1"


def run(monkeypatch: pytest.MonkeyPatch, words: str) -> Any:
    monkeypatch.setattr(sys, "argv", ["tegum", "sweep", *words.split()])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return stop.value.code


@pytest.mark.parametrize(
    ("text", "values"),
    [
        pytest.param("0.1", 0.1, id="number"),
        pytest.param("0.1,0.3", [0.1, 0.3], id="list"),
        pytest.param("0.1,", None, id="list with a hole"),
        pytest.param("0.01:1:3", [0.01, 0.1, 1.0], id="grid"),
        pytest.param("1:4:2", [1.0, 4.0], id="grid of ends"),
        pytest.param("0:1:3", None, id="logarithm of zero"),
        pytest.param("1:2", None, id="no count"),
        pytest.param("1:2:3.5", None, id="half a count"),
        pytest.param("1:2:-1", None, id="negative count"),
        pytest.param("1:inf:3", None, id="infinite"),
        pytest.param("dense", None, id="word"),
    ],
)
def test_axes_in_words(text: str, values: Any) -> None:
    if values is None:
        with pytest.raises(ValueError, match="--density must be a number, a list"):
            sweeping.numbers("density", text)
    else:
        found = sweeping.numbers("density", text)
        assert isinstance(found, list) == isinstance(values, list)
        np.testing.assert_allclose(found, values, rtol=1e-15)


@pytest.mark.parametrize(
    ("text", "values"), [("3", 3), ("2,5", [2, 5]), ("2:5", [2, 3, 4, 5]), ("2.5", None), ("2:3:4", None), ("", None)]
)
def test_whole_axes_in_words(text: str, values: Any) -> None:
    if values is None:
        with pytest.raises(ValueError, match="--features must be"):
            options.whole_numbers("features", text)
    else:
        assert options.whole_numbers("features", text) == values


def test_the_command_trains_a_grid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = f"--density 0.1:0.4:3 --importance 0.5,2 --features 2:3 --out {tmp_path / 'a'} {QUICK}"
    assert run(monkeypatch, f"{words} --json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["status"], told["models"]) == ("finished", 2 * 3 * 2 * 2)
    assert told["dimensions"]["density"] == 3
    dataset = xr.open_zarr(tmp_path / "a")
    np.testing.assert_allclose(dataset["density"], [0.1, 0.2, 0.4])
    assert dataset["done"].all()
    assert run(monkeypatch, words) == 0
    assert "24 models" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param("--density 0:1:5", "--density must be a number, a list", id="grid"),
        pytest.param("--density 0.1,2", "density must lie in (0, 1], got 2.0", id="density"),
        pytest.param("--density 0.1,0.1", "density must not hold a value twice", id="twice"),
        pytest.param("--density 0.1 --features 0", "n_features must be a whole number of at least 1", id="features"),
        pytest.param("--density 0.1 --features 3:2", "got an empty one", id="empty axis"),
        pytest.param("--density 0.1 --objective guess", "objective must be", id="objective"),
        pytest.param("--density 0.1 --workers 0", "workers must be a positive integer", id="workers"),
        pytest.param("", "Missing option '--density'", id="no density"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str, message: str
) -> None:
    assert run(monkeypatch, f"{words} --out {tmp_path / 'a'}") == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("tegum: ")
    assert told.err.count("\n") == 1
    assert message in told.err
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("failure", "code", "message"),
    [
        pytest.param(KeyboardInterrupt(), 130, "interrupted: 0 of 1 units are done; the same command", id="Ctrl-C"),
        pytest.param(RuntimeError("unit 0 lost\nits worker"), 1, "unit 0 lost its worker", id="lost worker"),
    ],
)
def test_what_ends_a_sweep_early_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    failure: BaseException,
    code: int,
    message: str,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(import_module("tegum.empirical.sweeps.workers"), "train", fail)
    assert run(monkeypatch, f"--density 0.1 --out {tmp_path / 'a'} {QUICK}") == code
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("tegum: ")
    assert message in last
