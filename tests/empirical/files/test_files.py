"""Trained models on disk: every bit comes back, and nothing else is believed."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import MISSING, fields, make_dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from tegum.compare.foreign import read_many
from tegum.empirical.files import (
    described_model,
    from_dataset,
    load_models,
    read_zarr,
    save_models,
    saved_model,
    to_dataset,
    write_safetensors,
    write_zarr,
)
from tegum.empirical.runs import TrainedModels
from tegum.theory import Amplitude, CorrelatedFeatures, IndependentFeatures, ToyModel, diagram_model
from tegum.theory.models import PENALTIES
from tegum.theory.storage import UnverifiedWarning
from tests.support.damage import EQUAL, REFUSED, attacked
from tests.support.laws import examples
from tests.support.places import DATA

# Behind the face: writers are replaced, to fail.
persistence: Any = import_module("tegum.empirical.files.models")

SUFFIXES = (".safetensors", ".zarr")
# Bytes that refusing may take, whatever a file declares.
LITTLE = 10_000_000
# A NaN with a payload, which arithmetic would lose.
ODD_NAN = np.uint64(0xFFF8000000000123).view(np.float64)


def trained(batch: tuple[int, ...] = (2, 3), seeds: int = 4, m: int = 2, n: int = 3, records: int = 5) -> TrainedModels:
    rng = np.random.default_rng(0)
    cells = (*batch, seeds)
    loss = rng.random(cells)
    loss.flat[0], loss.flat[1], loss.flat[2] = -0.0, ODD_NAN, np.inf
    return TrainedModels(
        weights=rng.normal(size=(*cells, m, n)),
        bias=rng.normal(size=(*cells, n)),
        seeds=np.arange(10, 10 + seeds),
        loss=loss,
        loss_error=rng.random(cells),
        loss_history=np.zeros((records, *cells)),
        history_steps=np.arange(records) * 7,
        steps=np.full(cells, 35),
        converged=rng.random(cells) < 0.5,
        diverged=rng.random(cells) < 0.5,
        architecture="relu_output",
        status="interrupted",
        reason="stopped after 35 steps — “by hand”",
    )


def assert_same(found: Any, expected: Any) -> None:
    for field in fields(expected):
        one, other = getattr(found, field.name), getattr(expected, field.name)
        assert type(one) is type(other), field.name
        if isinstance(other, np.ndarray):
            assert (one.dtype, one.shape) == (other.dtype, other.shape), field.name
            assert one.tobytes() == other.tobytes(), field.name
        else:
            assert one == other


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("batch", [(), (3,), (2, 3)], ids=["one model", "a row", "a diagram"])
def test_every_bit_comes_back(tmp_path: Path, suffix: str, batch: tuple[int, ...]) -> None:
    runs = trained(batch)
    save_models(runs, tmp_path / "deep" / f"runs{suffix}")
    assert_same(load_models(str(tmp_path / "deep" / f"runs{suffix}")), runs)
    assert [entry.name for entry in (tmp_path / "deep").iterdir()] == [f"runs{suffix}"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_runs_without_records_or_of_equal_sizes_come_back(tmp_path: Path, suffix: str) -> None:
    for k, runs in enumerate([trained(records=0), trained((2, 2), seeds=2, m=2, n=2, records=2)]):
        save_models(runs, tmp_path / f"{k}{suffix}")
        assert_same(load_models(tmp_path / f"{k}{suffix}"), runs)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("given", [True, False], ids=["with decoder", "decoder left out"])
def test_new_fields_are_carried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, given: bool) -> None:
    more: list[Any] = [("verdict", Any, None), ("output_weights", Any, None)]
    names: list[Any] = [
        (f.name, f.type) if f.default is MISSING else (f.name, f.type, f.default) for f in fields(TrainedModels)
    ]
    wider: Any = make_dataclass("Wider", [*names, *more], frozen=True, eq=False)
    runs = trained()
    values = {field.name: getattr(runs, field.name) for field in fields(runs)}
    rng = np.random.default_rng(1)
    decoder = rng.normal(size=(*runs.loss.shape, 3, 2)).astype(np.float32) if given else None
    wide = wider(**values, verdict=rng.random(runs.loss.shape) < 0.5, output_weights=decoder)
    monkeypatch.setattr(persistence, "TrainedModels", wider)
    save_models(wide, tmp_path / f"runs{suffix}")
    assert_same(load_models(tmp_path / f"runs{suffix}"), wide)


def test_a_dataset_is_labelled() -> None:
    runs = trained()
    dataset = to_dataset(runs, batch_dims=("density", "importance"))
    assert dataset["weights"].dims == ("density", "importance", "seed", "hidden", "feature")
    assert dataset["loss_history"].dims == ("record", "density", "importance", "seed")
    np.testing.assert_array_equal(dataset["seed"], runs.seeds)
    np.testing.assert_array_equal(dataset["record"], runs.history_steps)
    assert_same(from_dataset(dataset), runs)
    # Order of dimensions and coordinates of the batch are the reader's own business.
    turned = dataset.transpose(..., "density").assign_coords(density=[0.1, 0.2])
    assert_same(from_dataset(turned), runs)


@pytest.mark.parametrize("names", [("density",), ("seed", "importance"), ("a", "a")], ids=["few", "taken", "twice"])
def test_names_of_dimensions_are_checked(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="batch_dims must be 2 different names"):
        to_dataset(trained(), batch_dims=names)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_saving_replaces(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"runs{suffix}"
    save_models(trained((5,)), path)
    save_models(trained((2,)), path)
    assert load_models(path).loss.shape == (2, 4)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_fails_to_be_written_leaves_the_old(tmp_path: Path, suffix: str) -> None:
    path, runs = tmp_path / f"runs{suffix}", trained()
    save_models(runs, path)
    broken = trained()
    object.__setattr__(broken, "bias", broken.bias[..., :2])
    with pytest.raises(ValueError, match=r"expected bias of shape \(..., seed, feature\) = \(2, 3, 4, 3\), got"):
        save_models(broken, path)
    assert_same(load_models(path), runs)


def test_the_model_is_kept_and_read_as_one(tmp_path: Path) -> None:
    model = diagram_model(3, 2, np.array([[0.1], [0.5]]), np.array([0.5, 1.0, 2.0]))
    runs = trained()
    save_models(runs, tmp_path / "runs.safetensors", model=model)
    batch = read_many(tmp_path / "runs.safetensors")
    np.testing.assert_array_equal(batch.weights, runs.weights)
    assert batch.density is not None
    assert batch.importance is not None
    np.testing.assert_array_equal(batch.density[:, :, 3], model.densities())
    np.testing.assert_array_equal(batch.importance[:, :, 3], model.importances())
    with safe_open(tmp_path / "runs.safetensors", framework="numpy") as file:
        assert ToyModel.from_json(file.metadata()["model"]).describe() == model.describe()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_another_law_is_described_and_not_taken_for_independent(tmp_path: Path, suffix: str) -> None:
    law = CorrelatedFeatures(0.2, groups=((0, 1),))
    model = ToyModel(3, 2, law, weight_penalty=0.01)
    path = tmp_path / f"runs{suffix}"
    save_models(trained(()), path, model=model)
    assert_same(load_models(path), trained(()))
    assert_same_model(saved_model(path), model)
    if suffix == ".zarr":
        described = read_zarr(path, "runs").attrs["model"]
        assert described["features"] == {
            "law": "correlated",
            "density": 0.2,
            "groups": [[0, 1]],
            "amplitude": "uniform",
        }
        assert described["weight_penalty"] == 0.01


def assert_same_model(found: ToyModel | None, expected: ToyModel) -> None:
    assert found is not None
    assert found.to_plain() == expected.to_plain()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("law", sorted(examples(3)))
def test_every_law_is_kept_with_what_was_trained(tmp_path: Path, law: str, suffix: str) -> None:
    model = ToyModel(3, 2, examples(3, Amplitude(-1, 0.5))[law], (1, 0.5, 0.25), activation_penalty=0.1)
    path = tmp_path / f"runs{suffix}"
    save_models(trained(()), path, model=model)
    assert_same_model(saved_model(path), model)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_without_a_model_says_none(tmp_path: Path, suffix: str) -> None:
    save_models(trained(()), tmp_path / f"runs{suffix}")
    assert saved_model(tmp_path / f"runs{suffix}") is None


def test_a_batch_too_large_for_a_header_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tegum.empirical.files.models.MOST_WORDS", 10)
    with pytest.raises(ValueError, match=r"described in a .zarr only, got 'runs.safetensors'"):
        save_models(trained(()), tmp_path / "runs.safetensors", model=ToyModel(3, 2, IndependentFeatures(0.1)))
    assert not list(tmp_path.iterdir())


def test_the_model_of_a_file_of_the_former_format_is_read() -> None:
    """The file was written by version 2 of the format, in which λ_W was called weight_decay."""
    law = CorrelatedFeatures([[0.2, 0.2, 0.3]], [(0, 1)], amplitude="symmetric")
    importance = np.array([[1, 0.5, 0.25], [1, 1, 1]])
    expected = ToyModel(3, 2, law, importance, interference_penalty=0.05, weight_penalty=[0.1, 0.2])
    found = saved_model(DATA / "trained-models-2.safetensors")
    assert found is not None
    assert isinstance(found.features, CorrelatedFeatures)
    assert (found.features.groups, found.features.amplitude) == (law.groups, law.amplitude)
    np.testing.assert_array_equal(found.densities(), expected.densities())
    np.testing.assert_array_equal(found.importances(), expected.importances())
    assert [np.broadcast_to(getattr(found, name), 2).tolist() for name in PENALTIES] == [
        [0.05] * 2,
        [0.1, 0.2],
        [0] * 2,
    ]


@pytest.mark.parametrize(
    ("law", "words", "arrays"),
    [
        ("OneHotFeatures", {}, {}),
        ("KHotFeatures", {"active": 2}, {}),
        ("TableFeatures", {"table": [[[], 0.25], [[0, 2], 0.75]]}, {}),
        ("IndependentFeatures", {}, {"feature_density": np.full((1, 3), 0.1)}),
        ("AnticorrelatedFeatures", {"groups": [[0, 1]]}, {"active_probability": np.full((1, 3), 0.1)}),
    ],
)
def test_every_law_of_the_former_format_is_read(law: str, words: dict[str, Any], arrays: dict[str, Any]) -> None:
    penalties = {"interference_penalty": 0.0, "weight_decay": 0.0, "activation_penalty": 0.5}
    attributes: dict[str, Any] = {"n_features": 3, "n_hidden": 2}
    attributes |= {"model": {"law": law, "amplitude": [-1, 1], **words, **penalties}}
    found = described_model(attributes, arrays | {"feature_importance": np.ones((1, 3))})
    assert found is not None
    assert type(found.features).__name__ == law
    assert (found.features.amplitude, found.activation_penalty) == (Amplitude(-1, 1), 0.5)
    del attributes["model"]["amplitude"]
    with pytest.raises(ValueError, match="expected the description of a model, got one without 'amplitude'"):
        described_model(attributes, arrays)


def test_another_model_than_the_trained_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected the model that was trained: n_features=3, n_hidden=2, batch shape"):
        save_models(trained(), tmp_path / "runs.zarr", model=ToyModel(3, 2, IndependentFeatures(0.1)))


@pytest.mark.parametrize("name", ["runs.npz", "runs", "runs.zarr.bak"])
def test_other_endings_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"kept in a .safetensors or .zarr file, got 'runs"):
        save_models(trained(), tmp_path / name)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_are_read_whatever_they_are_called(tmp_path: Path, suffix: str) -> None:
    runs = trained()
    save_models(runs, tmp_path / f"runs{suffix}")
    (tmp_path / f"runs{suffix}").rename(tmp_path / "kept.pt")
    assert_same(load_models(tmp_path / "kept.pt"), runs)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_missing_file_is_named(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(ValueError, match=r"expected trained models at .*nowhere.*doesn't exist"):
        load_models(tmp_path / f"nowhere{suffix}")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "runs.safetensors"
    save_models(trained(), path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ValueError, match="can't read trained models from"):
        load_models(path)


def test_a_store_that_lost_a_chunk_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "runs.zarr"
    save_models(trained(), path)
    chunk = next(entry for entry in sorted((path / "weights").rglob("*")) if entry.is_file() and "c" in entry.parts)
    chunk.unlink()
    with pytest.raises(ValueError, match="its checksum differs"):
        load_models(path)


def test_a_store_that_is_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "runs.zarr").write_text("no store")
    with pytest.raises(ValueError, match="can't read trained models"):
        load_models(tmp_path / "runs.zarr")


def rewritten(path: Path, change: Any) -> None:
    """Save runs, and write them again with arrays and attributes changed by `change`."""
    save_models(trained(), path)
    if path.suffix == ".zarr":
        dataset = read_zarr(path, "runs")
        write_zarr(change_dataset(dataset, change), path)
        return
    with safe_open(path, framework="numpy") as file:
        attributes = {name: json.loads(value) for name, value in file.metadata().items()}
    arrays = load_file(path)
    change(arrays, attributes)
    # As if it had been saved so, with a checksum that fits.
    del attributes["tegum_sha256"]
    write_safetensors(arrays, attributes, path)


def change_dataset(dataset: xr.Dataset, change: Any) -> xr.Dataset:
    arrays = {str(name): np.array(dataset[name].values) for name in dataset.data_vars}
    dims = {name: dataset[name].dims for name in arrays}
    attributes = dict(dataset.attrs)
    change(arrays, attributes)
    variables = {
        name: (dims.get(name, ()) if array.ndim == len(dims.get(name, ())) else (), array)
        for name, array in arrays.items()
    }
    return xr.Dataset(variables, coords=dataset.coords, attrs=attributes)


def lose(name: str) -> Any:
    return lambda arrays, _: arrays.pop(name)


def renamed(text: str) -> Any:
    return lambda _, attributes: attributes.update(format=text)


def nudged(arrays: Any, _: Any) -> None:
    arrays["bias"][0, 0, 0, 0] += 1e-9


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lose("weights"), "with weights, which", id="no weights"),
        pytest.param(lose("steps"), "with steps, which", id="no steps"),
        pytest.param(lambda _, attributes: attributes.pop("status"), "with status, which", id="no status"),
        pytest.param(renamed("tegum trained models 3"), "newer than 'tegum trained models 2'", id="newer"),
        pytest.param(renamed("tegum phase diagram 1"), "expected trained models of format", id="another kind"),
        pytest.param(lambda _, attributes: attributes.pop("format"), "got None in", id="no format"),
        pytest.param(lambda arrays, _: arrays.update(extra=np.array(1.0)), "got extra too", id="unknown array"),
        pytest.param(nudged, "their checksum differs", id="changed bias"),
    ],
)
def test_what_was_not_saved_here_is_refused(tmp_path: Path, suffix: str, change: Any, message: str) -> None:
    path = tmp_path / f"runs{suffix}"
    rewritten(path, change)
    with pytest.raises(ValueError, match=message):
        load_models(path)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        pytest.param("bias", (2, 3, 4, 2), "expected bias of shape", id="bias"),
        pytest.param("seeds", (3,), r"expected seeds of shape \(seed\) = \(4,\), got \(3,\)", id="seeds"),
        pytest.param("loss_history", (4, 2, 3, 4), "expected loss_history of shape", id="history"),
        pytest.param("weights", (2, 3, 2, 3), "expected weights of shape", id="weights"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, name: str, shape: tuple[int, ...], message: str) -> None:
    path = tmp_path / "runs.safetensors"
    rewritten(path, lambda arrays, _: arrays.update({name: np.zeros(shape)}))
    with pytest.raises(ValueError, match=message):
        load_models(path)


def test_a_foreign_safetensors_file_is_refused(tmp_path: Path) -> None:
    save_file({"W": np.ones((1, 2))}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"expected trained models of format 'tegum trained models 2', got None"):
        load_models(tmp_path / "model.safetensors")


def test_only_trained_models_are_saved(tmp_path: Path) -> None:
    runs: Any = {"weights": np.ones((1, 1, 2))}
    with pytest.raises(ValueError, match="trained must be a TrainedModels, got dict"):
        save_models(runs, tmp_path / "runs.zarr")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("reads", [load_models, read_many], ids=["load_models", "tegum loss"])
def test_damage_is_noticed(tmp_path: Path, suffix: str, reads: Any) -> None:
    path = tmp_path / f"runs{suffix}"
    # Without NaN: what isn't finite is refused for another reason.
    runs = replace(trained(), loss=np.ones((2, 3, 4)))
    save_models(runs, path)

    def is_right(found: Any) -> bool:
        return bool(found.weights.tobytes() == runs.weights.tobytes() and found.bias.tobytes() == runs.bias.tobytes())

    counts, bad = attacked(path, reads, is_right, 14)
    assert bad == []
    assert counts[REFUSED] > counts[EQUAL]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_of_the_first_format_is_read_with_a_warning(tmp_path: Path, suffix: str) -> None:
    path, runs = tmp_path / f"runs{suffix}", trained()
    save_models(runs, path)
    if suffix == ".zarr":
        where = path / "zarr.json"
        metadata = json.loads(where.read_text())
        del metadata["attributes"]["tegum_sha256"]
        metadata["attributes"]["format"] = '"tegum trained models 1"'
        where.write_text(json.dumps(metadata))
    else:
        with safe_open(path, framework="numpy") as file:
            words = file.metadata() | {"format": '"tegum trained models 1"'}
        del words["tegum_sha256"]
        save_file(load_file(path), path, metadata=words)
    with pytest.warns(UnverifiedWarning, match="is of a former format without checksums"):
        assert_same(load_models(path), runs)


def test_a_checksum_that_is_gone_is_missed(tmp_path: Path) -> None:
    path = tmp_path / "runs.zarr"
    save_models(trained(), path)
    where = path / "zarr.json"
    where.write_text(where.read_text().replace("tegum_sha256", "tegum_sha257"))
    with pytest.raises(ValueError, match="is damaged: expected its checksum beside format 'tegum trained models 2'"):
        load_models(path)


@pytest.mark.parametrize(
    ("shape", "chunks", "message"),
    [
        pytest.param((10**9,), (10**9,), "declares arrays of 8,000,000,000 bytes", id="array"),
        pytest.param((10,), (10**10,), "declares arrays of 80,000,000,000 bytes", id="chunk"),
        pytest.param((10**7,), (1,), "declares 10,000,000 chunks, it has 2 files", id="chunks"),
    ],
)
def test_a_store_declares_no_more_than_it_can_hold(
    tmp_path: Path, shape: tuple[int, ...], chunks: tuple[int, ...], message: str
) -> None:
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=3)
    group.create_array("W", shape=shape, chunks=chunks, dtype="f8", dimension_names=("feature",))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=message):
            read_zarr(tmp_path / "a.zarr", "models")
        assert tracemalloc.get_traced_memory()[1] < LITTLE
    finally:
        tracemalloc.stop()


def test_the_name_of_the_checksum_is_taken(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without the attribute 'tegum_sha256'"):
        write_zarr(xr.Dataset(attrs={"tegum_sha256": "0"}), tmp_path / "a.zarr")
