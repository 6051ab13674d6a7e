"""A sweep is read like any file of trained models: checked, whole, and of its own model."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tegum.compare.foreign import model_of_weights, read_many
from tegum.empirical import save_models, sweep, train
from tegum.empirical.sweeps import read_sweep
from tegum.theory import CorrelatedFeatures, IndependentFeatures, ToyModel, expected_loss

CHOSEN: dict[str, Any] = {"density": [0.1, 0.4], "relative_importance": [0.5, 1.0, 2.0], "seeds": 2, "steps": 3}


def pairs(density: Any) -> CorrelatedFeatures:
    return CorrelatedFeatures(density, [(0, 1)], amplitude="constant")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sweeps") / "pairs.zarr"
    done = sweep(path, law=pairs, n_features=2, n_hidden=1, objective="exact", workers=1, **CHOSEN)
    assert done.status == "finished"
    return path


def test_losses_are_those_of_the_sweep(store: Path) -> None:
    batch = read_many(store)
    dataset = read_sweep(store).dataset
    np.testing.assert_array_equal(batch.weights, dataset.weights.values.reshape(batch.weights.shape))
    model = model_of_weights(batch)
    assert isinstance(model.features, CorrelatedFeatures)
    losses = expected_loss(model, batch.weights, batch.bias)
    np.testing.assert_allclose(losses.ravel(), dataset.loss.values.ravel(), rtol=1e-12)
    with pytest.raises(ValueError, match=r"density 0\.2 contradicts the file"):
        model_of_weights(batch, density=0.2)


def test_the_command_says_whose_loss_it_is(tegum_: Any, store: Path) -> None:
    told = tegum_(f"loss --weights {store} --json").json()
    assert told["model"]["features"]["law"] == "correlated"
    assert len(told["models"]) == 12


def test_what_is_not_finished_or_no_one_model_is_refused(store: Path, tmp_path: Path) -> None:
    unfinished = tmp_path / "a.zarr"
    shutil.copytree(store, unfinished)
    # What says that the only unit is done.
    (unfinished / "marks" / "00000000.json").unlink()
    with pytest.raises(ValueError, match=r"0 of 1 units are done.*go on with it"):
        read_many(unfinished)
    several = tmp_path / "b.zarr"
    sweep(several, density=0.3, n_features=[2, 3], n_hidden=1, seeds=1, steps=1, objective="exact", workers=1)
    with pytest.raises(ValueError, match="a sweep over several laws or sizes, which have no one description"):
        read_many(several)


@pytest.mark.usefixtures("traced")
def test_a_diagram_of_a_sweep(tegum_: Any, tmp_path: Path) -> None:
    store = tmp_path / "grid.zarr"
    grid: dict[str, Any] = {"density": [0.1, 0.4], "relative_importance": [0.5, 1.0]}
    sweep(store, **grid, seeds=1, steps=2, n_features=2, n_hidden=1, workers=1)
    told = tegum_(f"diagram --from {store} --out {tmp_path / 'out'} --json")
    assert told.code == 0
    assert (tmp_path / "out" / "foreign.zarr").is_dir()


def test_too_little_memory_is_not_called_damage(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr("xarray.open_zarr", full)
    models = store.parent / "models.zarr"
    save_models(train(ToyModel(2, 1, IndependentFeatures(0.5)), seeds=1, steps=1, device="cpu"), models)
    with pytest.raises(MemoryError, match="no room"):
        read_many(models)
