"""Sweeps in one process: the dataset, what is refused, and what is found damaged."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from tegum.empirical.runs import Optimisation, Sampling, Session
from tegum.empirical.sweeps import read_sweep, sweep
from tegum.empirical.training import train
from tegum.theory import CorrelatedFeatures, IndependentFeatures, OneHotFeatures, ToyModel, diagram_model
from tegum.theory.storage import UnverifiedWarning, sealed, workplace
from tests.support.damage import REFUSED, attacked
from tests.support.sweeps import FILES, SMALL, UNITS, contents, marks, same_models, small_sweep

# Behind the face: its files are torn at every place where a process may die.
store_module: Any = import_module("tegum.empirical.sweeps.store")
# Behind the face: settings as they are stored.
settings_module: Any = import_module("tegum.empirical.sweeps.settings")
# Behind the face: limits of units are set to small values.
grid_module: Any = import_module("tegum.empirical.sweeps.grid")
# Behind the face: rounds are stopped in the middle.
rounds_module: Any = import_module("tegum.empirical.sweeps.rounds")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("finished") / "sweep.zarr"
    assert small_sweep(path).status == "finished"
    return path


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """A finished store of one's own."""
    shutil.copytree(finished, tmp_path / "copy.zarr")
    return tmp_path / "copy.zarr"


def chunk_files(path: Path, name: str) -> list[Path]:
    return sorted(file for file in (path / name / "c").rglob("*") if file.is_file())


# --- The dataset -------------------------------------------------------------------------------------------------


def test_cells_hold_what_training_each_alone_gives(finished: Path) -> None:
    dataset = xr.open_zarr(finished)
    assert dict(dataset["weights"].sizes) == {"n_features": 2, "density": 2, "seed": 2, "hidden": 1, "feature": 3}
    for n in (2, 3):
        for density in (0.1, 0.4):
            alone = train(diagram_model(n, 1, density, 1.0), seeds=[1], steps=4, batch_size=64)
            cell = dataset.sel(n_features=n, density=density, seed=1)
            np.testing.assert_array_equal(cell["weights"].values[:, :n], alone.weights[0])
            np.testing.assert_array_equal(cell["bias"].values[:n], alone.bias[0])
            assert (cell["loss"], cell["steps"], cell["done"]) == (alone.loss[0], 4, True)
            assert np.isnan(cell["weights"].values[:, n:]).all()
            assert np.isnan(cell["bias"].values[n:]).all()


def test_coordinates_are_the_axes(finished: Path) -> None:
    dataset = xr.open_zarr(finished)
    assert dataset["n_features"].values.tolist() == [2, 3]
    assert dataset["density"].values.tolist() == [0.1, 0.4]
    assert dataset["seed"].values.tolist() == [0, 1]
    # Features are numbered as in the labels of phases.
    assert dataset["feature"].values.tolist() == [1, 2, 3]
    scalars = {
        "importance": 1.0,
        "n_hidden": 1,
        "interference_penalty": 0,
        "weight_penalty": 0,
        "activation_penalty": 0,
    }
    for name, value in scalars.items():
        assert name in dataset.coords
        assert dataset[name].values == value


def test_attributes_hold_every_setting(finished: Path) -> None:
    attributes = xr.open_zarr(finished).attrs
    assert (attributes["format"], attributes["format_version"]) == ("tegum sweep", 3)
    options = json.loads(attributes["options"])
    assert {name: options[name] for name in ("steps", "batch_size", "learning_rate", "device")} == {
        "steps": 4,
        "batch_size": 64,
        "learning_rate": 1e-3,
        "device": "cpu",
    }
    assert json.loads(attributes["axes"])["density"] == [0.1, 0.4]


def test_every_axis_can_be_a_dimension(tmp_path: Path) -> None:
    axes: dict[str, Any] = {
        "n_features": [2, 3],
        "n_hidden": [1, 2],
        "density": [0.2, 0.5],
        "importance": [0.5, 2.0],
        "interference_penalty": [0.0, 0.1],
        "weight_penalty": [0.0, 0.2],
        "activation_penalty": [0.0, 0.3],
        "seed": [4, 9],
    }
    laws: dict[str, Any] = {
        "independent": IndependentFeatures,
        "grouped": lambda density: CorrelatedFeatures(density, [(0, 1)]),
    }
    given = {{"importance": "relative_importance", "seed": "seeds"}.get(name, name): axes[name] for name in axes}
    found = sweep(tmp_path / "all", law=laws, objective="exact", steps=3, workers=1, **given)
    assert found.dataset["loss"].dims == ("law", *axes)
    assert found.models == found.models_done == 2**9
    assert found.dataset["law"].values.tolist() == list(laws)
    # A different value along each axis, so that none can be taken for another.
    place = dict(zip(("law", *axes), (1, 1, 0, 1, 0, 1, 0, 1, 1), strict=True))
    law = CorrelatedFeatures(0.5, [(0, 1)])
    model = ToyModel(3, 1, law, (1.0, 1.0, 0.5), 0.1, 0.0, 0.3)
    alone = train(model, seeds=[9], objective="exact", steps=3)
    cell = found.dataset.isel(place)
    np.testing.assert_array_equal(cell["weights"].values, np.stack([alone.weights[0, 0], np.full(3, np.nan)]))
    assert cell["loss"] == alone.loss[0]


def test_a_law_may_have_no_density(tmp_path: Path) -> None:
    found = small_sweep(tmp_path / "a", law=lambda _: OneHotFeatures(), density=0.5, objective="exact")
    alone = train(ToyModel(2, 1, OneHotFeatures()), seeds=2, steps=4, objective="exact")
    np.testing.assert_array_equal(found.dataset["loss"].sel(n_features=2).values, alone.loss)


def test_untied_models_keep_both_matrices(tmp_path: Path) -> None:
    options: dict[str, Any] = {"architecture": "absolute_value", "n_hidden": [2, 3], "n_features": 2}
    found = small_sweep(tmp_path / "a", **options)
    assert found.dataset["second"].dims == ("n_hidden", "density", "seed", "feature", "hidden")
    alone = train(diagram_model(2, 2, 0.4, 1.0), seeds=2, steps=4, batch_size=64, architecture="absolute_value")
    cells = found.dataset.sel(n_hidden=2, density=0.4)
    assert alone.second is not None
    np.testing.assert_array_equal(cells["second"].values[..., :2], alone.second)
    np.testing.assert_array_equal(cells["loss_error"].values, alone.loss_error)
    assert np.isnan(cells["second"].values[..., 2]).all()


@pytest.mark.parametrize("chunk", [1, 3, None, {"density": 1}, {"seed": 1}], ids=str)
def test_chunks_make_no_difference(finished: Path, tmp_path: Path, chunk: Any) -> None:
    found = small_sweep(tmp_path / "a", chunk=chunk)
    same_models(found.dataset, xr.open_zarr(finished))


def test_chunks_fit_their_budgets() -> None:
    axes = {
        "n_features": [400],
        "n_hidden": [50],
        "density": np.linspace(0.01, 1, 30),
        "importance": [0.5, 1.0, 2.0],
        **dict.fromkeys(grid_module.PENALTIES, 0.0),
        "seed": 100,
    }
    grid = grid_module.make_grid(axes, None, None)
    assert grid.size(next(grid.units())) * 8 * 51 * 400 <= grid_module.UNIT_BYTES
    assert sum(map(grid.size, grid.units())) == grid.models == 30 * 3 * 100
    small = grid_module.make_grid(axes | {"n_features": 2, "n_hidden": 1}, None, None)
    assert grid_module.UNIT_MODELS / 2 <= small.size(next(small.units())) <= grid_module.UNIT_MODELS


def test_two_sweeps_of_the_same_call_are_the_same_files(finished: Path, tmp_path: Path) -> None:
    small_sweep(tmp_path / "again")
    assert contents(tmp_path / "again") == contents(finished)


# --- Going on ----------------------------------------------------------------------------------------------------


def interrupt_after(units: int) -> Callable[[int, int], None]:
    """Return a callback that presses Ctrl-C when so many units are done."""

    def press(done: int, total: int) -> None:
        assert total == 2 * UNITS
        if done >= 2 * units:
            raise KeyboardInterrupt

    return press


@pytest.mark.parametrize("units", range(UNITS))
def test_ctrl_c_stops_and_the_same_call_goes_on(finished: Path, tmp_path: Path, units: int) -> None:
    path = tmp_path / "a"
    stopped = small_sweep(path, on_progress=interrupt_after(units))
    assert (stopped.status, stopped.models_done, len(marks(path))) == ("interrupted", 2 * units, units)
    assert int(stopped.dataset["done"].sum()) == 2 * units
    assert read_sweep(path).status == "unfinished"
    rest = small_sweep(path)
    assert (rest.status, rest.trained) == ("finished", UNITS - units)
    assert contents(path) == contents(finished)


def test_ctrl_c_inside_of_a_training_leaves_no_half_trained_models(finished: Path, tmp_path: Path) -> None:
    path = tmp_path / "a"
    # Half a minute, if it were not for the first look at the callback from inside of it.
    slow = {"steps": 20_000_000, "chunk": 8, "density": [0.1]}
    seen = []

    def press(done: int, _total: int) -> None:
        seen.append(done)
        if len(seen) > 1:
            raise KeyboardInterrupt

    stopped = small_sweep(path, on_progress=press, **slow)
    assert (stopped.status, stopped.models_done, marks(path)) == ("interrupted", 0, [])
    assert not stopped.dataset["done"].any()
    assert read_sweep(finished).status == "finished"


def test_a_finished_sweep_is_not_trained_again(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(copy)
    monkeypatch.setattr(rounds_module, "Crew", None)
    found = small_sweep(copy)
    assert (found.status, found.trained, found.models_done) == ("finished", 0, 2 * UNITS)
    assert contents(copy) == before


def test_resume_false_never_replaces(copy: Path) -> None:
    before = contents(copy)
    with pytest.raises(ValueError, match="resume=False"):
        small_sweep(copy, resume=False)
    assert contents(copy) == before


def test_an_empty_folder_is_a_place_for_a_sweep(tmp_path: Path, finished: Path) -> None:
    assert small_sweep(tmp_path, resume=False).status == "finished"
    assert contents(tmp_path) == contents(finished)


def test_progress_is_reported_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[tuple[int, int]] = []
    small_sweep(tmp_path / "a", progress=True, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == ((0, 8), (8, 8))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "4/4 units, 8/8 models" in " ".join(shown.err.split())


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"density": [0.1, 0.5]}, id="density"),
        pytest.param({"density": [0.4, 0.1]}, id="order"),
        pytest.param({"relative_importance": 2.0}, id="importance"),
        pytest.param({"relative_importance": [1.0]}, id="a dimension more"),
        pytest.param({"seeds": 3}, id="seeds"),
        pytest.param({"n_features": [2, 4]}, id="features"),
        pytest.param({"weight_penalty": 0.1, "objective": "exact"}, id="penalty"),
        pytest.param({"law": {"independent": IndependentFeatures}}, id="law as an axis"),
        pytest.param({"law": lambda density: IndependentFeatures(density**2)}, id="law"),
        pytest.param({"steps": 5}, id="steps"),
        pytest.param({"learning_rate": 0.01}, id="learning rate"),
        pytest.param({"objective": "exact"}, id="objective"),
        pytest.param({"optimisation": Optimisation(dtype=torch.float64)}, id="precision"),
        pytest.param({"optimisation": Optimisation(weight_decay=0.1)}, id="Adam's decay"),
        pytest.param({"sampling": Sampling("stratified")}, id="sampling"),
        pytest.param({"chunk": 1}, id="chunk"),
    ],
)
def test_a_store_of_another_sweep_is_refused(copy: Path, changes: dict[str, Any]) -> None:
    before = contents(copy)
    with pytest.raises(ValueError, match="holds another sweep"):
        small_sweep(copy, **changes)
    assert contents(copy) == before


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"learning_rate": 1e-3}, id="a default named"),
        pytest.param({"optimisation": Optimisation("adam")}, id="a default named in its group"),
        pytest.param({"chunk": None}, id="chunk of the store"),
        pytest.param({"device": "auto"}, id="any device"),
        pytest.param({"seeds": [0, 1]}, id="seeds as a list"),
        pytest.param({"density": np.array([0.1, 0.4])}, id="array"),
        pytest.param({"n_features": range(2, 4)}, id="range"),
    ],
)
def test_another_way_to_say_the_same_goes_on(copy: Path, changes: dict[str, Any]) -> None:
    assert small_sweep(copy, **changes).status == "finished"


def test_a_law_is_known_again_by_what_it_does(tmp_path: Path) -> None:
    def grouped(*group: int) -> Any:
        return lambda density: CorrelatedFeatures(density, [group])

    three = {"n_features": 3, "objective": "exact"}
    small_sweep(tmp_path / "a", law=grouped(0, 1), **three)
    assert small_sweep(tmp_path / "a", law=grouped(1, 0), **three).trained == 0
    with pytest.raises(ValueError, match="has changed"):
        small_sweep(tmp_path / "a", law=grouped(0, 2), **three)


def test_options_not_named_are_those_that_it_was_begun_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_sweep(tmp_path / "a", on_progress=interrupt_after(2))
    expected = small_sweep(tmp_path / "b")
    # A later version of train with another default.
    defaults = dict(train.__kwdefaults__ or {}) | {"learning_rate": 0.5}
    monkeypatch.setattr(train, "__kwdefaults__", defaults)
    same_models(small_sweep(tmp_path / "a").dataset, expected.dataset)


def test_grouped_options_are_stored_flat_and_read_back(tmp_path: Path) -> None:
    ways = {"optimisation": Optimisation("sgd", momentum=0.5, dtype=torch.float64), "sampling": Sampling("stratified")}
    small_sweep(tmp_path / "a", on_progress=interrupt_after(2), **ways)
    attributes = xr.open_zarr(tmp_path / "a").attrs
    named, stored = (json.loads(attributes[name]) for name in ("named", "options"))
    assert set(named) == {"steps", "batch_size", "optimiser", "momentum", "dtype", "sampling"}
    assert (stored["optimiser"], stored["momentum"], stored["weight_decay"]) == ("sgd", 0.5, 0.0)
    assert (stored["sampling"], stored["zero_inputs"]) == ("stratified", "sampled")
    assert stored["dtype"] == {"as text": "torch.float64"}
    found = small_sweep(tmp_path / "a", **ways)
    alone = train(diagram_model(2, 1, 0.1, 1.0), seeds=2, steps=4, batch_size=64, **ways)  # type: ignore[arg-type]
    np.testing.assert_array_equal(found.dataset.sel(n_features=2, density=0.1)["loss"], alone.loss)


# --- Bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"densities": [0.1]}, "takes the axes density, .* got 'densities'", id="unknown axis"),
        pytest.param({"session": Session("a")}, "got 'session'", id="option that is its own"),
        pytest.param({"optimiser": "sgd"}, "got 'optimiser'", id="option outside of its group"),
        pytest.param({"sampling": "stratified"}, "sampling must be a Sampling, got str", id="no group"),
        pytest.param({"density": []}, "density must be .* got an empty one", id="empty axis"),
        pytest.param({"seeds": []}, "seeds must be .* got an empty one", id="no seeds"),
        pytest.param({"density": [0.1, 0.2, 0.1]}, "density must not hold a value twice, got 0.1", id="twice"),
        pytest.param({"seeds": [3, 3]}, "seeds must not hold a value twice, got 3 more than once", id="seed twice"),
        pytest.param({"density": [[0.1]]}, "density must be a number or a one-dimensional", id="matrix"),
        pytest.param({"density": "high"}, "density must be a number", id="text"),
        pytest.param({"density": [0.1, 2.0]}, r"density must lie in \(0, 1\], got 2.0", id="density"),
        pytest.param({"density": [float("nan")]}, r"density must lie in \(0, 1\], got nan", id="NaN"),
        pytest.param({"relative_importance": [1.0, 0.0]}, "importance must be positive", id="importance"),
        pytest.param({"n_features": 2.5}, "n_features must be a whole number", id="half a feature"),
        pytest.param({"n_hidden": 0}, "n_hidden must be a whole number of at least 1", id="no dimensions"),
        pytest.param({"n_features": True}, "n_features must be a whole number", id="boolean"),
        pytest.param({"seeds": -1}, "seeds must be a whole number of at least 1", id="negative seeds"),
        pytest.param({"seeds": [-1]}, "seeds must be a whole number of at least 0", id="negative seed"),
        pytest.param({"interference_penalty": [0.0, -1.0]}, "interference_penalty must be finite", id="penalty"),
        pytest.param({"law": {}}, "law must be a function", id="no laws"),
        pytest.param({"law": IndependentFeatures(0.1)}, "law must be a function", id="law without density"),
        pytest.param({"law": {"none": lambda _: 3}}, "got int from 'none'", id="no law"),
        pytest.param(
            {"law": lambda density: IndependentFeatures(density[:, 0])}, "density must be a scalar or", id="shape"
        ),
        pytest.param(
            {"law": lambda density: IndependentFeatures(np.full_like(density, density.mean()))}, "on its own", id="mean"
        ),
        pytest.param({"steps": -1}, "steps must be an integer", id="steps"),
        pytest.param({"objective": "guess"}, "objective must be", id="objective"),
        pytest.param({"device": "tpu"}, "device must be", id="device"),
        pytest.param({"chunk": 0}, "chunk, if .*, must be an integer of at least 1, got 0", id="chunk"),
        pytest.param({"chunk": {"law": 1}}, "axis of chunk must be one of", id="chunk of laws"),
        pytest.param({"workers": 0}, "workers must be an integer of at least 1, got 0", id="workers"),
        pytest.param({"executor": print}, "executor must be a concurrent.futures.Executor", id="executor"),
    ],
)
def test_bad_input_is_refused_before_anything_is_made(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small_sweep(tmp_path / "a", **changes)
    assert list(tmp_path.iterdir()) == []


def test_a_fraction_is_the_number_that_it_is(tmp_path: Path) -> None:
    thirds = small_sweep(tmp_path / "a", density=[Fraction(1, 3), Fraction(1, 2)]).dataset.load()
    floats = small_sweep(tmp_path / "b", density=[1 / 3, 0.5]).dataset.load()
    assert thirds["density"].values.tolist() == [1 / 3, 0.5]
    assert thirds["weights"].identical(floats["weights"])


def test_a_missing_cuda_device_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ValueError, match="device 'cuda' was asked for, but torch finds no CUDA device here"):
        small_sweep(tmp_path / "a", device="cuda")
    assert list(tmp_path.iterdir()) == []


def test_an_option_that_cannot_be_written_down_is_refused() -> None:
    with pytest.raises(ValueError, match="write down"):
        settings_module.recorded({"schedule": object()})


# --- Damage ------------------------------------------------------------------------------------------------------


def replace_attribute(path: Path, name: str, value: Any) -> None:
    metadata = json.loads((path / "zarr.json").read_text())
    metadata["attributes"][name] = value
    (path / "zarr.json").write_text(json.dumps(metadata))


def garbage(path: Path) -> None:
    path.write_bytes(b"\x00garbage")


def newer(path: Path) -> None:
    replace_attribute(path, "tegum_version", "9.0")
    replace_attribute(path, "format_version", 4)


def something_else(path: Path) -> None:
    shutil.rmtree(path)
    path.mkdir()
    (path / "thesis.tex").write_text("...")


def a_file(path: Path) -> None:
    shutil.rmtree(path)
    path.write_text("...")


CORRUPTIONS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no metadata": (lambda path: (path / "zarr.json").unlink(), "expected the metadata of a sweep in .*doesn't exist"),
    "garbage metadata": (lambda path: garbage(path / "zarr.json"), "expected the metadata of a sweep .*can't read"),
    "metadata of a list": (lambda path: (path / "zarr.json").write_text("[]"), "got list"),
    "no array": (lambda path: shutil.rmtree(path / "loss"), "metadata of the array 'loss'.*doesn't exist"),
    "no array metadata": (lambda path: (path / "bias" / "zarr.json").unlink(), "metadata of the array 'bias'"),
    "garbage array metadata": (lambda path: garbage(path / "bias" / "zarr.json"), "metadata of the array 'bias'"),
    "empty array metadata": (lambda path: (path / "bias" / "zarr.json").write_text("{}"), "the array 'bias'"),
    "array of another shape": (
        lambda path: shutil.copy(path / "loss" / "zarr.json", path / "weights" / "zarr.json"),
        "the array 'weights'.* with shape",
    ),
    "another coordinate": (
        lambda path: chunk_files(path, "density")[0].write_bytes(np.array([0.1, 0.5]).tobytes()),
        "the coordinate 'density'",
    ),
    "garbage coordinate": (lambda path: garbage(chunk_files(path, "density")[0]), "the array 'density'"),
    "another option": (
        lambda path: replace_attribute(path, "options", '{"steps": 5}'),
        "sweep began with in .*zarr.json isn't what was saved, its checksum differs",
    ),
    "no checksums": (lambda path: (path / "marks" / "begun.json").unlink(), "expected the checksums of a sweep's"),
    "another format": (lambda path: replace_attribute(path, "format", "a diagram"), "format 'tegum sweep'.*a diagram"),
    "a newer format": (
        newer,
        "format version 3 .* got 4, written by tegum 9.0",
    ),
    "garbage settings": (lambda path: replace_attribute(path, "axes", "{"), "expected the settings of a sweep"),
    "other settings": (lambda path: replace_attribute(path, "chunk", '"a"'), "expected the settings of a sweep"),
    "a folder of something else": (
        something_else,
        "expected the metadata of a sweep",
    ),
    "a file": (a_file, r"expected a sweep \(a zarr folder\) at .*, got a file"),
}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corrupt_store_is_refused_and_left_as_it_is(copy: Path, name: str) -> None:
    corrupt, message = CORRUPTIONS[name]
    corrupt(copy)
    before = contents(copy)
    with pytest.raises(ValueError, match=message):
        small_sweep(copy)
    with pytest.raises(ValueError, match=message):
        read_sweep(copy)
    assert contents(copy) == before


def test_reading_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="doesn't exist"):
        read_sweep(tmp_path / "nothing")


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


@pytest.mark.parametrize("name", ["weights", "loss", "steps", "done"])
@pytest.mark.parametrize("damage", [garbage, torn, Path.unlink], ids=["garbage", "torn", "gone"])
def test_damaged_data_are_found_and_trained_again(copy: Path, name: str, damage: Callable[[Path], None]) -> None:
    before = contents(copy)
    damage(chunk_files(copy, name)[1])
    found = read_sweep(copy)
    assert (found.status, found.damaged, found.models_done) == ("unfinished", (1,), 6)
    # What doesn't fit isn't said to be done.
    assert (found.dataset["done"].values.sum(), found.dataset["done"].dims) == (6, found.dataset["loss"].dims)
    again = small_sweep(copy)
    assert (again.status, again.trained, again.damaged) == ("finished", 1, (1,))
    assert "trained again: 1" in again.reason
    assert contents(copy) == before


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"sha256": 3}', b'{"sha256": {"loss": "0"}}'])
def test_a_damaged_mark_is_not_trusted(copy: Path, content: bytes) -> None:
    before = contents(copy)
    (copy / "marks" / "00000002.json").write_bytes(content)
    assert read_sweep(copy).damaged == (2,)
    assert small_sweep(copy).damaged == (2,)
    assert contents(copy) == before


def test_data_without_a_mark_are_trained_again(copy: Path) -> None:
    before = contents(copy)
    (copy / "marks" / "00000002.json").unlink()
    found = small_sweep(copy)
    assert (found.trained, found.damaged) == (1, ())
    assert contents(copy) == before


# --- A full disk -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", range(len(FILES) - 2))
def test_a_full_disk_is_a_clear_error_and_the_same_call_goes_on(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: int
) -> None:
    path, written, flush = tmp_path / "a", [0], store_module.os.fsync
    unit_files = len(read_sweep(finished).dataset) + 1
    laid_out: list[int] = []

    def fill(descriptor: int) -> None:
        written[0] += bool(laid_out)
        if written[0] > unit_files + file:
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(store_module.os, "fsync", fill)
        with pytest.raises(OSError, match=r"no space is left .* 1 of 4 units are done and saved .* goes on") as full:
            small_sweep(path, on_progress=lambda done, _: laid_out.append(done))
    assert full.value.errno == errno.ENOSPC
    assert len(marks(path)) == 1
    assert in_work(path) == ["claims", "zarr.json"]
    rest = small_sweep(path)
    assert (rest.status, rest.trained, rest.damaged) == ("finished", UNITS - 1, ())
    assert contents(path) == contents(finished)


def test_a_disk_that_is_full_from_the_start_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store_module.zarr, "consolidate_metadata", fill)
    with pytest.raises(OSError, match="No space"):
        small_sweep(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("hours", [-2, 2])
def test_what_a_dead_process_left_is_removed_and_a_living_ones_is_not_whatever_clocks_say(
    copy: Path, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    there, now = copy / "work" / store_module.UNFINISHED, time.time
    monkeypatch.setattr(time, "time", lambda: now() + 3600 * hours)
    dead = there.with_name(f".{there.name}.0123456789abcdef0123456789abcdef.saving")
    dead.mkdir()
    (dead / "weights").write_text("left by a process that was killed")
    (copy / "marks" / "00000000.json").unlink()
    with workplace(there) as living:
        for path in (living, dead):
            os.utime(path, (now() - 3600 * hours,) * 2)
        assert small_sweep(copy).trained == 1
        assert in_work(copy) == [living.name, "claims", "zarr.json"]
    assert in_work(copy) == ["claims", "zarr.json"]


def in_work(path: Path) -> list[str]:
    return sorted(entry.name for entry in (path / "work").iterdir())


def test_a_unit_that_cannot_be_trained_is_named_and_the_others_are_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Behind the face: a unit is trained without its pool.
    workers: Any = import_module("tegum.empirical.sweeps.workers")

    def fail(model: ToyModel, **options: Any) -> Any:
        if model.n_features == 3 and float(model.densities().flat[0]) == SMALL["density"][0]:
            raise MemoryError("out of memory")
        return train(model, **options)

    with monkeypatch.context() as patch:
        patch.setattr(workers, "train", fail)
        with pytest.raises(MemoryError) as failure:
            small_sweep(tmp_path / "a")
    notes = " ".join(failure.value.__notes__)
    assert "unit 2 (n_features 3, density 0.1, seed 0 to 1)" in notes
    assert "3 of 4 units are done and saved" in notes
    assert small_sweep(tmp_path / "a").trained == 1


def test_damage_is_noticed(copy: Path) -> None:
    whole = read_sweep(copy).dataset.load()

    def is_right(found: Any) -> bool:
        """Units that don't fit are named, and not said to be done."""
        dataset, done = found.dataset.load(), found.dataset["done"]
        named = found.status == "finished" or not done.all()
        return bool(named and dataset.where(done).drop_vars("done").identical(whole.where(done).drop_vars("done")))

    counts, bad = attacked(copy, read_sweep, is_right, 14)
    assert bad == []
    assert counts[REFUSED] > 0


def with_former_names(path: Path) -> None:
    """Call the penalty on weights in a store as it was called up to version 2."""
    (path / "weight_penalty").rename(path / "weight_decay")
    for file in path.rglob("zarr.json"):
        file.write_text(file.read_text().replace("weight_penalty", "weight_decay"))


def test_a_sweep_whose_axes_had_other_names_is_read_and_gone_on_with(tmp_path: Path) -> None:
    path, axes = tmp_path / "penalised.zarr", {"n_features": 2, "weight_penalty": [0.0, 0.5]}
    whole = small_sweep(path, **axes).dataset.load()
    with_former_names(path)
    replace_attribute(path, "format_version", 2)
    begun = path / "marks" / "begun.json"
    sums = {
        file.relative_to(path).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in (path / name.replace("weight_penalty", "weight_decay") for name in json.loads(begun.read_text()))
        if file.is_file()
    }
    begun.write_text(json.dumps(sealed(sums)))
    assert "weight_decay" in xr.open_zarr(path).dims
    same_models(read_sweep(path).dataset, whole)
    (path / "marks" / marks(path)[0]).unlink()
    again = small_sweep(path, **axes)
    assert (again.trained, again.status) == (1, "finished")
    same_models(again.dataset, whole)


def test_a_sweep_of_the_first_version_is_read_with_a_warning(copy: Path) -> None:
    whole = read_sweep(copy).dataset.load()
    with_former_names(copy)
    replace_attribute(copy, "format_version", 1)
    (copy / "marks" / "begun.json").unlink()
    with pytest.warns(UnverifiedWarning, match="sweep's metadata in .* is of a former format without checksums"):
        same_models(read_sweep(copy).dataset, whole)
